-- name: held
-- How many partitions of a projection have an owner whose lease still runs.
select count(*) from foldline.lease
where follower = %(projection)s and owner is not null and until > clock_timestamp()

-- name: paused
-- Partitions nobody may fold, by reason.
select paused, array_agg(part order by part) from foldline.lease
where follower = %(projection)s and paused is not null
group by paused order by paused

-- name: parked
-- How many entities are parked.
select count(*) from {schema}.parked
