-- name: add-leases
-- A free lease row for each partition that has none, at the start of the line.
insert into foldline.lease (follower, part, version, streams)
select %(follower)s, p, %(version)s, %(streams)s from generate_series(0, %(partitions)s - 1) p
on conflict do nothing

-- name: set-streams
-- What a follower reads, where that has changed.
with changed as (
    select part from foldline.lease where follower = %(follower)s and streams <> %(streams)s::text[] order by part for update
)
update foldline.lease l set streams = %(streams)s from changed where l.follower = %(follower)s and l.part = changed.part

-- name: drop-leases
-- The leases of a generation that goes away; whoever folds it is fenced.
with gone as (
    select part from foldline.lease where follower = %(follower)s order by part for update
)
delete from foldline.lease l using gone where l.follower = %(follower)s and l.part = gone.part

-- name: move-leases
-- The leases of a generation follow it to its new name, free and under epochs nobody holds.
update foldline.lease set
    follower = %(to)s, epoch = epoch + 1, owner = null, backend_pid = null, backend_start = null, until = '-infinity'
where follower = %(from)s

-- name: continue-at
-- The generation that becomes live: as far as it is, under epochs nobody holds. Who held the partitions keeps
-- them, and takes them anew. The time the swap took is no silence of theirs.
update foldline.lease l
set seqs = reached.seqs, version = %(version)s, streams = %(streams)s, epoch = l.epoch + 1,
    stored_at = greatest(l.stored_at, (select max(b.stored_at) from foldline.lease b where b.follower = %(built)s)),
    until = l.until + (clock_timestamp() - transaction_timestamp())
from unnest(%(parts)s::smallint[], %(seqs)s::jsonb[]) reached (part, seqs)
where l.follower = %(follower)s and l.part = reached.part

-- name: set-aside
-- The generation before, as far as it was.
insert into foldline.lease (follower, part, version, streams, seqs)
select %(follower)s, part, %(version)s, %(streams)s, seqs
from unnest(%(parts)s::smallint[], %(seqs)s::jsonb[]) was (part, seqs)

-- name: take-over-partition
-- The partition of an entity is ours until the end of the transaction; what its owner remembers is void.
update foldline.lease set epoch = epoch + 1 where follower = %(follower)s and part = %(part)s returning seqs

-- name: pause
-- Nobody folds a projection's partitions any more; who does is fenced.
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
-- Its partitions may be taken again.
with paused as (
    select part from foldline.lease
    where follower = %(follower)s and paused is not null
    order by part
    for update
)
update foldline.lease l set paused = null, paused_at = null
from paused
where l.follower = %(follower)s and l.part = paused.part

-- name: paused-partitions
-- The partitions nobody may fold, and why.
select part, paused from foldline.lease where follower = %(follower)s and paused is not null order by part

-- name: paused-by-reason
-- Partitions nobody may fold, by reason.
select paused, array_agg(part order by part) from foldline.lease
where follower = %(projection)s and paused is not null
group by paused order by paused

-- name: held-partitions
-- How many partitions of a projection have an owner whose lease still runs.
select count(*) from foldline.lease
where follower = %(projection)s and owner is not null and until > clock_timestamp()

-- name: rest
-- Nobody folds a projection until it was rebuilt; whoever does is fenced. An operator's own pause stays.
update foldline.lease
set paused = coalesce(paused, %(reason)s), paused_at = coalesce(paused_at, clock_timestamp())
where follower = %(follower)s

-- name: resting
-- Whether a projection waits for its rebuild.
select exists (select from foldline.lease where follower = %(follower)s and paused = %(reason)s)

-- name: go-on
-- It was rebuilt.
update foldline.lease set paused = null, paused_at = null where follower = %(follower)s and paused = %(reason)s

-- name: start-over
-- Every follower is at the start of the line; whoever folds or follows is fenced.
update foldline.lease
set seqs = '{}', stored_at = null, epoch = epoch + 1, owner = null, backend_pid = null, backend_start = null,
    until = '-infinity'
