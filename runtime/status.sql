-- name: leases
-- Every partition of every follower: holder, whether its lease is live, and how far it got. A generation that
-- is only kept follows nothing.
select follower, part, owner, until > clock_timestamp() as live, seqs, stored_at
from foldline.lease
where follower not in (select projection || '_old' from foldline.generation where role = 'old')
order by follower, part
