-- name: message-ids-seen
-- Which message ids of a batch their entities have seen, and when.
select m.site, m.id, m.message, m.stored_at
from {schema}.message_id m
join unnest(%(sites)s::text[], %(ids)s::text[], %(messages)s::uuid[]) asked (site, id, message)
  on (m.site, m.id, m.message) = (asked.site, asked.id, asked.message)

-- name: remember-message-ids
-- Message ids that took effect; one used again after the window counts from its new use.
insert into {schema}.message_id (part, site, id, message, stored_at)
select * from unnest(%s::smallint[], %s::text[], %s::text[], %s::uuid[], %s::timestamptz[])
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
