-- name: reached
-- How far a projection got in the partitions asked for, as `stream/partition` → sequence.
select s.key || '/' || l.part, s.value::bigint
from foldline.lease l, jsonb_each_text(l.seqs) s
where l.follower = %(follower)s and l.part = any(%(parts)s)
