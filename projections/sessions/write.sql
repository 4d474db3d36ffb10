-- name: write-heartbeats
-- Writes the newest heartbeat of each session; an older one never wins, nor one from before the session expired.
with beats as (
    select *
    from unnest(%s::smallint[], %s::text[], %s::text[], %s::timestamptz[], %s::int8[]) b (part, site, id, at, seq)
), passed as (
    delete from {schema}.expiry e using (select part, max(at) as at from beats group by part) newest
    where e.part = newest.part and e.at < newest.at
)
insert into {schema}.heartbeat (part, site, id, at, seq)
select * from beats b
where not exists (select from {schema}.expiry e where e.site = b.site and e.id = b.id and e.at >= b.at)
on conflict (site, id) do update set at = excluded.at, seq = excluded.seq
where heartbeat.seq < excluded.seq

-- name: erase-sessions
-- Erases all rows of expired sessions; a heartbeat younger than the expiry stays, as it would in a rebuild.
with gone as (
    select *
    from unnest(%(parts)s::smallint[], %(sites)s::text[], %(ids)s::text[], %(expired_at)s::timestamptz[])
        g (part, site, id, at)
), remembered as (
    insert into {schema}.expiry (part, site, id, at) select * from gone
    on conflict (site, id) do update set at = excluded.at
), events as (
    delete from {schema}.event t using gone where (t.site, t.id) = (gone.site, gone.id)
), metrics as (
    delete from {schema}.metric t using gone where (t.site, t.id) = (gone.site, gone.id)
), patches as (
    delete from {schema}.patch t using gone where (t.site, t.id) = (gone.site, gone.id)
), heartbeats as (
    delete from {schema}.heartbeat t using gone where (t.site, t.id) = (gone.site, gone.id) and t.at <= gone.at
)
delete from {schema}.session t using gone where (t.site, t.id) = (gone.site, gone.id)
