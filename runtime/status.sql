-- name: leases
-- Every partition of every follower: holder, whether its lease is live, and how far it got.
select follower, part, owner, until > clock_timestamp() as live, seqs, stored_at
from foldline.lease
order by follower, part
