-- name: known-streams
-- The streams that were folded, and when they were created.
select name, created from foldline.stream

-- name: remember-stream
-- The read models are folded from this stream.
insert into foldline.stream (name, created) values (%(name)s, %(created)s) on conflict (name) do nothing

-- name: accept-stream
-- From now on this is the stream that is folded.
insert into foldline.stream (name, created) values (%(name)s, %(created)s)
on conflict (name) do update set created = excluded.created
