-- name: rest
-- Nobody folds a projection until it was rebuilt; whoever does is fenced. An operator's own pause stays.
update foldline.lease
set paused = coalesce(paused, %(reason)s), paused_at = coalesce(paused_at, clock_timestamp())
where follower = %(follower)s

-- name: go-on
-- It was rebuilt.
update foldline.lease set paused = null, paused_at = null where follower = %(follower)s and paused = %(reason)s

-- name: resting
-- Whether a projection waits for its rebuild.
select exists (select from foldline.lease where follower = %(follower)s and paused = %(reason)s)

-- name: start-over
-- Every follower is at the start of the line; whoever folds or follows is fenced.
update foldline.lease
set seqs = '{}', stored_at = null, epoch = epoch + 1, owner = null, backend_pid = null, backend_start = null,
    until = '-infinity'

-- name: accept-stream
-- From now on this is the stream that is folded.
insert into foldline.stream (name, created) values (%(name)s, %(created)s)
on conflict (name) do update set created = excluded.created

-- name: forget-skips
-- Decisions about events by their sequence, which means another event now.
delete from foldline.skip where stream = any(%(streams)s) returning seq

-- name: forget-dismissals
-- The same for rejected events.
delete from foldline.dismissal where stream = any(%(streams)s)
