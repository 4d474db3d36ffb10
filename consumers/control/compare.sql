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
select {bucket}, count(*), sum(hashtextextended(r.text, 1)::numeric), sum(hashtextextended(r.text, 2)::numeric)
from {schema}.{table} t
cross join lateral (select row({row})::text as text) r
where {condition}
group by 1

-- name: value
-- Fragment: a column as text; of a long one its beginning, its length and a hash, which tell it from any other.
case
    when length({column}::text) > 1000 then concat(
        left({column}::text, 1000), '… (', length({column}::text), ' characters, MD5 ', md5({column}::text), ')'
    )
    else {column}::text
end

-- name: rows
-- The rows of some buckets, every column as text of bounded length.
select {columns}
from {schema}.{table} t
where {condition} and {bucket} = any(%(buckets)s::bigint[])
