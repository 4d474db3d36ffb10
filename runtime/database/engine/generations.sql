-- name: generations
-- All generations of a projection.
select role, number, version, cancelled, began_at from foldline.generation where projection = %(projection)s

-- name: record-generation
-- A new generation; its number is the next one.
insert into foldline.generation (projection, role, number, version)
select %(projection)s, %(role)s, coalesce(max(number), 0) + 1, %(version)s
from foldline.generation where projection = %(projection)s
returning number

-- name: number-generation
-- The generation's own copy of its number.
insert into {schema}.generation values (%(number)s)

-- name: change-role
-- A generation takes another role; it begins anew in it.
update foldline.generation set role = %(to)s, cancelled = false, began_at = clock_timestamp()
where projection = %(projection)s and role = %(role)s

-- name: cancel-generation
-- Ask whoever builds a generation to stop.
update foldline.generation set cancelled = %(cancelled)s
where projection = %(projection)s and role = 'building' returning number

-- name: forget-generation
-- A generation that was dropped.
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
