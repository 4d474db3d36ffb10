-- name: claim-message-ids
-- Record the message ids of a batch; returns those that their entities had seen before, and of which event.
-- Nearly all are new and take effect: then this is all there is to do for them. When all are new, nothing is
-- looked up.
with asked as materialized (
    select part, site, id, message, message::uuid as hashed, seq, stored_at, digest
    from json_to_recordset(%(ids)s::json) as i (
        part smallint, site text, id text, message text, seq bigint, stored_at timestamptz, digest bigint
    )
), claimed as (
    insert into {schema}.message_id (part, site, id, message, seq, stored_at, digest)
    select part, site, id, hashed, seq, stored_at, digest from asked
    on conflict (site, id, message) do nothing
    returning 1
)
select m.site, m.id, asked.message, m.seq, m.stored_at, m.digest
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
insert into {schema}.message_id (part, site, id, message, seq, stored_at, digest)
select part, site, id, message::uuid, seq, stored_at, digest
from json_to_recordset(%(used)s::json) as i (
    part smallint, site text, id text, message text, seq bigint, stored_at timestamptz, digest bigint
)
on conflict (site, id, message) do update
set seq = excluded.seq, stored_at = excluded.stored_at, digest = excluded.digest

-- name: forget-message-ids
-- Delete ids that are older than the window before the newest event of their partition: they no longer count.
delete from {schema}.message_id m
using unnest(%(parts)s::smallint[], %(before)s::timestamptz[]) old (part, before)
where m.part = old.part and m.stored_at < old.before
