-- name: generations
-- All generations of a projection.
select role, number, version, cancelled, began_at from foldline.generation where projection = %(projection)s

-- name: record-generation
-- Record a new generation; returns its number, the next one.
insert into foldline.generation (projection, role, number, version)
select %(projection)s, %(role)s, coalesce(max(number), 0) + 1, %(version)s
from foldline.generation where projection = %(projection)s
returning number

-- name: number-generation
-- Write the number of a generation into its own schema.
insert into {schema}.generation values (%(number)s)

-- name: change-role
-- Give a generation another role, which begins now; a cancellation is taken back.
update foldline.generation set role = %(to)s, cancelled = false, began_at = clock_timestamp()
where projection = %(projection)s and role = %(role)s

-- name: cancel-generation
-- Ask the process that builds a generation to stop; returns its number.
update foldline.generation set cancelled = %(cancelled)s
where projection = %(projection)s and role = 'building' returning number

-- name: forget-generation
-- Delete the record of a generation that was dropped.
delete from foldline.generation where projection = %(projection)s and role = %(role)s

-- name: tables-of-schema
-- The tables of a schema.
select tablename from pg_tables where schemaname = %(schema)s order by tablename

-- name: entity-tables
-- The tables of a schema whose rows belong to an entity.
select table_name from information_schema.columns
where table_schema = %(schema)s and column_name in ('site', 'id')
group by table_name having count(*) = 2
order by table_name
