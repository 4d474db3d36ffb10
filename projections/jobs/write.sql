-- name: write-batch
-- Writes the rows of the batch into the table, and the names of their applications.
with batch as (
    delete from pg_temp.{table}_batch returning *
), named as (
    insert into {schema}.app (part, site, app_id, name)
    select distinct part, site, app_id, app_name from batch
    on conflict (site, app_id, name, part) do nothing
)
insert into {schema}.{table} ({stored})
select {stored} from batch
on conflict ({key}) do update set {updated}

-- name: write-left-apps
-- Adds names of applications that jobs had before a batch gave them other ones.
insert into {schema}.app (part, site, app_id, name)
select * from json_to_recordset(%(rows)s::json) as r (part smallint, site text, app_id text, name text)
on conflict (site, app_id, name, part) do nothing

-- name: write-buckets
-- Adds what a batch changed to the histograms, by hour and of all hours.
with changed as (
    select * from json_to_recordset(%(rows)s::json) as r (
        part smallint, site text, app_id text, hour timestamptz, bucket smallint, number bigint
    )
), whole as (
    insert into {schema}.app_bucket as b (part, site, app_id, bucket, number)
    select part, site, app_id, bucket, sum(number) from changed group by part, site, app_id, bucket
    on conflict (site, app_id, bucket, part) do update set number = b.number + excluded.number
)
insert into {schema}.bucket as b (part, site, app_id, hour, bucket, number)
select part, site, app_id, hour, bucket, number from changed
on conflict (site, app_id, hour, bucket, part) do update set number = b.number + excluded.number
