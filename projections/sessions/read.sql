-- name: seen
-- Fragment: sessions `s`, their newest heartbeat `h` and their condition `c` as of `clock`.
-- The decision table of the sessions reference: the first condition that applies is the status.
{schema}.session s
left join {schema}.heartbeat h on h.site = s.site and h.id = s.id
cross join lateral (
    select
        case
            when s.crashed then 'crashed'
            when s.ended_at is not null then 'ended'
            when h.at < (select clock.deadline from clock) then 'suspended'
            else 'active'
        end as status,
        greatest(s.touched_at, h.at) as updated_at
) c

-- name: clock
-- Fragment: one reading of the clock for a whole statement; a heartbeat before the deadline is too old.
clock as materialized (select clock_timestamp() - %(timeout)s::interval as deadline)

-- name: id
-- Fragment: the id of the session asked for.
%(id)s

-- name: asked
-- Fragment: the site asked for, null for none in particular.
%(asked)s::text

-- name: sites-of
-- Fragment: the sites that have the session asked for: the own one or the one asked for, else all others.
select case when cardinality(nearest) = 1 then nearest else array(
    select s.site from {schema}.session s
    where s.id = {id} and {asked} is null
    order by s.site
    limit 10
) end as sites
from (
    select array(
        select s.site from {schema}.session s
        where s.site = coalesce({asked}, %(own)s) and s.id = {id}
    ) as nearest
    offset 0 -- or it is looked for twice
)

-- name: found
-- Fragment: `sites-of` for one session and the whole statement.
found as materialized ({sites-of})

-- name: document
-- Fragment: the served JSON of a session, without its state history and the closing brace. The lists of arguments
-- come from projections.sessions.render, which derives them from the declaration of the document. concat() skips
-- nulls.
concat({fields}, {timelines})

-- name: events
-- Fragment: a session's events as they are stored, in the order of the line.
(select string_agg(e.body::text, ',' order by e.seq) from {schema}.event e where e.site = s.site and e.id = s.id)

-- name: metrics
-- Fragment: a session's metrics as they are stored, in the order of the line.
(select string_agg(m.body::text, ',' order by m.seq) from {schema}.metric m where m.site = s.site and m.id = s.id)

-- name: counts
-- Fragment: the lengths of the timelines, instead of the timelines.
',"event_count":', s.events, ',"metric_count":', s.metrics

-- name: patches
-- Fragment: the patches of a session, in the order of the line: its state history is folded from them.
(
    select json_agg(json_build_array(p.seq, foldline.rfc3339(p.at), p.under, p.body) order by p.seq)::text
    from {schema}.patch p
    where p.site = s.site and p.id = s.id
)

-- name: whole
-- Fragment: whether a session `s` is read in one piece; a larger one is read row by row.
s.timelines_size <= {largest}

-- name: pieces
-- Fragment: a session `s` in the pieces that `document_stream` puts together: the whole of it and its patches, or its
-- fields, events, metrics and patches, one row each. There is no sort above them: that would read all before the first
-- one is sent.
(
    select 0 as kind, {document} as body, coalesce({patches}, '[]') as patches where {whole}
    union all
    select 1, concat({fields}), null where not {whole}
    union all
    (
        select 2, e.body::text, null from {schema}.event e
        where e.site = s.site and e.id = s.id and not {whole}
        order by e.seq
    )
    union all
    (
        select 3, m.body::text, null from {schema}.metric m
        where m.site = s.site and m.id = s.id and not {whole}
        order by m.seq
    )
    union all
    (
        select 4, json_build_array(p.seq, foldline.rfc3339(p.at), p.under, p.body)::text, null from {schema}.patch p
        where p.site = s.site and p.id = s.id and not {whole}
        order by p.seq
    )
)

-- name: counted
-- Fragment: a session `s` in one piece, with the lengths of its timelines instead of the timelines.
(select 0 as kind, concat({fields}, {counts}) as body, null::text as patches)

-- name: sites
-- The sites where a session exists, and how far the read model is that says so.
with {live}, {found}
select found.sites, {position} from found

-- name: skipped
-- The facts of sessions that an operator had passed over.
select seq from foldline.skip where projection = %(projection)s and stream = 'SESSIONS'

-- name: sessions
-- Whole sessions in the order they are asked for; the sites tell whether one exists, and whether its id is enough. A
-- large one has no document. The arrays come as sub-selects, which hide their length, or the statement would be planned
-- anew every time.
with {live}, {clock}, wanted as materialized (
    select * from unnest((select %(ids)s::text[]), (select %(asked)s::text[]), (select %(parts)s::smallint[]))
        with ordinality w (id, site, part, place)
), found as materialized (
    select wanted.*, ({sites-of}) as sites from wanted
)
select found.sites, {position}, one.document, one.patches
from found
left join lateral (
    select {document} as document, {patches} as patches
    from {seen}
    where cardinality(found.sites) = 1 and s.site = found.sites[1] and s.id = found.id and {whole}
    offset 0 -- one after the other by its key, however few sessions there were when it was planned
) one on true
order by found.place

