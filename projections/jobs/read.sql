-- name: columns
-- Fragment: the columns that are served of a job or subjob `e`.
e.site, e.id, e.sub, e.app_id, e.app_name, e.app_version, e.key, e.status, e.attempts, e.started_at, e.ended_at,
e.duration_s, e.metrics::text, e.metadata::text, e.errors, e.inserted_at, e.last_event_at,
e.status = 'running' and e.last_event_at < clock_timestamp() - %(stall)s::interval,
e.running, e.succeeded, e.failed, e.canceled

-- name: of-jobs
-- Fragment: jobs, not subjobs.
e.sub = ''

-- name: of-subjobs
-- Fragment: subjobs, not jobs.
e.sub <> ''

-- name: by-since
-- Fragment: its newest event was stored at that time or later.
e.inserted_at >= %(since)s

-- name: by-until
-- Fragment: its newest event was stored before that time.
e.inserted_at < %(until)s

-- name: by-status
-- Fragment: it has one of these statuses.
e.status = any(%(status)s)

-- name: by-site
-- Fragment: it is at that site.
e.site = %(site)s

-- name: by-app-id
-- Fragment: it belongs to that application.
e.app_id = %(app_id)s

-- name: by-app-name
-- Fragment: it belongs to an application whose name contains this.
e.app_id in (select a.app_id from application a) and e.app_name ilike %(app_name)s

-- name: by-key
-- Fragment: it has that business key; a subjob, that sub key.
e.key = %(key)s

-- name: by-job-id
-- Fragment: it is that job, or one of its subjobs.
e.id = %(job_id)s

-- name: by-metadata
-- Fragment: these keys of its metadata have these values, in one of the ways they may be meant.
e.searched <> '{}' and e.searched @> any (%(metadata)s::jsonb[])

-- name: by-description
-- Fragment: as `by-metadata`, without the index. Metadata with a key are not empty, and testing that takes as long.
(e.searched @> any (%(metadata)s::jsonb[])) is true

-- name: by-text
-- Fragment: as `by-metadata` for one key whose text is no JSON and means nothing but itself: a third of the time.
e.searched ->> %(metadata_name)s::text = %(metadata_text)s

-- name: by-more-metadata
-- Fragment: as `by-metadata` for further keys, each by itself, as text or as the JSON it is.
not exists (
    select from jsonb_to_recordset(%(more_metadata)s::jsonb) w (plain jsonb, value jsonb)
    where not (e.searched @> w.plain or e.searched @> coalesce(w.value, w.plain))
)

-- name: by-stalled
-- Fragment: it runs and has been silent for too long; or the opposite.
(e.status = 'running' and e.last_event_at < clock_timestamp() - %(stall)s::interval) = %(stalled)s

-- name: by-after
-- Fragment: it comes after the last item of the page before.
(e.inserted_at, e.site, e.id, e.sub) < (%(after_at)s::timestamptz, %(after_site)s, %(after_id)s, %(after_sub)s)

-- name: of-all
-- Fragment: all jobs and subjobs that match.
{schema}.entity e where {where}

-- name: application
-- Fragment: applications whose name contains this, in upper or lower case; `whole` if they had no other name.
application as materialized (
    select a.app_id, bool_and(a.name ilike %(app_name)s) as whole
    from {schema}.app a
    group by a.app_id
    having bool_or(a.name ilike %(app_name)s)
)

-- name: of-applications
-- Fragment: jobs of these applications. With few applications the newest jobs of each are read, with many the newest
-- of all jobs until there are enough.
(
    (
        select newest.*
        from application a cross join lateral (
            select e.* from {schema}.entity e
            where e.app_id = a.app_id and (a.whole or e.app_name ilike %(app_name)s) and {where}
            order by e.inserted_at desc, e.site desc, e.id desc, e.sub desc
            limit %(limit)s + 1
        ) newest
        where (select count(*) <= 20 from application)
    )
    union all
    (
        select e.* from {schema}.entity e
        where (select count(*) > 20 from application) and {by-app-name} and {where}
        order by e.inserted_at desc, e.site desc, e.id desc, e.sub desc
        limit %(limit)s + 1
    )
) e

-- name: newest
-- Fragment: a page from the newest 5,000.
newest as materialized (
    select e.*
    from (
        select e.* from {schema}.entity e
        where {begin}
        order by e.inserted_at desc, e.site desc, e.id desc, e.sub desc
        limit 5000
    ) e
    where {where}
    order by e.inserted_at desc, e.site desc, e.id desc, e.sub desc
    limit %(limit)s + 1
)

