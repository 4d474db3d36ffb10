-- name: of-jobs
-- Fragment: jobs, not subjobs.
e.sub = ''

-- name: of-subjobs
-- Fragment: subjobs, not jobs.
e.sub <> ''

-- name: by-since
-- Fragment: its first event was stored at that time or later.
e.inserted_at >= %(since)s

-- name: by-until
-- Fragment: its first event was stored before that time.
e.inserted_at < %(until)s

-- name: by-opened-after
-- Fragment: its first event was stored at that time or later.
e.opened_at >= %(opened_after)s

-- name: by-opened-before
-- Fragment: its first event was stored before that time.
e.opened_at < %(opened_before)s

-- name: by-started-after
-- Fragment: its newest attempt began at that time or later.
e.started_at >= %(started_after)s

-- name: by-started-before
-- Fragment: its newest attempt began before that time.
e.started_at < %(started_before)s

-- name: by-ended-after
-- Fragment: its newest attempt ended at that time or later.
e.ended_at >= %(ended_after)s

-- name: by-ended-before
-- Fragment: its newest attempt ended before that time.
e.ended_at < %(ended_before)s

-- name: by-min-duration
-- Fragment: it took so many seconds or more.
e.duration_s >= %(min_duration)s

-- name: by-max-duration
-- Fragment: it took so many seconds or less.
e.duration_s <= %(max_duration)s

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
-- Fragment: these keys of its metadata have these values, in one of the ways they may be meant; of metadata that are
-- small enough for the index.
e.searched <> '{}' and octet_length(e.metadata::text) <= 16384 and e.searched @> any (%(metadata)s::jsonb[])

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

-- name: by-outlier
-- Fragment: it took more than three times the median of its application.
exists (
    select from json_to_recordset(%(medians)s::json) m (site text, app_id text, seconds float8)
    where m.app_id = e.app_id and m.site = e.site and e.duration_s > 3 * m.seconds
)

-- name: order
-- Fragment: the order of the list. The sequence is unique among jobs, and among subjobs.
e.{key} {way}, e.{tie} {way}

-- name: order-nulls-last
-- Fragment: as `order`, where some have no value to sort by.
e.{key} is null, {order}

-- name: by-after
-- Fragment: it comes after the last item of the page before.
(e.{key}, e.{tie}) {beyond} (%(after_key)s::{type}, %(after_seq)s::bigint)

-- name: by-after-null
-- Fragment: as `by-after`, where the last item has no value to sort by.
e.{tie} {beyond} %(after_seq)s::bigint

-- name: every
-- Fragment: all jobs.
true

-- name: none
-- Fragment: no job at all.
false

-- name: folded
-- Fragment: the sequence up to which its partition was folded when the first page was read.
coalesce((%(shown_until)s::bigint[])[e.part + 1], 0)

-- name: by-not-shown
-- Fragment: it was there when the first page was read, and not on it. A job that got events since then stood where its
-- own first event of that time says.
e.first_seq <= {folded} and case
    when e.inserted_seq <= {folded} then (e.inserted_at, e.inserted_seq) < (%(shown_at)s::timestamptz, %(shown_seq)s)
    else %(shown_seq)s > coalesce((
        select max(t.seq) from {schema}.event t
        where t.site = e.site and t.id = e.id and t.sub = e.sub and t.seq <= {folded}
    ), e.first_seq)
end

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
-- Fragment: jobs of these applications. With few applications the first jobs of each are read, with many the first of
-- all jobs until there are enough.
(
    (
        select newest.*
        from application a cross join lateral (
            select e.* from {schema}.entity e
            where e.app_id = a.app_id and (a.whole or e.app_name ilike %(app_name)s) and {where}
            order by {order}
            limit %(limit)s + 1
        ) newest
        where (select count(*) <= 20 from application)
    )
    union all
    (
        select e.* from {schema}.entity e
        where (select count(*) > 20 from application) and {by-app-name} and {where}
        order by {order}
        limit %(limit)s + 1
    )
) e

-- name: first
-- Fragment: a page from the first 5,000.
first as materialized (
    select e.*
    from (
        select e.* from {schema}.entity e
        where {begin}
        order by {order}
        limit 5000
    ) e
    where {where}
    order by {order}
    limit %(limit)s + 1
)

-- name: described
-- Fragment: jobs whose metadata match, by the index or among the large ones; all of them if they are few.
described as materialized (
    (select e.* from {schema}.entity e where {by-metadata})
    union all
    (select e.* from {schema}.entity e where octet_length(e.metadata::text) > 16384 and {by-description})
    limit 2001
)

-- name: of-described
-- Fragment: jobs whose metadata match, where the first may not be enough. If few match, all of them are sorted; if
-- many match, jobs are read in the order of the list until there are enough. The planner does not choose: from its
-- sample it may take a rare value for one that the list is full of.
(
    (select e.* from first e where (select count(*) > %(limit)s from first))
    union all
    (
        select e.* from described e
        where {where} and case
            when (select count(*) > %(limit)s from first) then false
            else (select count(*) <= 2000 from described)
        end
    )
    union all
    (
        select e.*
        from (
            select e.* from {others}
            order by {order}
            limit %(limit)s + 1
        ) e
        where case
            when (select count(*) > %(limit)s from first) then false
            else (select count(*) > 2000 from described)
        end
    )
) e

-- name: valued
-- Fragment: the first jobs that have a value to sort by.
valued as materialized (
    select e.* from {schema}.entity e
    where e.{key} is not null and {after-value} and {where}
    order by {order}
    limit %(limit)s + 1
)

-- name: of-sorted
-- Fragment: jobs by a value that some do not have; those come last, and are read when the others are not enough.
(
    select e.* from valued e
    union all
    (
        select e.* from {schema}.entity e
        where (select count(*) <= %(limit)s from valued) and e.{key} is null and {after-null} and {where}
        order by e.{tie} {way}
        limit %(limit)s + 1
    )
) e

-- name: of-sorted-described
-- Fragment: as `of-sorted`, of jobs whose metadata match. If they are few, all of them are sorted: walking through the
-- order for one in thousands took 2.7 s with 300,000 jobs.
(
    (
        select e.* from described e
        where (select count(*) <= 2000 from described) and {where}
          and case when e.{key} is null then {after-null} else {after-value} end
    )
    union all
    (select e.* from {of-sorted} where (select count(*) > 2000 from described))
) e

-- name: page
-- A page of jobs or subjobs, one row each, with its place in the order; without any, one row with the position alone.
with {live}, {application}, {first}, {described}, {valued}, page as materialized (
    select {columns}, e.{key} as place_key, e.{tie} as place_seq
    from {source}
    order by {page-order}
    limit %(limit)s + 1
)
select {position}, page.*
from (values (1)) one (row)
left join page on true
order by page.place_key is null, page.place_key {way}, page.place_seq {way}