-- name: session
-- One session in pieces; a row without a piece if there is none. The order is that of the pieces.
with {live}, {clock}, {found}
select found.sites, {position}, piece.kind, piece.body, piece.patches
from found
left join lateral (
    select pieces.*
    from {seen}
    cross join lateral {pieces} pieces
    where cardinality(found.sites) = 1 and s.site = found.sites[1] and s.id = %(id)s
) piece on true

-- name: history
-- The patches of one session in the order of the line, and which of them a page lists; how many there are in its time
-- span, and how many its cursor leaves. A row without a patch if there is none.
with {live}, {found}, counted as materialized (
    select count(*) as total, count(*) filter (where %(after)s::bigint is null or p.seq {beyond} %(after)s) as listed
    from found
    join {schema}.patch p on p.site = found.sites[1] and p.id = %(id)s
    where cardinality(found.sites) = 1
      and (%(since)s::timestamptz is null or p.at >= %(since)s)
      and (%(until)s::timestamptz is null or p.at < %(until)s)
)
select found.sites, {position}, counted.total, counted.listed, patch.is_listed, patch.patch
from found
cross join counted
left join lateral (
    select
        (%(after)s::bigint is null or p.seq {beyond} %(after)s)
            and (%(since)s::timestamptz is null or p.at >= %(since)s)
            and (%(until)s::timestamptz is null or p.at < %(until)s) as is_listed,
        json_build_array(p.seq, foldline.rfc3339(p.at), p.under, p.body)::text as patch
    from {schema}.patch p
    where cardinality(found.sites) = 1 and p.site = found.sites[1] and p.id = %(id)s
    order by p.seq
) patch on true

-- name: timeline
-- One page of a session's events or metrics, with the number of all that match and where the page ends. Of a session
-- that is so large that a page may be too, the items are not selected.
with {live}, {found}, matching as (
    select t.seq
    from found
    join {schema}.{timeline} t on t.site = found.sites[1] and t.id = %(id)s
    where cardinality(found.sites) = 1
      and (%(name)s::text is null or t.name = %(name)s)
      and (%(level)s::text is null or t.body->>'level' = %(level)s)
      and (%(since)s::timestamptz is null or t.at >= %(since)s)
      and (%(until)s::timestamptz is null or t.at < %(until)s)
), page as (
    select seq, row_number() over (order by seq {order}) as n
    from matching
    where %(after)s::bigint is null or seq {beyond} %(after)s
    order by seq {order}
    limit %(limit)s::bigint + 1 offset %(offset)s
)
select
    found.sites,
    {position},
    (select count(*) from matching),
    small.timelines,
    case when small.timelines then (
        select string_agg(t.body::text, ',' order by page.n)
        from page
        join {schema}.{timeline} t on t.site = found.sites[1] and t.id = %(id)s and t.seq = page.seq
        where page.n <= %(offset)s::bigint + %(limit)s
    ) end,
    (
        select page.seq from page
        where page.n = %(offset)s::bigint + %(limit)s
          and exists (select from page where n > %(offset)s::bigint + %(limit)s)
    )
from found
cross join lateral (
    select coalesce((
        select s.timelines_size <= 8388608 from {schema}.session s where s.site = found.sites[1] and s.id = %(id)s
    ), true) as timelines
) small

-- name: timeline-rows
-- The items of a page of `timeline`, one row each, and one more if there is another page.
with {live}, {found}
select found.sites, {position}, item.seq, item.body
from found
left join lateral (
    select t.seq, t.body::text as body
    from {schema}.{timeline} t
    where cardinality(found.sites) = 1 and t.site = found.sites[1] and t.id = %(id)s
      and (%(name)s::text is null or t.name = %(name)s)
      and (%(level)s::text is null or t.body->>'level' = %(level)s)
      and (%(since)s::timestamptz is null or t.at >= %(since)s)
      and (%(until)s::timestamptz is null or t.at < %(until)s)
      and (%(after)s::bigint is null or t.seq {beyond} %(after)s)
    order by t.seq {order}
    limit %(limit)s::bigint + 1 offset %(offset)s
) item on true

