-- name: load-entities
-- The jobs and subjobs that exist among those asked for.
select
    site, id, sub, part, first_seq, last_seq, inserted_at, last_event_at, app_id, app_name, app_version, key, status,
    attempts, started_at, ended_at, last_started_at, previous_ended_at, errors, metrics::text, metadata::text,
    running, succeeded, failed, canceled
from {schema}.entity
where (site, id, sub) in (select * from json_to_recordset(%(asked)s::json) as asked (site text, id text, sub text))

-- name: make-batch
-- The temporary table that takes the rows of a batch on their way into the table; `write-batch` keeps it empty.
create temporary table if not exists job_batch (
    part smallint, site text, id text, sub text, first_seq bigint, last_seq bigint, inserted_at timestamptz,
    last_event_at timestamptz, app_id text, app_name text, app_version text, key text, status text,
    attempts integer, started_at timestamptz, ended_at timestamptz, last_started_at timestamptz,
    previous_ended_at timestamptz, errors bigint, metrics text, metadata text, running bigint,
    succeeded bigint, failed bigint, canceled bigint, duration_s double precision
)

-- name: copy-batch
-- Copies every job and subjob that a batch changed, each row once, in binary.
copy pg_temp.job_batch (
    site, id, sub, part, first_seq, last_seq, inserted_at, last_event_at, app_id, app_name, app_version, key, status,
    attempts, started_at, ended_at, last_started_at, previous_ended_at, errors, metrics, metadata, running, succeeded,
    failed, canceled, duration_s
) from stdin (format binary)

-- name: write-batch
-- Writes the rows of the batch into the table, and the names of their applications.
with batch as (
    delete from pg_temp.job_batch returning *
), named as (
    insert into {schema}.app (part, site, app_id, name)
    select distinct part, site, app_id, app_name from batch
    on conflict (site, app_id, name, part) do nothing
)
insert into {schema}.entity (
    part, site, id, sub, first_seq, last_seq, inserted_at, last_event_at, app_id, app_name, app_version, key, status,
    attempts, started_at, ended_at, last_started_at, previous_ended_at, errors, metrics, metadata, running,
    succeeded, failed, canceled, duration_s
)
select
    part, site, id, sub, first_seq, last_seq, inserted_at, last_event_at, app_id, app_name, app_version, key, status,
    attempts, started_at, ended_at, last_started_at, previous_ended_at, errors, metrics::jsonb, metadata::jsonb,
    running, succeeded, failed, canceled, duration_s
from batch
on conflict (site, id, sub) do update set
    last_seq = excluded.last_seq,
    inserted_at = excluded.inserted_at,
    last_event_at = excluded.last_event_at,
    app_id = excluded.app_id,
    app_name = excluded.app_name,
    app_version = excluded.app_version,
    key = excluded.key,
    status = excluded.status,
    attempts = excluded.attempts,
    started_at = excluded.started_at,
    ended_at = excluded.ended_at,
    last_started_at = excluded.last_started_at,
    previous_ended_at = excluded.previous_ended_at,
    errors = excluded.errors,
    metrics = excluded.metrics,
    metadata = excluded.metadata,
    running = excluded.running,
    succeeded = excluded.succeeded,
    failed = excluded.failed,
    canceled = excluded.canceled,
    duration_s = excluded.duration_s

-- name: clear-batch
-- Gives back the room that deleted rows take; run now and then.
truncate pg_temp.job_batch

-- name: copy-events
-- Copies rows of the event timeline, in binary.
copy {schema}.event (part, site, id, sub, seq, at, kind, status, metrics, metadata) from stdin (format binary)

-- name: write-left-apps
-- Adds names of applications that jobs had before a batch gave them other ones.
insert into {schema}.app (part, site, app_id, name)
select * from json_to_recordset(%(rows)s::json) as r (part smallint, site text, app_id text, name text)
on conflict (site, app_id, name, part) do nothing

-- name: write-stats
-- Adds what a batch changed to the statistics; maxima only grow.
insert into {schema}.tally as t (
    part, site, app_id, hour, app_name, succeeded, failed, canceled, durations, duration_us, duration_max_us, cpu_us,
    memories, mem_kib, mem_max_kib
)
select * from json_to_recordset(%(rows)s::json) as r (
    part smallint, site text, app_id text, hour timestamptz, app_name text, succeeded bigint, failed bigint,
    canceled bigint, durations bigint, duration_us numeric, duration_max_us bigint, cpu_us numeric, memories bigint,
    mem_kib numeric, mem_max_kib bigint
)
on conflict (site, app_id, hour, part) do update set
    app_name = excluded.app_name,
    succeeded = t.succeeded + excluded.succeeded,
    failed = t.failed + excluded.failed,
    canceled = t.canceled + excluded.canceled,
    durations = t.durations + excluded.durations,
    duration_us = t.duration_us + excluded.duration_us,
    duration_max_us = greatest(t.duration_max_us, excluded.duration_max_us),
    cpu_us = t.cpu_us + excluded.cpu_us,
    memories = t.memories + excluded.memories,
    mem_kib = t.mem_kib + excluded.mem_kib,
    mem_max_kib = greatest(t.mem_max_kib, excluded.mem_max_kib)

-- name: write-buckets
-- Adds what a batch changed to the histograms, by hour and of all hours.
with changed as (
    select * from json_to_recordset(%(rows)s::json) as r (
        part smallint, site text, app_id text, hour timestamptz, bucket smallint, number bigint
    )
), whole as (
    insert into {schema}.app_bucket as b (part, site, app_id, bucket, number)
    select part, site, app_id, bucket, sum(number) from changed group by part, site, app_id, bucket
    on conflict (site, app_id, bucket, part) do update set number = b.number + excluded.number
)
insert into {schema}.bucket as b (part, site, app_id, hour, bucket, number)
select part, site, app_id, hour, bucket, number from changed
on conflict (site, app_id, hour, bucket, part) do update set number = b.number + excluded.number
