-- name: columns
-- A table's columns in order, and which of them are its key. Generated ones follow from the others.
select a.attname, coalesce(a.attnum = any(i.indkey::int2[]), false)
from pg_attribute a
left join pg_index i on i.indrelid = a.attrelid and i.indisprimary
where a.attrelid = to_regclass(%(table)s) and a.attnum > 0 and not a.attisdropped and a.attgenerated = ''
order by a.attnum

-- name: bucket
-- Fragment: the bucket of a row, one of 4,096, by its key.
(hashtextextended(concat_ws(' ', {key}), 0) & 4095)

-- name: digests
-- Each bucket of a table: how many rows it has, and two sums of their hashes.
select {bucket}, count(*), sum(hashtextextended(t::text, 1)::numeric), sum(hashtextextended(t::text, 2)::numeric)
from {schema}.{table} t
where {condition}
group by 1

-- name: rows
-- The rows of some buckets, every column as text.
select {columns}
from {schema}.{table} t
where {condition} and {bucket} = any(%(buckets)s::bigint[])