-- name: export
-- Sessions by filter, sorted, in pieces; the first row carries the total, the position and the number of sessions in the
-- page and behind it. Keys are sorted before documents are built, so that memory is bounded by the keys. `once` says whether matches are found
-- once and kept; without filters it is faster to count all and to read a page by the index.
with {live}, {clock}, matching as {once} (
    select s.site, s.id, {key} as key
    from {seen}
    where (%(product)s::text is null or s.product = %(product)s)
      and (%(version)s::text is null or s.version = %(version)s)
      and (%(machine_id)s::text is null or s.machine_id = %(machine_id)s)
      and (%(hostname)s::text is null or s.hostname = %(hostname)s)
      and (%(site)s::text is null or s.site = %(site)s)
      and (%(created_after)s::timestamptz is null or s.created_at >= %(created_after)s)
      and (%(created_before)s::timestamptz is null or s.created_at < %(created_before)s)
      and (%(status)s::text is null or case %(status)s
          when 'hung' then s.hung_seq is not null
          when 'ever_hung' then s.ever_hung
          when 'hung_crashed' then s.ever_hung and s.crashed
          when 'hung_ended' then s.ever_hung and c.status = 'ended'
          when 'hung_recovered' then s.ever_hung and s.ever_recovered and s.hung_seq is null
          else c.status = %(status)s
      end)
      and (%(has_event)s::text[] is null or not exists (
          select from unnest(%(has_event)s::text[]) w (name)
          where not exists (
              select from {schema}.event e where e.name = w.name and e.site = s.site and e.id = s.id
          )
      ))
      and (%(state)s::jsonb is null or {state-now})
      and (%(state_ever)s::jsonb is null or {state-ever})
), page as materialized (
    select site, id, key, row_number() over (order by key {order}, site {order}, id {order}) as n
    from matching
    where %(after_site)s::text is null
       or (key, site, id) {beyond} (%(after_key)s::{type}, %(after_site)s, %(after_id)s)
    order by key {order}, site {order}, id {order}
    limit %(limit)s::bigint + 1
)
select
    case when coalesce(page.n, 1) = 1 then json_build_array(
        (select count(*) from matching),
        {position},
        (select count(*) from page)
    )::text end,
    case when piece.kind < 2 then json_build_array(page.key, page.site, page.id)::text end,
    piece.kind,
    piece.body,
    piece.patches
from (values (1)) one (row)
left join (
    select * from page where %(limit)s::bigint is null or page.n <= %(limit)s order by page.n
) page on true
left join lateral (
    select pieces.*
    from {seen}
    cross join lateral {pieces} pieces
    where s.site = page.site and s.id = page.id
) piece on true

-- name: series-all
-- Fragment: one point a value of the metric.
select site, id, seq, at, value from measured

-- name: series-peak
-- Fragment: one point a session, its highest value.
select distinct on (site, id) site, id, seq, at, value from measured order by site, id, value desc, seq

-- name: series-min
-- Fragment: one point a session, its lowest value.
select distinct on (site, id) site, id, seq, at, value from measured order by site, id, value, seq

-- name: series-average
-- Fragment: one point a session, its mean, at the time of its last value. Rounding must not put the mean beyond the
-- highest value, and that beyond all doubles; a product that would round to zero is zero, or PostgreSQL refuses it.
select site, id, seq, at, case when unit < 1 and abs(mean) <= power(2::float8, -475) then 0 else mean * unit end as value
from (
    select
        site, id, max(seq) as seq, max(at) as at, max(unit) as unit,
        greatest(least(avg({in-units}), max({in-units})), min({in-units})) as mean
    from measured join (select site, id, {unit} as unit from measured group by site, id) scale using (site, id)
    group by site, id
) one

-- name: unit
-- Fragment: the power of two in which values are counted. Sums and squares of very large values would overflow a double,
-- squares of very small ones would be zero. To divide by a power of two is exact.
case
    when max(abs(value)) > 1e100 then power(2::float8, 600)
    when max(abs(value)) < 1e-100 then power(2::float8, -600)
    else 1
end

-- name: in-units
-- Fragment: a value in units. Beside values that need a large unit a very small one is nothing; divided by it, it would
-- underflow, which PostgreSQL refuses.
case when unit > 1 and abs(value) < 1e-100 then 0 else value / unit end

-- name: sent-value
-- Fragment: the value of a point as it was sent.
(select m.body->'value' from {schema}.metric m where (m.site, m.id, m.seq) = (newest.site, newest.id, newest.seq))

-- name: own-value
-- Fragment: the value of a point that was computed.
to_json(newest.value)

-- name: timeseries
-- A metric over many sessions: statistics of all points, in doubles, and the newest of them in the order of time. Mean,
-- median and deviation are in units, since a product may round to zero or overflow.
with {live}, measured as materialized (
    select m.site, m.id, m.seq, m.at, m.value
    from {schema}.metric m
    join {schema}.session s on s.site = m.site and s.id = m.id
    where m.name = %(metric)s
      and (%(since)s::timestamptz is null or m.at >= %(since)s)
      and (%(until)s::timestamptz is null or m.at < %(until)s)
      and (%(state)s::jsonb is null or {state-now})
      and (%(state_ever)s::jsonb is null or {state-ever})
      and (%(state_array)s::jsonb is null or {state-array})
), series as materialized (
    {series}
), scale as materialized (
    select {unit} as unit from series
), newest as (
    select * from series order by at desc, seq desc limit %(limit)s
)
select
    {position},
    count(*),
    count(distinct (site, id)),
    max(value),
    min(value),
    max(unit),
    avg({in-units}),
    percentile_cont(0.5) within group (order by {in-units}),
    stddev_pop({in-units}),
    (
        select json_agg(json_build_object(
            'Timestamp', foldline.rfc3339(at), 'Value', {point}, 'SessionID', id, 'Site', site
        ) order by at, seq)::text
        from newest
    )
from series, scale
