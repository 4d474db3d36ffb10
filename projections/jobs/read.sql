-- name: columns
-- Fragment: the columns that are served of a job or subjob `e`.
e.site, e.id, e.sub, e.app_id, e.app_name, e.app_version, e.key, e.status, e.attempts, e.started_at, e.ended_at,
e.duration_s, e.metrics::text, e.metadata::text, e.errors, e.opened_at, e.inserted_at, e.last_event_at,
e.status = 'running' and e.last_event_at < clock_timestamp() - %(stall)s::interval,
e.running, e.succeeded, e.failed, e.canceled

-- name: sites
-- The sites that have a job: the own one or the one asked for, else all others.
with {live}, nearest as (
    select array(
        select e.site from {schema}.entity e where e.site = coalesce(%(site)s, %(own)s) and e.id = %(id)s and e.sub = ''
    ) as sites
)
select {position}, case when cardinality(nearest.sites) = 1 then nearest.sites else array(
    select e.site from {schema}.entity e
    where e.id = %(id)s and e.sub = '' and %(site)s::text is null
    order by e.site
    limit 10
) end
from nearest

-- name: family
-- A job and its subjobs, the job first.
with {live}
select {columns}
from live, {schema}.entity e
where e.site = %(site)s and e.id = %(id)s
order by e.sub
limit %(limit)s + 1

-- name: events
-- A page of the events of a job and its subjobs, in the order of the line.
with {live}
select t.seq, t.sub, t.at, t.kind, t.status, t.metrics::text, t.metadata::text
from live, {schema}.event t
where t.site = %(site)s and t.id = %(id)s and t.seq > coalesce(%(after)s::bigint, 0)
order by t.seq
limit %(limit)s + 1

-- name: attempts
-- The attempts of a job and its subjobs that another one followed, the newest first.
with {live}
select t.sub, t.started_at, t.ended_at, t.outcome, t.duration_s, t.error::text, t.metrics::text
from live, {schema}.attempt t
where t.site = %(site)s and t.id = %(id)s
order by t.begun_at desc nulls last, t.seq desc
limit %(limit)s + 1

-- name: stats
-- Statistics of ended jobs by hour or day (UTC), site and application, which has its newest name. A percentile is the
-- middle of its bucket; the greatest are looked up hour by hour.
with {live}, {application}, cell as (
    select
        date_trunc(%(every)s, t.hour, 'UTC') as start, t.site, t.app_id,
        sum(t.succeeded) as succeeded, sum(t.failed) as failed, sum(t.canceled) as canceled,
        sum(t.attempts) as attempts, sum(t.failed_attempts) as failed_attempts, sum(t.lost) as lost,
        sum(t.durations) as durations, sum(t.duration_us) as duration_us,
        sum(t.cpu_us) as cpu_us, sum(t.memories) as memories, sum(t.mem_kib) as mem_kib
    from {schema}.tally t
    where (%(since)s::timestamptz is null or t.hour >= date_trunc(%(every)s, %(since)s::timestamptz, 'UTC'))
      and (%(until)s::timestamptz is null or t.hour < %(until)s)
      and (%(site)s::text is null or t.site = %(site)s)
      and (%(app_id)s::text is null or t.app_id = %(app_id)s)
      and (%(app_name)s::text is null or t.app_id in (select a.app_id from application a))
    group by start, t.site, t.app_id
    having sum(t.succeeded + t.failed + t.canceled) > 0
    order by start desc, t.site, t.app_id
    limit %(limit)s
)
select
    {position}, cell.start, cell.site, cell.app_id, named.app_name, cell.succeeded, cell.failed, cell.canceled,
    cell.attempts, cell.failed_attempts, cell.lost,
    cell.duration_us / nullif(cell.durations, 0) / 1e6, p.p50, p.p95, greatest.seconds, cell.cpu_us / 1e6,
    cell.mem_kib / nullif(cell.memories, 0) / 1024, greatest.mb
