-- name: leases
-- Every partition of every follower: holder, whether its lease is live, and how far it got. A generation that
-- is only kept follows nothing.
select follower, part, owner, until > clock_timestamp() as live, streams, seqs, paused
from foldline.lease
where follower not in (select projection || '_old' from foldline.generation where role = 'old')
order by follower, part

-- name: schemas-with-parked
-- The generations there are: each has a table of parked entities.
select schemaname from pg_tables where tablename = 'parked'

-- name: parked
-- How many entities a generation has parked.
select count(*) from {schema}.parked
