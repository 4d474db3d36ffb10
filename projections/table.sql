-- name: create-table
-- Creates the table with its primary key; room for updates that stay on their page.
create table {schema}.{table} (
    {definitions}
) with (fillfactor = 80)

-- name: copy-rows
-- Copies new rows, in binary.
copy {schema}.{table} ({columns}) from stdin (format binary)

-- name: merge-rows
-- Adds to the rows that are there, or makes them.
insert into {schema}.{table} as t ({columns})
select * from json_to_recordset(%(rows)s::json) as r ({types})
on conflict ({key}) do update set {merged}

-- name: columns-of
-- The columns that a table has in the schema of another generation.
select column_name from information_schema.columns where table_schema = %(schema)s and table_name = %(table)s

-- name: load-states
-- The states that exist among those asked for. Documents behind the first `most` bytes of them are null: whoever asked
-- for so many cannot hold them all.
select {loaded}
from (
    select t.*, sum({size}) over (rows unbounded preceding) - ({size}) as before
    from {schema}.{table} t
    where ({key}) in (select * from json_to_recordset(%(asked)s::json) as asked ({key_types}))
) t

-- name: make-batch
-- The temporary table that takes the rows of a batch on their way into the table. It is emptied by `write-batch` and
-- not `on commit`, which truncates the file: a commit took 2 ms instead of 0.2.
create temporary table if not exists {table}_batch ({batch_types})

-- name: copy-batch
-- Copies every state that a batch changed, each row once, in binary: arrays would take the client longer than
-- everything else it does with a row.
copy pg_temp.{table}_batch from stdin (format binary)

-- name: write-batch
-- Writes the rows of the batch into the table, as updates where there is a row: most change no indexed column.
with batch as (
    delete from pg_temp.{table}_batch returning *
)
insert into {schema}.{table} ({stored})
select {stored} from batch
on conflict ({key}) do update set {updated}

-- name: clear-batch
-- Gives back the room that deleted rows take; run now and then.
truncate pg_temp.{table}_batch

-- name: delete-states
-- Deletes the rows of some entities.
delete from {schema}.{table}
where (site, id) in (select * from json_to_recordset(%(asked)s::json) as asked (site text, id text))

-- name: beginning
-- The first event of one entity.
select t.site, t.id, t.part, t.first_seq from {schema}.{table} t
where {whole} and t.site = %(site)s and t.id = %(id)s

-- name: begun-before
-- The oldest entities that begin before a sequence: the line no longer holds their first events.
select t.site, t.id, t.part, t.first_seq
from {schema}.{table} t
where {whole} and t.first_seq >= %(accepted)s and t.first_seq < %(first)s
  and (%(site)s::text is null or t.site = %(site)s)
order by t.first_seq
limit 100

-- name: begun-since
-- The oldest entity that began since a moment, if it begins before a sequence: both grow together.
select site, id, part, first_seq
from (
    select t.site, t.id, t.part, t.first_seq
    from {schema}.{table} t
    where {whole} and t.opened_at >= %(since)s and t.first_seq >= %(accepted)s
      and (%(site)s::text is null or t.site = %(site)s)
    order by t.opened_at
    limit 1
) oldest
where first_seq < %(first)s

-- name: lacking
-- The entities of another generation that this one lacks, or begins later, up to what is folded.
with reached as (
    select * from json_to_recordset(%(reached)s::json) as r (part smallint, seq bigint)
), there as (
    select t.site, t.id, t.part, t.first_seq
    from {source}.{table} t join reached using (part)
    where {whole} and t.first_seq <= reached.seq and (%(site)s::text is null or t.site = %(site)s)
), here as (
    select t.site, t.id, t.first_seq from {schema}.{table} t where {whole}
)
select there.site, there.id, there.part, there.first_seq
from there left join here using (site, id)
where here.first_seq is null or here.first_seq > there.first_seq
order by there.first_seq
