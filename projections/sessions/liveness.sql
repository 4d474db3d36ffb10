-- name: hung-sessions
-- The hung ones among some sessions: since which store time, and their newest fact.
select s.site, s.id, s.hung_seq, s.hung_stored_at, s.last_seq
from {schema}.session s
where (s.site, s.id) in (select * from unnest(%(sites)s::text[], %(ids)s::text[]))
  and s.hung_seq is not null and not s.crashed and s.ended_at is null

-- name: sessions-of-machine
-- The open sessions of a machine that are older than a new session on it; none when the `created` fact of the new
-- one was rejected.
select s.id, s.last_seq
from {schema}.session s
where s.site = %(site)s and s.machine_id = %(machine_id)s and s.first_seq < %(before)s
  and not s.crashed and s.ended_at is null and s.id <> %(new_id)s
  and exists (
      select from {schema}.session n
      where n.site = %(site)s and n.id = %(new_id)s and n.created_seq = %(before)s
  )
order by s.first_seq

-- name: outlived
-- One row or more if the fact that was to end the session was rejected, or the session has older facts than that.
select 1 from {schema}.session s
where s.site = %(site)s and s.id = %(id)s and s.first_seq < %(expired_seq)s
union all
select 1 from {schema}.rejected r where r.stream = %(stream)s and r.seq = %(expired_seq)s
