-- name: only-one
-- Held as long as the connection: one replica does it at a time.
select pg_try_advisory_lock(1179601989, hashtext(%(name)s))

-- name: ago
-- A moment in the past by PostgreSQL's clock.
select clock_timestamp() - %(age)s

-- name: folded-by-all
-- How far every follower of a stream is in each partition, in whatever generation it folds. One that has read
-- nothing yet holds everything back. A generation that is only kept counts: it may be put back.
select part, min(coalesce((seqs->>%(stream)s)::bigint, 0)) from foldline.lease
where %(stream)s = any(streams)
group by part
order by part
