-- name: rejected
-- One projection's rejected events, newest first, with the counts by reason of all that match.
with matching as (
    select * from {schema}.rejected
    where (%(reason)s::text is null or reason = %(reason)s)
      and (%(stream)s::text is null or stream = %(stream)s)
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
            'reason', reason, 'details', details, 'stored_at', foldline.rfc3339(stored_at)
        ) order by stored_at desc, stream desc, seq desc)::text
        from page
    )
