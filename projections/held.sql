-- name: held
-- How many partitions of a projection have an owner whose lease still runs.
select count(*) from foldline.lease
where follower = %(projection)s and owner is not null and until > clock_timestamp()
