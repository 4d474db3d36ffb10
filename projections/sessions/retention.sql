-- name: silent-sessions
-- The next page of sessions without a fact or heartbeat since a moment, by key. Times of facts are event times; only
-- the line knows when the newest fact was stored.
select s.site, s.id
from {schema}.session s
left join {schema}.heartbeat h on (h.site, h.id) = (s.site, s.id)
where s.touched_at < %(before)s and (h.at is null or h.at < %(before)s)
  and (s.site, s.id) > (%(after_site)s::text, %(after_id)s::text)
order by s.site, s.id
limit %(most)s

-- name: rejected-among
-- The rejected ones among some facts.
select seq from {schema}.rejected where stream = %(stream)s and seq = any(%(seqs)s::bigint[])
