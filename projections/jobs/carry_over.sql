-- name: carry-entities
-- Copies jobs of which the line no longer holds everything, with their subjobs, from another generation.
with aged as (
    select e.site, e.id
    from {source}.entity e
    join json_to_recordset(%(first_sequences)s::json) f (site text, first bigint) on f.site = e.site or f.site is null
    where e.sub = '' and e.first_seq < f.first
)
insert into {schema}.entity ({columns})
select {values} from {source}.entity t join aged using (site, id)

-- name: carry-events
-- Copies the events of the jobs that were carried over.
insert into {schema}.event ({columns})
select {values} from {source}.event t join {schema}.entity e on e.site = t.site and e.id = t.id and e.sub = ''

-- name: carry-attempts
-- Copies the attempts of the jobs that were carried over.
insert into {schema}.attempt ({columns})
select {values} from {source}.attempt t join {schema}.entity e on e.site = t.site and e.id = t.id and e.sub = ''

-- name: carry-apps
-- Adds the names of the applications of the jobs that were carried over.
insert into {schema}.app (part, site, app_id, name)
select distinct part, site, app_id, app_name from {schema}.entity
on conflict (site, app_id, name, part) do nothing

-- name: carried
-- The jobs that were carried over.
select site, id from {schema}.entity where sub = ''

-- name: is-aged
-- Whether some of a job has left the line.
select exists (
    select from {schema}.entity e
    join json_to_recordset(%(first_sequences)s::json) f (site text, first bigint) on f.site = e.site or f.site is null
    where e.site = %(site)s and e.id = %(id)s and e.sub = '' and e.first_seq < f.first
)
