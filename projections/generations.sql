-- name: lock-installation
-- Held to the end of the transaction: one process installs, the others then find it done.
select pg_advisory_xact_lock(1179601988)

-- name: generations
-- All generations of a projection.
select role, number, version, cancelled, began_at from foldline.generation where projection = %(projection)s

-- name: record
-- A new generation; its number is the next one.
insert into foldline.generation (projection, role, number, version)
select %(projection)s, %(role)s, coalesce(max(number), 0) + 1, %(version)s
from foldline.generation where projection = %(projection)s
returning number

-- name: number
-- The generation's own copy of its number.
insert into {schema}.generation values (%(number)s)

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

-- name: forget
-- A generation that was dropped.
delete from foldline.generation where projection = %(projection)s and role = %(role)s

-- name: become
-- A generation takes another role; it begins anew in it.
update foldline.generation set role = %(to)s, cancelled = false, began_at = clock_timestamp()
where projection = %(projection)s and role = %(role)s

-- name: cancel
-- Ask whoever builds a generation to stop.
update foldline.generation set cancelled = %(cancelled)s
where projection = %(projection)s and role = 'building' returning number

-- name: tables
-- The tables of a schema.
select tablename from pg_tables where schemaname = %(schema)s order by tablename
