-- name: state-now
-- Fragment: every `path = value` asked for holds in the current state, as text or, where it is JSON, as JSON. A state
-- is read once for a value (`offset 0` keeps it so): that is what takes the time.
not exists (
    select from jsonb_to_recordset(%(state)s::jsonb) w (path text[], plain text, value jsonb)
    cross join lateral (select s.state #> w.path as value offset 0) held
    where (held.value #>> '{}' = w.plain or held.value::jsonb = w.value) is not true
)

-- name: state-ever
-- Fragment: every `path = value` asked for held in some snapshot, which is to say that some patch set it. A patch that
-- was applied under an older value never showed its own.
not exists (
    select from jsonb_to_recordset(%(state_ever)s::jsonb) w (path text[], plain text, value jsonb)
    where not exists (
        select from {schema}.patch p
        cross join lateral (select p.body #> w.path as value offset 0) held
        where p.site = s.site and p.id = s.id
          and (held.value #>> '{}' = w.plain or held.value::jsonb = w.value)
          and not (p.under and exists (
              select from {schema}.patch q
              where q.site = s.site and q.id = s.id and q.seq < p.seq and q.body #> w.path is not null
          ))
    )
)

-- name: state-array
-- Fragment: every array asked for holds the value asked for.
not exists (
    select from jsonb_to_recordset(%(state_array)s::jsonb) w (path text[], plain text, value jsonb)
    where not exists (
        select from (select s.state #> w.path as value offset 0) held
        cross join json_array_elements(case json_typeof(held.value) when 'array' then held.value end) item
        where item.value #>> '{}' = w.plain or item.value::jsonb = w.value
    )
)
