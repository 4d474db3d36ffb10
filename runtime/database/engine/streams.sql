-- name: known-streams
-- The streams that the read models are folded from, and when each was created.
select name, created from foldline.stream

-- name: remember-stream
-- Record a stream that is folded for the first time.
insert into foldline.stream (name, created) values (%(name)s, %(created)s) on conflict (name) do nothing

-- name: accept-stream
-- Record that a stream of this name, created at another time, is folded from now on.
insert into foldline.stream (name, created) values (%(name)s, %(created)s)
on conflict (name) do update set created = excluded.created
