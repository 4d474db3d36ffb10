-- name: checkpoints
-- How far each partition of a follower is.
select part, seqs from foldline.lease where follower = %(follower)s order by part

-- name: lock-checkpoints
-- The same, and nobody commits a batch until the end of the transaction. In the order of the fence.
select part, seqs from foldline.lease where follower = %(follower)s order by part for update

-- name: reached
-- How far a projection got in the partitions asked for, as `stream/partition` → sequence.
select s.key || '/' || l.part, s.value::bigint
from foldline.lease l, jsonb_each_text(l.seqs) s
where l.follower = %(follower)s and l.part = any(%(parts)s)

-- name: checkpoints-of-followers
-- How far followers are; of one follower and some partitions, if asked for. A generation that is only kept, or
-- thrown away at the end, follows nothing.
select follower, part, seqs, stored_at
from foldline.lease
where (%(follower)s::text is null or follower = %(follower)s)
  and (%(parts)s::smallint[] is null or part = any(%(parts)s))
  and follower not in (
      select g.projection || suffix from foldline.generation g, unnest(array['_old', '_scratch']) suffix
  )
order by follower, part

-- name: followed-streams
-- The streams that followers read: all of them, or those of one follower.
select distinct unnest(streams) from foldline.lease
where %(follower)s::text is null or follower = %(follower)s
order by 1

-- name: newest-folded
-- Store time of the newest event a follower has folded.
select max(stored_at) from foldline.lease where follower = %(follower)s

-- name: lease-status
-- Every partition of every follower: holder, whether its lease is live, and how far it got. A generation that
-- is only kept follows nothing.
select follower, part, owner, until > clock_timestamp() as live, streams, seqs, paused
from foldline.lease
where follower not in (select projection || '_old' from foldline.generation where role = 'old')
order by follower, part

-- name: folded-by-all
-- How far every follower of a stream is in each partition, in whatever generation it folds. One that has read
-- nothing yet holds everything back. A generation that is only kept counts: it may be put back.
select part, min(coalesce((seqs->>%(stream)s)::bigint, 0)) from foldline.lease
where %(stream)s = any(streams)
group by part
order by part
