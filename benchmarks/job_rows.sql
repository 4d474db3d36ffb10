-- name: jobs
-- So many ended jobs of 200 applications, one a second until now, each 1 to 3 times as long as its application's
-- shortest. Of a thousand 70 failed, 10 were canceled, one was left running; one took ten times as long.
insert into {schema}.entity (
    part, site, id, sub, first_seq, last_seq, opened_at, inserted_at, inserted_seq, last_event_at, app_id, app_name, app_version,
    key, status, attempts, begun_seq, begun_at, started_at, start_told, first_end_at, end_at, ended_at, end_explicit, newest_at,
    errors, failed_before, lost_before, metrics, metadata, metric_times, metadata_times, large, running, succeeded, failed,
    canceled, duration_s, ended_s, ended_hour, ended_mb
)
select
    n & 15, 'local', 'job-' || n, '', n, n, heard_at - interval '1 s' * seconds, heard_at, n, heard_at, 'app-' || app,
    'Application ' || app, '1.4.2', 'batch-' || n / 4, status, 1, n, started_at, started_at, false, ended_at, ended_at, ended_at,
    true, heard_at, (status = 'failed')::int, 0, 0,
    json_build_object('duration_s', seconds, 'cpu_user_s', seconds / 2, 'mem_max_mb', other & 1023),
    json_build_object('host', 'h' || (other / 1000 & 31), 'recipe', 'r' || (place / 12800 & 4095), 'lot', n / 25),
    json_build_object('duration_s', at_us, 'cpu_user_s', at_us, 'mem_max_mb', at_us),
    json_build_object('host', at_us, 'recipe', at_us, 'lot', at_us), '{}', 0, 0, 0, 0,
    case when status <> 'running' then seconds end, case when status <> 'running' then seconds end,
    date_trunc('hour', ended_at, 'UTC'), case when status <> 'running' then other & 1023 end
from (
    select
        *, heard_at - interval '1 s' * seconds as started_at, case when status <> 'running' then heard_at end as ended_at,
        (extract(epoch from heard_at) * 1e6)::bigint as at_us
    from (
    select
        n, place, other, app, now() - interval '1 s' * (%(count)s - n) as heard_at,
        case when other %% 1000 < 70 then 'failed' when other %% 1000 < 80 then 'canceled'
            when other %% 1000 = 80 then 'running' else 'succeeded' end as status,
        (app + 1) * (1 + (place / 200 & 63) / 32.0) * case when other %% 1000 = 81 then 10 else 1 end as seconds
    from (
        select n, place, place %% 200 as app, hashint4(-n) & 1073741823 as other
        from (select n, hashint4(n) & 1073741823 as place from generate_series(1, %(count)s::integer) n) placed
    ) of_apps
    ) told
) timed

-- name: applications
-- The applications of all jobs there are.
insert into {schema}.app (part, site, app_id, name)
select distinct part, site, app_id, app_name from {schema}.entity
on conflict (site, app_id, name, part) do nothing

-- name: durations
-- The histograms of all jobs there are.
insert into {schema}.app_bucket (part, site, app_id, bucket, number)
select part, site, app_id, floor(ln(duration_s) / ln(2.0::float8) * 8), count(*)
from {schema}.entity
where sub = '' and duration_s is not null
group by 1, 2, 3, 4
on conflict (site, app_id, bucket, part) do update set number = excluded.number
