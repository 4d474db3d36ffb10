-- name: record-rejected
-- Record events that are set aside, with the reason.
insert into {schema}.rejected (part, stream, seq, site, id, subject, reason, details, stored_at)
select * from unnest(
    %s::smallint[], %s::text[], %s::int8[], %s::text[], %s::text[], %s::text[], %s::text[], %s::text[],
    %s::timestamptz[]
)
on conflict (stream, seq) do nothing  -- carried over, and on the line for a moment longer

-- name: carry-rejected
-- Takes over what another generation has of events that have left the line by their age.
insert into {schema}.rejected (part, stream, seq, site, id, subject, reason, details, stored_at)
select part, stream, seq, site, id, subject, reason, details, stored_at
from {source}.rejected
where stream = %(stream)s and seq < %(first)s

-- name: forget-replaced
-- Delete what was recorded of older messages of some subjects, on streams that keep the newest message alone:
-- who sends one bad heartbeat after another fills no table.
delete from {schema}.rejected r
using unnest(%s::text[], %s::text[], %s::text[], %s::text[]) newer (stream, site, id, subject)
where (r.site, r.id) = (newer.site, newer.id) and (r.stream, r.subject) = (newer.stream, newer.subject)

-- name: list-rejected
-- A page of a projection's rejected events, newest first, and the counts by reason of all that match.
with matching as (
    select r.*, d.reason as dismissed_because, d.decided_at
    from {schema}.rejected r
    left join foldline.dismissal d on d.projection = %(projection)s and d.stream = r.stream and d.seq = r.seq
    where (%(reason)s::text is null or r.reason = %(reason)s)
      and (%(stream)s::text is null or r.stream = %(stream)s)
      and (%(dismissed)s or d.seq is null)
), page as (
    select * from matching
    where %(before_seq)s::bigint is null
       or (stored_at, stream, seq, %(projection)s)
           < (%(before_at)s::timestamptz, %(before_stream)s, %(before_seq)s, %(before_projection)s)
    order by stored_at desc, stream desc, seq desc
    limit %(limit)s
)
select
    (select json_object_agg(reason, n)::text from (select reason, count(*) as n from matching group by reason) c),
    (
        select json_agg(json_build_object(
            'stream', stream, 'sequence', seq, 'partition', part, 'subject', subject,
            'reason', reason, 'details', details, 'stored_at', foldline.rfc3339(stored_at),
            'dismissed', case when decided_at is not null then json_build_object(
                'reason', dismissed_because, 'at', foldline.rfc3339(decided_at)
            ) end
        ) order by stored_at desc, stream desc, seq desc)::text
        from page
    )

-- name: rejected-event
-- One rejected event of a projection, and its dismissal.
select r.part, r.reason, r.details, d.reason, foldline.rfc3339(d.decided_at)
from {schema}.rejected r
left join foldline.dismissal d on d.projection = %(projection)s and d.stream = r.stream and d.seq = r.seq
where r.stream = %(stream)s and r.seq = %(sequence)s

-- name: rejections-at
-- Why facts at some places were rejected; places without a rejection have no row.
select r.stream, r.seq, r.reason, r.details
from unnest(%(streams)s::text[], %(sequences)s::bigint[]) as asked (stream, seq)
join {schema}.rejected r on (r.stream, r.seq) = (asked.stream, asked.seq)

-- name: count-rejected
-- The number of rejected events by reason, without those that are dismissed.
select r.reason, count(*)
from {schema}.rejected r
where not exists (
    select from foldline.dismissal d
    where d.projection = %(projection)s and d.stream = r.stream and d.seq = r.seq
)
group by r.reason

-- name: dismiss
-- Dismiss a rejected event, which hides it from lists; a new reason replaces the one before.
insert into foldline.dismissal (projection, stream, seq, reason)
select %(projection)s, r.stream, r.seq, %(reason)s
from {schema}.rejected r where r.stream = %(stream)s and r.seq = %(sequence)s
on conflict (projection, stream, seq) do update set reason = excluded.reason, decided_at = clock_timestamp()

-- name: restore
-- Take a dismissal back: the event is listed again.
delete from foldline.dismissal
where projection = %(projection)s and stream = %(stream)s and seq = %(sequence)s

-- name: forget-dismissals
-- Delete all dismissals of some streams: the same sequence is another event there now.
delete from foldline.dismissal where stream = any(%(streams)s)
