-- name: lock-installation
-- Held to the end of the transaction: one process installs, the others then find it done.
select pg_advisory_xact_lock(1179601988)

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

-- name: one-replica
-- Held as long as the connection: one replica does it at a time.
select pg_try_advisory_lock(1179601989, hashtext(%(name)s))

-- name: bound-lock
-- Who waits for a lock would make others wait behind it.
select set_config('lock_timeout', %(timeout)s, true)

-- name: ago
-- A moment in the past by PostgreSQL's clock.
select clock_timestamp() - %(age)s
