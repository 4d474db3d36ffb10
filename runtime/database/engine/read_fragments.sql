-- name: live
-- Fragment, the first of every statement: it fails if another generation became live while it was parsed.
live as materialized (select foldline.live(%(projection)s, g.number) as number from {schema}.generation g)

-- name: partitions
-- Fragment: the partitions that the position covers; `parts` null means all.
(%(parts)s::smallint[] is null or l.part = any(%(parts)s))

-- name: position
-- Fragment: the position of the read model, as a Foldline-Position.
(
    select string_agg(q.key || '/' || l.part || ':' || q.value, ',' order by q.key, l.part)
    from live, foldline.lease l, jsonb_each_text(l.seqs) q
    where l.follower = %(projection)s and {partitions}
)
