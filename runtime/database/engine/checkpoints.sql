-- name: checkpoints
-- The checkpoint of each partition of a follower.
select part, seqs from foldline.lease where follower = %(follower)s order by part

-- name: lock-checkpoints
-- The checkpoints of a follower, locked: nobody commits a batch until the end of the transaction. The rows are
-- locked in the order of the fence.
select part, seqs from foldline.lease where follower = %(follower)s order by part for update

-- name: folded-sequences
-- The last sequences that a projection has folded in some partitions, as `stream/partition` → sequence.
select s.key || '/' || l.part, s.value::bigint
from foldline.lease l, jsonb_each_text(l.seqs) s
where l.follower = %(follower)s and l.part = any(%(parts)s)

-- name: checkpoints-of-followers
-- The checkpoints of all followers, or of one follower, or of some partitions. Old and scratch generations are
-- left out: they follow nothing.
select follower, part, seqs, stored_at
from foldline.lease
where (%(follower)s::text is null or follower = %(follower)s)
  and (%(parts)s::smallint[] is null or part = any(%(parts)s))
  and follower not in (
      select g.projection || suffix from foldline.generation g, unnest(array['_old', '_scratch']) suffix
  )
order by follower, part

-- name: followed-streams
-- The streams that all followers read, or that one follower reads.
select distinct unnest(streams) from foldline.lease
where %(follower)s::text is null or follower = %(follower)s
order by 1

-- name: newest-folded
-- The store time of the newest event that a follower has folded.
select max(stored_at) from foldline.lease where follower = %(follower)s

-- name: lease-status
-- Every partition of every follower: its owner, whether the lease has not expired, and its checkpoint. Old
-- generations are left out: they follow nothing.
select follower, part, owner, until > clock_timestamp() as live, streams, seqs, paused
from foldline.lease
where follower not in (select projection || '_old' from foldline.generation where role = 'old')
order by follower, part

-- name: folded-by-all
-- The sequence up to which all followers of a stream have folded, in each partition; 0 while one of them has
-- read nothing. All generations count, also old ones: they may be put back.
select part, min(coalesce((seqs->>%(stream)s)::bigint, 0)) from foldline.lease
where %(stream)s = any(streams)
group by part
order by part
