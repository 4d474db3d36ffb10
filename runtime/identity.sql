-- name: streams
-- The streams that were folded, and when they were created.
select name, created from foldline.stream

-- name: followed
-- The streams that followers read: all of them, or those of one follower.
select distinct unnest(streams) from foldline.lease
where %(follower)s::text is null or follower = %(follower)s
order by 1

-- name: remember-stream
-- The read models are folded from this stream.
insert into foldline.stream (name, created) values (%(name)s, %(created)s) on conflict (name) do nothing

-- name: checkpoints
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
