-- name: medians
-- The median duration of each application's ended jobs, by the histogram of all hours. Floats are exact for such
-- numbers; sums of sums would be numeric, and slow.
select distinct on (site, app_id) site, app_id, power(2::float8, (bucket + 0.5) / 8) as seconds
from (
    select site, app_id, bucket,
        sum(sum(number)::float8) over (partition by site, app_id order by bucket) as below,
        sum(sum(number)::float8) over (partition by site, app_id) as total
    from {schema}.app_bucket
    group by site, app_id, bucket
) ranked
where below * 2 >= total and total > 0
order by site, app_id, bucket

-- name: of-outliers
-- Fragment: jobs that took more than three times the median of their application. They are few, so they are read by
-- application and duration (`offset 0` keeps it so) and not by time until there are enough.
json_to_recordset(%(medians)s::json) m (site text, app_id text, seconds float8)
cross join lateral (
    select e.* from {schema}.entity e
    where e.app_id = m.app_id and e.duration_s > 3 * m.seconds and e.sub = '' and e.site = m.site
    offset 0
) e
where {where}
