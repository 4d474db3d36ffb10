-- name: claim-message-ids
-- Record the message ids of a batch; returns those that their entities had seen before, and when. Nearly all
-- are new and take effect: then this is all there is to do for them. When all are new, nothing is looked up.
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
-- Correct the claims of a batch: an id that was used again after the window counts from its new use, and the
-- id of an event without effect counts as never seen.
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
-- Delete ids that are older than the window before the newest event of their partition: they no longer count.
delete from {schema}.message_id m
using unnest(%(parts)s::smallint[], %(before)s::timestamptz[]) old (part, before)
where m.part = old.part and m.stored_at < old.before
