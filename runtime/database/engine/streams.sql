-- name: known-streams
-- The streams that the read models are folded from, and when each was created.
select name, created from foldline.stream

-- name: remember-stream
-- Record a stream that is folded for the first time.
insert into foldline.stream (name, created) values (%(name)s, %(created)s) on conflict (name) do nothing

-- name: accept-stream
-- Record that a stream of this name, created at another time, is folded from now on.
insert into foldline.stream (name, created) values (%(name)s, %(created)s)
on conflict (name) do update set created = excluded.created, accepted_first = 0

-- name: accepted-first
-- The sequence before which an operator gave up what a stream no longer holds.
select accepted_first from foldline.stream where name = %(name)s

-- name: accept-first
-- Record that an operator gives up what a stream does not hold before a sequence.
update foldline.stream set accepted_first = greatest(accepted_first, %(first)s) where name = %(name)s
