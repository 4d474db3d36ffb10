-- name: announce-replica
-- Record that this replica is alive, and drop replicas that are silent; returns those of its version, by name.
with me as (
    insert into foldline.replica (follower, owner, version, until)
    values (%(follower)s, %(owner)s, %(version)s, clock_timestamp() + %(ttl)s)
    on conflict (follower, owner) do update set version = excluded.version, until = excluded.until
    returning owner
), silent as (
    select owner from foldline.replica
    where follower = %(follower)s and owner <> %(owner)s
      and until not between clock_timestamp() and clock_timestamp() + 2 * %(ttl)s
    for update skip locked
), gone as (
    delete from foldline.replica r using silent where r.follower = %(follower)s and r.owner = silent.owner
)
select owner from me
union
select owner from foldline.replica
where follower = %(follower)s and version is not distinct from %(version)s::integer
  and until between clock_timestamp() and clock_timestamp() + 2 * %(ttl)s
order by owner

-- name: renew-leases
-- Extend the leases that this replica holds; a partition that is not returned was taken by another one. Like
-- every statement that writes several leases it locks them in the order of their partitions: two such
-- statements never wait for each other.
with held as (
    select l.part
    from foldline.lease l
    join unnest(%(parts)s::smallint[], %(epochs)s::bigint[]) mine (part, epoch)
      on l.part = mine.part and l.epoch = mine.epoch
    where l.follower = %(follower)s and l.owner = %(owner)s
    order by l.part
    for update of l
)
update foldline.lease l
set until = clock_timestamp() + %(ttl)s, backend_pid = %(pid)s, backend_start = %(started)s
from held
where l.follower = %(follower)s and l.part = held.part
returning l.part

-- name: take-leases
-- Take partitions of this version that are not paused: free and expired ones, and own ones that this process
-- forgot after a failure. A lease that ends further ahead than any owner would set it was written before the
-- clock went back, and counts as expired. Rows that a hung owner's transaction has locked are passed over. An
-- owner that hangs before its fence has locked no lease row, but its uncommitted rows would block us: its
-- backend is ended.
with free as (
    select part, owner, backend_pid, backend_start from foldline.lease
    where follower = %(follower)s and version is not distinct from %(version)s::integer and paused is null
      and part <> all(%(holding)s::smallint[])
      and (owner is null or owner = %(owner)s
           or until not between clock_timestamp() and clock_timestamp() + 2 * %(ttl)s)
    order by part
    limit %(most)s
    for update skip locked
), ended as (
    select pg_terminate_backend(a.pid) as done
    from (select distinct backend_pid, backend_start from free where owner is not null) old
    join pg_stat_activity a on a.pid = old.backend_pid and a.backend_start = old.backend_start
    where a.pid <> %(pid)s
)
update foldline.lease l
set owner = %(owner)s, epoch = l.epoch + 1, until = clock_timestamp() + %(ttl)s,
    backend_pid = %(pid)s, backend_start = %(started)s
from free
where l.follower = %(follower)s and l.part = free.part
returning l.part, l.epoch, l.seqs, (select bool_and(done) from ended)

-- name: end-hung-owners
-- End the backends of owners whose leases have expired. A stopped process may hang inside an open transaction,
-- even inside COPY, where no time-out reaches it.
select pg_terminate_backend(l.backend_pid)
from foldline.lease l
join pg_stat_activity a on a.pid = l.backend_pid and a.backend_start = l.backend_start
where l.follower = %(follower)s and l.version is not distinct from %(version)s::integer
  and l.part <> all(%(holding)s::smallint[]) and l.owner is not null and l.backend_pid <> %(pid)s
  and (l.owner = %(owner)s or l.until not between clock_timestamp() and clock_timestamp() + 2 * %(ttl)s)

-- name: release-leases
-- Give partitions back, so that another replica can take them at once.
with held as (
    select l.part
    from foldline.lease l
    join unnest(%(parts)s::smallint[], %(epochs)s::bigint[]) mine (part, epoch)
      on l.part = mine.part and l.epoch = mine.epoch
    where l.follower = %(follower)s and l.owner = %(owner)s
    order by l.part
    for update of l
)
update foldline.lease l
set owner = null, until = '-infinity', backend_pid = null, backend_start = null
from held
where l.follower = %(follower)s and l.part = held.part

-- name: release-forgotten
-- Give back own partitions that this process forgot after a failure and that exceed its fair share: no other
-- replica would take them before they expire.
with forgotten as (
    select part from foldline.lease
    where follower = %(follower)s and owner = %(owner)s and part <> all(%(holding)s::smallint[])
    order by part
    for update skip locked
)
update foldline.lease l
set owner = null, until = '-infinity', backend_pid = null, backend_start = null
from forgotten
where l.follower = %(follower)s and l.part = forgotten.part

-- name: stop-partition
-- Pause one partition, if its epoch is still this one.
update foldline.lease
set paused = %(reason)s, paused_at = clock_timestamp(), epoch = epoch + 1, owner = null, backend_pid = null,
    backend_start = null, until = '-infinity'
where follower = %(follower)s and part = %(part)s and epoch = %(epoch)s

-- name: remove-replica
-- Delete this replica: it stops.
delete from foldline.replica where follower = %(follower)s and owner = %(owner)s

-- name: own-backend
-- The backend of this connection: its pid, and when it started.
select pid, backend_start from pg_stat_activity where pid = pg_backend_pid()

-- name: is-any-epoch-changed
-- Whether any of these partitions has another epoch by now.
select exists (
    select from unnest(%(parts)s::smallint[], %(epochs)s::bigint[]) mine (part, epoch)
    where not exists (
        select from foldline.lease l
        where l.follower = %(follower)s and l.part = mine.part and l.epoch = mine.epoch
    )
)

-- name: fence
-- The last statement of every batch: write the checkpoints where the epoch is still ours and they go forward.
with mine as (
    select l.part, reached.seqs
    from foldline.lease l
    join json_to_recordset(%(reached)s::json) as reached (part smallint, epoch bigint, seqs jsonb)
      on l.part = reached.part and l.epoch = reached.epoch
    where l.follower = %(follower)s
      and not exists (
          select from jsonb_each_text(reached.seqs) s where s.value::bigint <= (l.seqs->>s.key)::bigint
      )
    order by l.part
    for update of l
)
update foldline.lease l
set seqs = l.seqs || mine.seqs, until = greatest(l.until, clock_timestamp() + %(ttl)s),
    stored_at = greatest(l.stored_at, %(stored_at)s)
from mine
where l.follower = %(follower)s and l.part = mine.part
