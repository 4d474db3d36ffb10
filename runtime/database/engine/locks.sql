-- name: lock-installation
-- One process installs the engine, or creates or drops generations, at a time; held until the end of the
-- transaction. The number of these locks is "FOLD" in ASCII.
select pg_advisory_xact_lock(1179601988)

-- name: try-projection-lock
-- One process rebuilds or verifies a projection at a time; held until it is released or the connection ends.
select pg_try_advisory_lock(1179601988, hashtext(%(name)s))

-- name: release-projection-lock
-- Release the lock of a projection.
select pg_advisory_unlock(1179601988, hashtext(%(name)s))

-- name: is-projection-locked
-- Whether some connection holds the lock of a projection, asked without taking it.
select exists (
    select from pg_locks
    where locktype = 'advisory' and granted and database = (select oid from pg_database where datname = current_database())
      and classid = 1179601988 and objid = (hashtext(%(name)s)::bigint & 4294967295)::oid and objsubid = 2
)

-- name: try-reactor-lock
-- One replica runs a periodic reactor at a time, none while it is paused; held as long as the connection.
select not exists (select from foldline.reactor where name = %(name)s and paused is not null)
   and pg_try_advisory_lock(1179601989, hashtext(%(name)s))

-- name: limit-lock-wait
-- A statement of this transaction fails when it has waited this long for a lock.
select set_config('lock_timeout', %(timeout)s, true)

-- name: moment-ago
-- A moment in the past by PostgreSQL's clock.
select clock_timestamp() - %(age)s
