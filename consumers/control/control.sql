-- name: checkpoints
-- How far each partition of a follower is.
select part, seqs from foldline.lease where follower = %(follower)s order by part

-- name: lock-checkpoints
-- The same, and nobody commits a batch until the end of the transaction. In the order of the fence.
select part, seqs from foldline.lease where follower = %(follower)s order by part for update

-- name: one-at-a-time
-- Held as long as the connection: one process rebuilds or verifies a projection.
select pg_try_advisory_lock(1179601988, hashtext(%(name)s))

-- name: no-longer
-- Give that up.
select pg_advisory_unlock(1179601988, hashtext(%(name)s))

-- name: under-way
-- Whether somebody holds that, asked without taking it.
select exists (
    select from pg_locks
    where locktype = 'advisory' and granted and database = (select oid from pg_database where datname = current_database())
      and classid = 1179601988 and objid = (hashtext(%(name)s)::bigint & 4294967295)::oid and objsubid = 2
)

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

-- name: bound-lock
-- Who waits for a lock would make others wait behind it.
select set_config('lock_timeout', %(timeout)s, true)

-- name: newest
-- Store time of the newest event a follower has folded.
select max(stored_at) from foldline.lease where follower = %(follower)s

-- name: paused
-- The partitions nobody may fold, and why.
select part, paused from foldline.lease where follower = %(follower)s and paused is not null order by part

-- name: take-over
-- The partition of an entity is ours until the end of the transaction; what its owner remembers is void.
update foldline.lease set epoch = epoch + 1 where follower = %(follower)s and part = %(part)s returning seqs

-- name: skip
-- Pass an event over, in every fold from now on.
insert into foldline.skip (projection, stream, seq, reason)
values (%(projection)s, %(stream)s, %(seq)s, %(reason)s)
on conflict (projection, stream, seq) do update set reason = excluded.reason

-- name: entity-tables
-- The tables of a schema whose rows belong to an entity.
select table_name from information_schema.columns
where table_schema = %(schema)s and column_name in ('site', 'id')
group by table_name having count(*) = 2
order by table_name
