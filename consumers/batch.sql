-- name: message-ids-seen
-- Which message ids of a batch were seen in their partition, and when.
select m.part, m.id, m.stored_at
from {schema}.message_id m
join unnest(%(parts)s::smallint[], %(ids)s::uuid[]) asked (part, id) on m.part = asked.part and m.id = asked.id

-- name: remember-message-ids
-- Message ids that took effect; one used again after the window counts from its new use.
insert into {schema}.message_id (part, id, stored_at)
select * from unnest(%(parts)s::smallint[], %(ids)s::uuid[], %(stored_at)s::timestamptz[])
on conflict (part, id) do update set stored_at = excluded.stored_at

-- name: forget-message-ids
-- Ids that left the window as of a partition's newest event: they would not count any more.
delete from {schema}.message_id m
using unnest(%(parts)s::smallint[], %(before)s::timestamptz[]) old (part, before)
where m.part = old.part and m.stored_at < old.before

-- name: record-rejected
-- Events set aside, with the reason.
insert into {schema}.rejected (part, stream, seq, subject, reason, details, stored_at)
select * from unnest(%s::smallint[], %s::text[], %s::int8[], %s::text[], %s::text[], %s::text[], %s::timestamptz[])
