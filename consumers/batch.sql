-- name: claim-message-ids
-- Remembers the message ids of a batch, and tells those their entities had seen before, and when. Nearly all are
-- new and take effect: then nothing else has to be said about them, and when all are, nothing is looked up.
with asked as materialized (
    select part, site, id, message, message::uuid as hashed, stored_at
    from json_to_recordset(%(ids)s::json)
        as i (part smallint, site text, id text, message text, stored_at timestamptz)
), claimed as (
    insert into {schema}.message_id (part, site, id, message, stored_at)
    select part, site, id, hashed, stored_at from asked
    on conflict (site, id, message) do nothing
    returning 1
)
select m.site, m.id, asked.message, m.stored_at
from asked
join {schema}.message_id m on (m.site, m.id, m.message) = (asked.site, asked.id, asked.hashed)
where (select count(*) from claimed) < (select count(*) from asked)

-- name: correct-message-ids
-- What became of claims otherwise: ids used again after the window count from their new use, those of events
-- without effect were never seen.
with unused as (
    select site, id, message::uuid as message
    from json_to_recordset(%(unused)s::json) as i (site text, id text, message text)
), dropped as (
    delete from {schema}.message_id m using unused where (m.site, m.id, m.message) = (unused.site, unused.id, unused.message)
)
insert into {schema}.message_id (part, site, id, message, stored_at)
select part, site, id, message::uuid, stored_at
from json_to_recordset(%(used)s::json) as i (part smallint, site text, id text, message text, stored_at timestamptz)
on conflict (site, id, message) do update set stored_at = excluded.stored_at

-- name: forget-message-ids
-- Ids that left the window as of a partition's newest event: they would not count any more.
delete from {schema}.message_id m
using unnest(%(parts)s::smallint[], %(before)s::timestamptz[]) old (part, before)
where m.part = old.part and m.stored_at < old.before

-- name: forget-expired
-- What the engine knew of entities that expired: their facts leave the line, so a rebuild would not know it.
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

-- name: record-rejected
-- Events set aside, with the reason.
insert into {schema}.rejected (part, stream, seq, site, id, subject, reason, details, stored_at)
select * from unnest(
    %s::smallint[], %s::text[], %s::int8[], %s::text[], %s::text[], %s::text[], %s::text[], %s::text[],
    %s::timestamptz[]
)

-- name: parked
-- All parked entities, and where each got stuck.
select site, id, part, stream, seq, error from {schema}.parked

-- name: skips
-- The events an operator decided to pass over.
select stream, seq, reason from foldline.skip where projection = %(projection)s

-- name: park
-- Entities whose fold raised just now; one that is parked stays so for its first reason.
insert into {schema}.parked (part, site, id, stream, seq, error)
select * from unnest(%s::smallint[], %s::text[], %s::text[], %s::text[], %s::int8[], %s::text[])
on conflict (site, id) do nothing

-- name: keep-waiting
-- Events of parked entities, in the order of the line behind what was parked first.
insert into {schema}.parked_event (part, site, id, stream, seq, stored_at, subject, headers, body)
select * from unnest(
    %s::smallint[], %s::text[], %s::text[], %s::text[], %s::int8[], %s::timestamptz[], %s::text[], %b::bytea[],
    %b::bytea[]
)

-- name: waiting
-- What waits for an entity, in the order of the line.
select stream, part, seq, stored_at, subject, headers, body from {schema}.parked_event
where (site, id) = (%(site)s, %(id)s)
order by seq

-- name: unpark
-- The entity is folded again.
with events as (
    delete from {schema}.parked_event where (site, id) = (%(site)s, %(id)s)
)
delete from {schema}.parked where (site, id) = (%(site)s, %(id)s)

-- name: parked-summary
-- Parked entities, with how many events wait.
select p.site, p.id, p.part, p.stream, p.seq, p.error, count(e.seq)
from {schema}.parked p
left join {schema}.parked_event e on (e.site, e.id) = (p.site, p.id)
group by p.site, p.id
order by p.site, p.id