-- name: described
-- Fragment: jobs whose metadata match, by the index; all of them if they are few.
described as materialized (
    select e.* from {schema}.entity e where {by-metadata} limit 2001
)

-- name: of-described
-- Fragment: jobs whose metadata match, where the newest may not be enough. If few match, all of them are sorted; if
-- many match, jobs are read in the order of the list until there are enough. The planner does not choose: from its
-- sample it may take a rare value for one that the list is full of.
(
    (select e.* from newest e where (select count(*) > %(limit)s from newest))
    union all
    (
        select e.* from described e
        where {where} and case
            when (select count(*) > %(limit)s from newest) then false
            else (select count(*) <= 2000 from described)
        end
    )
    union all
    (
        select e.*
        from (
            select e.* from {others}
            order by e.inserted_at desc, e.site desc, e.id desc, e.sub desc
            limit %(limit)s + 1
        ) e
        where case
            when (select count(*) > %(limit)s from newest) then false
            else (select count(*) > 2000 from described)
        end
    )
) e

-- name: page
-- A page of jobs or subjobs, newest first, one row each; without any, one row with the position alone.
with {live}, {application}, {newest}, {described}, page as materialized (
    select {columns}
    from {source}
    order by e.inserted_at desc, e.site desc, e.id desc, e.sub desc
    limit %(limit)s + 1
)
select {position}, page.*
from (values (1)) one (row)
left join page on true
order by page.inserted_at desc, page.site desc, page.id desc, page.sub desc

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
select {columns} from live, {schema}.entity e where e.site = %(site)s and e.id = %(id)s order by e.sub limit %(limit)s

-- name: events
-- The events of a job and its subjobs, in the order of the line.
with {live}
select t.seq, t.sub, t.at, t.kind, t.status, t.metrics::text, t.metadata::text
from live, {schema}.event t
where t.site = %(site)s and t.id = %(id)s
order by t.seq
limit %(limit)s

-- name: stats
-- Statistics of ended jobs by hour or day (UTC), site and application. A percentile is the middle of its bucket.
with {live}, cell as (
    select
        date_trunc(%(every)s, t.hour, 'UTC') as start, t.site, t.app_id, max(t.app_name) as app_name,
        sum(t.succeeded) as succeeded, sum(t.failed) as failed, sum(t.canceled) as canceled,
        sum(t.durations) as durations, sum(t.duration_us) as duration_us, max(t.duration_max_us) as duration_max_us,
        sum(t.cpu_us) as cpu_us, sum(t.memories) as memories, sum(t.mem_kib) as mem_kib,
        max(t.mem_max_kib) as mem_max_kib
    from {schema}.tally t
    where (%(since)s::timestamptz is null or t.hour >= date_trunc(%(every)s, %(since)s::timestamptz, 'UTC'))
      and (%(until)s::timestamptz is null or t.hour < %(until)s)
      and (%(site)s::text is null or t.site = %(site)s)
      and (%(app_id)s::text is null or t.app_id = %(app_id)s)
      and (%(app_name)s::text is null or t.app_name ilike %(app_name)s)
    group by start, t.site, t.app_id
    having sum(t.succeeded + t.failed + t.canceled) > 0
    order by start desc, t.site, t.app_id
    limit %(limit)s
)
select
    {position}, cell.start, cell.site, cell.app_id, cell.app_name, cell.succeeded, cell.failed, cell.canceled,
    cell.duration_us / nullif(cell.durations, 0) / 1e6, p.p50, p.p95, cell.duration_max_us / 1e6, cell.cpu_us / 1e6,
    cell.mem_kib / nullif(cell.memories, 0) / 1024, cell.mem_max_kib / 1024.0
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
-- The number of jobs by application and status; ended jobs are counted by the statistics.
with {live}, counted as (
    select t.app_name, s.status, sum(s.number)::bigint as number
    from {schema}.tally t
    cross join lateral (
        values ('succeeded', t.succeeded), ('failed', t.failed), ('canceled', t.canceled)
    ) s (status, number)
    group by t.app_name, s.status
    union all
    select e.app_name, e.status, count(*)
    from {schema}.entity e
    where e.sub = '' and e.status = 'running'
    group by e.app_name, e.status
)
select counted.app_name, counted.status, counted.number from live, counted where counted.number > 0

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
