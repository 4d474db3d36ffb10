-- name: note-reactors
-- Note that a process runs some reactors, and their last success and failure; ages are in seconds before
-- the statement. Rows are locked in the order of names: two processes never wait for each other.
insert into foldline.reactor as r (name, running_at, succeeded_at, failed_at, failure)
select name, statement_timestamp(), statement_timestamp() - make_interval(secs => succeeded),
       statement_timestamp() - make_interval(secs => failed), failure
from unnest(%(names)s::text[], %(succeeded)s::float8[], %(failed)s::float8[], %(failures)s::text[])
    as now (name, succeeded, failed, failure)
order by name
on conflict (name) do update
set running_at = excluded.running_at,
    succeeded_at = greatest(r.succeeded_at, excluded.succeeded_at),
    failure = case when excluded.failed_at >= coalesce(r.failed_at, '-infinity') then excluded.failure else r.failure end,
    failed_at = greatest(r.failed_at, excluded.failed_at)

-- name: note-failing
-- Note an event that a task reactor cannot handle.
insert into foldline.failing_event (reactor, stream, seq, subject, tries, error)
values (%(reactor)s, %(stream)s, %(sequence)s, %(subject)s, %(tries)s, %(error)s)
on conflict (reactor, stream, seq) do update
set tries = excluded.tries, error = excluded.error, failed_at = clock_timestamp()

-- name: forget-failing
-- Delete an event that a task reactor has handled after all.
delete from foldline.failing_event where (reactor, stream, seq) = (%(reactor)s, %(stream)s, %(sequence)s)

-- name: task-reactor
-- Whether a reactor is paused, and the sequence up to which it has acknowledged everything.
select paused is not null, ack_floor from foldline.reactor where name = %(name)s

-- name: raise-ack-floor
-- Record that a task reactor has acknowledged everything up to a sequence; what failed up to there is gone.
with gone as (
    delete from foldline.failing_event where reactor = %(name)s and seq <= %(floor)s
)
insert into foldline.reactor as r (name, ack_floor) values (%(name)s, %(floor)s)
on conflict (name) do update set ack_floor = greatest(r.ack_floor, excluded.ack_floor)

-- name: reset-reactors
-- Put every task reactor at the start of the line, whose sequences mean other events now.
with gone as (delete from foldline.failing_event)
update foldline.reactor set ack_floor = 0

-- name: pause-reactor
-- Pause a task or periodic reactor; no row if it was paused for this reason before.
insert into foldline.reactor as r (name, paused, paused_at) values (%(name)s, %(reason)s, clock_timestamp())
on conflict (name) do update set paused = excluded.paused, paused_at = excluded.paused_at
where r.paused is distinct from excluded.paused
returning name

-- name: resume-reactor
-- Let a task or periodic reactor go on; no row if it was not paused.
update foldline.reactor set paused = null, paused_at = null
where name = %(name)s and paused is not null
returning name

-- name: reactors
-- What is known of each reactor: whether a process has run it within `within`, its pause, its outcomes.
select name, running_at > clock_timestamp() - %(within)s, paused, foldline.rfc3339(paused_at),
       foldline.rfc3339(succeeded_at), foldline.rfc3339(failed_at), failure, coalesce(failed_at > coalesce(succeeded_at, '-infinity'), false)
from foldline.reactor

-- name: paused-followers
-- The pause of each follower that has one, by its newest reason.
select distinct on (follower) follower, paused, foldline.rfc3339(paused_at)
from foldline.lease where paused is not null
order by follower, paused_at desc

-- name: failing-events
-- The events that task reactors fail to handle, the oldest of each reactor, and how many there are.
select reactor, stream, seq, subject, tries, error, foldline.rfc3339(failed_at), total
from (
    select e.*, count(*) over (partition by reactor) as total,
           row_number() over (partition by reactor order by stream, seq) as place
    from foldline.failing_event e
) ranked
where place <= %(most)s
order by reactor, stream, seq
