-- name: write-apps
-- Adds names of applications that events told.
insert into {schema}.app (part, site, app_id, name)
select * from json_to_recordset(%(rows)s::json) as r (part smallint, site text, app_id text, name text)
on conflict (site, app_id, name, part) do nothing

-- name: late-events
-- All events of some jobs or subjobs that tell of attempts, in the order in which they count: a begin or an end at the
-- time that it tells, unless that is still to come.
select t.site, t.id, t.sub, t.seq, t.at, t.kind, t.status, t.started_at, t.ended_at, t.metrics::text, own.metadata
from json_to_recordset(%(keys)s::json) as late (site text, id text, sub text)
join {schema}.event t on t.site = late.site and t.id = late.id and t.sub = late.sub
cross join lateral (
    select case when t.metadata::text like '%%"error%%' then t.metadata::text end as metadata
) own
where t.kind not in ('progress', 'metric')
    or t.metrics::text <> '{}' or t.started_at is not null or own.metadata is not null
order by
    t.site, t.id, t.sub,
    least(t.at, case
        when t.kind = 'started' then t.started_at
        when t.kind in ('finished', 'canceled') or t.kind = 'error' and t.status in ('failed', 'canceled') then t.ended_at
    end),
    t.seq

-- name: forget-attempts
-- Deletes the attempts of some jobs or subjobs, before they are written anew.
delete from {schema}.attempt t
using json_to_recordset(%(keys)s::json) as late (site text, id text, sub text)
where t.site = late.site and t.id = late.id and t.sub = late.sub

-- name: forget-empty
-- Deletes statistics that no job counts in any more.
with left_by as (
    select * from json_to_recordset(%(rows)s::json) as r (part smallint, site text, app_id text, hour timestamptz)
), tally as (
    delete from {schema}.tally t
    using left_by l
    where (t.site, t.app_id, t.hour, t.part) = (l.site, l.app_id, l.hour, l.part)
      and t.succeeded + t.failed + t.canceled = 0
), app_bucket as (
    delete from {schema}.app_bucket b
    using left_by l
    where (b.site, b.app_id, b.part) = (l.site, l.app_id, l.part) and b.number = 0
)
delete from {schema}.bucket b
using left_by l
where (b.site, b.app_id, b.hour, b.part) = (l.site, l.app_id, l.hour, l.part) and b.number = 0

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
