-- name: parked
-- All parked entities, each with the event whose fold raised.
select site, id, part, stream, seq, error from {schema}.parked

-- name: park
-- Park entities whose fold raised; one that is parked already keeps its first error.
insert into {schema}.parked (part, site, id, stream, seq, error)
select * from unnest(%s::smallint[], %s::text[], %s::text[], %s::text[], %s::int8[], %s::text[])
on conflict (site, id) do nothing

-- name: add-waiting-events
-- Keep further events of parked entities: they wait behind the one whose fold raised.
insert into {schema}.parked_event (part, site, id, stream, seq, stored_at, subject, headers, body)
select * from unnest(
    %s::smallint[], %s::text[], %s::text[], %s::text[], %s::int8[], %s::timestamptz[], %s::text[], %b::bytea[],
    %b::bytea[]
)

-- name: waiting-events
-- The waiting events of a parked entity, in the order of the line.
select stream, part, seq, stored_at, subject, headers, body from {schema}.parked_event
where (site, id) = (%(site)s, %(id)s)
order by seq

-- name: unpark
-- Delete a parked entity and its waiting events: it is folded again.
with events as (
    delete from {schema}.parked_event where (site, id) = (%(site)s, %(id)s)
)
delete from {schema}.parked where (site, id) = (%(site)s, %(id)s)

-- name: parked-summary
-- All parked entities, each with the number of its waiting events.
select p.site, p.id, p.part, p.stream, p.seq, p.error, count(e.seq)
from {schema}.parked p
left join {schema}.parked_event e on (e.site, e.id) = (p.site, p.id)
group by p.site, p.id
order by p.site, p.id

-- name: count-parked
-- How many entities are parked.
select count(*) from {schema}.parked

-- name: schemas-with-parked
-- The schemas of all generations: each has a table of parked entities.
select schemaname from pg_tables where tablename = 'parked'

-- name: skips
-- The events that an operator decided to skip.
select stream, seq, reason from foldline.skip where projection = %(projection)s

-- name: skip
-- Skip an event in every fold from now on.
insert into foldline.skip (projection, stream, seq, reason)
values (%(projection)s, %(stream)s, %(seq)s, %(reason)s)
on conflict (projection, stream, seq) do update set reason = excluded.reason

-- name: forget-skips
-- Delete all skips of some streams: the same sequence is another event there now.
delete from foldline.skip where stream = any(%(streams)s) returning seq

-- name: forget-expired
-- Delete what the engine kept of entities that expired: their facts leave the line, and a rebuild could not
-- find it again.
with gone as (
    select * from unnest(%s::text[], %s::text[], %s::text[], %s::int8[]) g (site, id, stream, seq)
), ids as (
    delete from {schema}.message_id m using gone where (m.site, m.id) = (gone.site, gone.id)
), waiting as (
    delete from {schema}.parked_event e using gone
    where (e.site, e.id, e.stream) = (gone.site, gone.id, gone.stream) and e.seq < gone.seq
), parked as (
    delete from {schema}.parked p using gone
    where (p.site, p.id, p.stream) = (gone.site, gone.id, gone.stream) and p.seq < gone.seq
)
delete from {schema}.rejected r using gone
where (r.site, r.id, r.stream) = (gone.site, gone.id, gone.stream) and r.seq < gone.seq
