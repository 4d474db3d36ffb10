-- name: add-leases
-- Add a free lease row, at the start of the line, for each partition that has none.
insert into foldline.lease (follower, part, version, streams)
select %(follower)s, p, %(version)s, %(streams)s from generate_series(0, %(partitions)s - 1) p
on conflict do nothing

-- name: set-streams
-- Record the streams that a follower reads, where they have changed.
with changed as (
    select part from foldline.lease where follower = %(follower)s and streams <> %(streams)s::text[] order by part for update
)
update foldline.lease l set streams = %(streams)s from changed where l.follower = %(follower)s and l.part = changed.part

-- name: drop-leases
-- Delete the leases of a generation that is dropped; whoever folds it is fenced.
with gone as (
    select part from foldline.lease where follower = %(follower)s order by part for update
)
delete from foldline.lease l using gone where l.follower = %(follower)s and l.part = gone.part

-- name: move-leases
-- Rename the leases of a generation with it; they are free, under epochs that nobody holds.
update foldline.lease set
    follower = %(to)s, epoch = epoch + 1, owner = null, backend_pid = null, backend_start = null, until = '-infinity'
where follower = %(from)s

-- name: swap-live-leases
-- Give the live leases the checkpoints of the generation that becomes live, under epochs that nobody holds. The
-- owners keep their partitions and take them anew; their leases run on by the time that the swap took.
update foldline.lease l
set seqs = reached.seqs, version = %(version)s, streams = %(streams)s, epoch = l.epoch + 1,
    stored_at = greatest(l.stored_at, (select max(b.stored_at) from foldline.lease b where b.follower = %(built)s)),
    until = l.until + (clock_timestamp() - transaction_timestamp())
from unnest(%(parts)s::smallint[], %(seqs)s::jsonb[]) reached (part, seqs)
where l.follower = %(follower)s and l.part = reached.part

-- name: add-old-leases
-- Add the leases of the generation that was live before, at its checkpoints.
insert into foldline.lease (follower, part, version, streams, seqs)
select %(follower)s, part, %(version)s, %(streams)s, seqs
from unnest(%(parts)s::smallint[], %(seqs)s::jsonb[]) was (part, seqs)

-- name: take-over-partition
-- Lock a partition until the end of the transaction; its owner is fenced, and what it has cached is void.
update foldline.lease set epoch = epoch + 1 where follower = %(follower)s and part = %(part)s returning seqs

-- name: pause
-- Pause all partitions of a projection; whoever folds them is fenced.
with running as (
    select part from foldline.lease
    where follower = %(follower)s and paused is distinct from %(reason)s
    order by part
    for update
)
update foldline.lease l
set paused = %(reason)s, paused_at = clock_timestamp(), epoch = epoch + 1, owner = null, backend_pid = null,
    backend_start = null, until = '-infinity'
from running
where l.follower = %(follower)s and l.part = running.part

-- name: resume
-- Let the paused partitions of a projection be taken again.
with paused as (
    select part from foldline.lease
    where follower = %(follower)s and paused is not null
    order by part
    for update
)
update foldline.lease l set paused = null, paused_at = null
from paused
where l.follower = %(follower)s and l.part = paused.part

-- name: paused-by-reason
-- The paused partitions of a projection, by reason.
select paused, array_agg(part order by part) from foldline.lease
where follower = %(projection)s and paused is not null
group by paused order by paused

-- name: held-partitions
-- How many partitions of a projection have an owner whose lease has not expired.
select count(*) from foldline.lease
where follower = %(projection)s and owner is not null and until > clock_timestamp()

-- name: pause-if-running
-- Pause the partitions of a projection that are not paused yet: an operator's own pause stays as it is.
update foldline.lease
set paused = coalesce(paused, %(reason)s), paused_at = coalesce(paused_at, clock_timestamp())
where follower = %(follower)s

-- name: is-paused-for-reason
-- Whether any partition of a projection is paused for this reason.
select exists (select from foldline.lease where follower = %(follower)s and paused = %(reason)s)

-- name: resume-if-reason
-- Resume the partitions of a projection that are paused for this reason.
update foldline.lease set paused = null, paused_at = null where follower = %(follower)s and paused = %(reason)s

-- name: reset-checkpoints
-- Put every follower at the start of the line; whoever folds or follows is fenced.
update foldline.lease
set seqs = '{}', stored_at = null, epoch = epoch + 1, owner = null, backend_pid = null, backend_start = null,
    until = '-infinity'