from (values (1)) one (row)
left join cell on true
left join lateral (
    select
        min(power(2::float8, (bucket + 0.5) / 8)) filter (where below * 2 >= total) as p50,
        min(power(2::float8, (bucket + 0.5) / 8)) filter (where below * 20 >= total * 19) as p95
    from (
        select b.bucket,
            sum(sum(b.number)) over (order by b.bucket) as below,
            sum(sum(b.number)) over () as total
        from {schema}.bucket b
        where b.site = cell.site and b.app_id = cell.app_id
          and b.hour >= cell.start and b.hour < cell.start + ('1 ' || %(every)s)::interval
        group by b.bucket
    ) ranked
    where total > 0
) p on true
left join lateral (
    select max(longest.seconds) as seconds, max(largest.mb) as mb
    from generate_series(
        cell.start, cell.start + ('1 ' || %(every)s)::interval - interval '1 hour', interval '1 hour'
    ) h (hour)
    cross join lateral (
        select max(e.ended_s) as seconds
        from {schema}.entity e
        where e.site = cell.site and e.app_id = cell.app_id and e.ended_hour = h.hour
          and e.sub = '' and e.ended_s is not null
    ) longest
    cross join lateral (
        select max(e.ended_mb) as mb
        from {schema}.entity e
        where e.site = cell.site and e.app_id = cell.app_id and e.ended_hour = h.hour
          and e.sub = '' and e.ended_mb is not null
    ) largest
) greatest on true
left join lateral (
    select e.app_name
    from {schema}.entity e
    where e.app_id = cell.app_id and e.site = cell.site and e.sub = ''
    order by e.inserted_at desc
    limit 1
) named on true
order by cell.start desc, cell.site, cell.app_id

-- name: known-ids
-- Which events message ids were last used for: a later event with the same id is a repetition, or rejected.
select asked.site, asked.id, asked.message, used.seq, used.stored_at
from json_to_recordset(%(ids)s::json) as asked (site text, id text, message text)
cross join lateral (
    select m.seq, m.stored_at from {schema}.message_id m
    where (m.site, m.id, m.message) = (asked.site, asked.id, asked.message::uuid)
    offset 0 -- one after the other by its key, however few there were when it was planned
) used

-- name: jobs-by-status
-- The number of jobs by application, which has its newest name, and status. Ended jobs are counted by the statistics,
-- where one that runs again still has the status of its attempt before.
with {live}, tallied as (
    select t.site, t.app_id, sum(t.succeeded) as succeeded, sum(t.failed) as failed, sum(t.canceled) as canceled
    from {schema}.tally t
    group by t.site, t.app_id
), counted as (
    select named.app_name, s.status, s.number::bigint as number
    from tallied t
    cross join lateral (
        select e.app_name
        from {schema}.entity e
        where e.app_id = t.app_id and e.site = t.site and e.sub = ''
        order by e.inserted_at desc
        limit 1
    ) named
    cross join lateral (
        values ('succeeded', t.succeeded), ('failed', t.failed), ('canceled', t.canceled)
    ) s (status, number)
    union all
    select e.app_name, s.status, s.number
    from {schema}.entity e
    cross join lateral (values ('running', 1), (e.previous_status, -1)) s (status, number)
    where e.sub = '' and e.status = 'running' and s.status is not null
)
select counted.app_name, counted.status, sum(counted.number)::bigint as number
from live, counted
group by counted.app_name, counted.status
having sum(counted.number) > 0

-- name: durations
-- The number of ended jobs that took up to each of these bounds (a bucket counts where its middle lies), and of all.
with {live}, bucket as (
    select power(2::float8, (b.bucket + 0.5) / 8) as seconds, sum(b.number) as number
    from {schema}.app_bucket b
    group by b.bucket
)
select
    array(
        select coalesce((select sum(bucket.number) from bucket where bucket.seconds <= bound), 0)::bigint
        from unnest(%(bounds)s::float8[]) with ordinality b (bound, place)
        order by place
    ),
    coalesce((select sum(bucket.number) from bucket), 0)::bigint,
    coalesce((select sum(t.duration_us) from {schema}.tally t), 0)::float8 / 1e6
from live
