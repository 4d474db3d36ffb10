-- The jobs read model. The key of a job is (site, id); of a subjob (site, id of its job, sub).

-- Jobs, which have '' for `sub`, and subjobs: the same life, the same columns.
create table {schema}.entity (
    {entity},
    -- Metadata are served from their column as they were written; jsonb, which writes numbers anew, is for filters.
    searched jsonb generated always as (metadata::jsonb) stored
) with (fillfactor = 80);
create index entity_jobs on {schema}.entity (inserted_at, inserted_seq) where sub = '';
create index entity_subjobs on {schema}.entity (inserted_at, inserted_seq) where sub <> '';
create index entity_opened_jobs on {schema}.entity (opened_at, first_seq) where sub = '';
create index entity_opened_subjobs on {schema}.entity (opened_at, first_seq) where sub <> '';
create index entity_started on {schema}.entity (started_at, first_seq) where sub = '' and started_at is not null;
create index entity_ended on {schema}.entity (ended_at, first_seq) where sub = '' and ended_at is not null;
create index entity_took on {schema}.entity (duration_s, first_seq) where sub = '' and duration_s is not null;
create index entity_status on {schema}.entity (status, inserted_at) where status <> 'succeeded';
create index entity_app on {schema}.entity (app_id, inserted_at);
create index entity_duration on {schema}.entity (app_id, duration_s) where sub = '' and duration_s is not null;
create index entity_key on {schema}.entity using hash (key) where key is not null;
-- An entry for each value: a job of 400,000 would have all of them written again with every event, which took 4 s. So
-- large metadata are not in the index, and looked through.
create index entity_metadata on {schema}.entity using gin (searched jsonb_path_ops)
    where searched <> '{}' and octet_length(metadata::text) <= 16384;
create index entity_large on {schema}.entity (opened_at) where octet_length(metadata::text) > 16384;
-- A larger sample than usual: with a hundred rows the planner takes a value of one job in fifty for a rare one.
alter table {schema}.entity alter column searched set statistics 500;

-- The greatest of an hour are found here: a sum can be taken back, a maximum cannot.
create index entity_longest on {schema}.entity (site, app_id, ended_hour, ended_s) where sub = '' and ended_s is not null;
create index entity_largest on {schema}.entity (site, app_id, ended_hour, ended_mb)
    where sub = '' and ended_mb is not null;

-- What happened, as it happened.
create table {schema}.event (
    {event}
);

-- Attempts that another one followed. The newest attempt of a job is in its own row.
create table {schema}.attempt (
    {attempt}
);

-- Ended jobs by application and hour (UTC). Integers: sums must not depend on the order they are made in.
create table {schema}.tally (
    {tally}
) with (fillfactor = 80);
create index tally_hour on {schema}.tally (hour);

-- Their durations as histograms: bucket n counts those from 2^(n/8) s to 2^((n+1)/8) s.
create table {schema}.bucket (
    part   smallint    not null,
    site   text        not null,
    app_id text        not null,
    hour   timestamptz not null,
    bucket smallint    not null,
    number bigint      not null,
    primary key (site, app_id, hour, bucket, part)
) with (fillfactor = 80);

-- The same of all hours together, for the median of an application.
create table {schema}.app_bucket (
    part     smallint not null,
    site     text     not null,
    app_id   text     not null,
    bucket   smallint not null,
    number   bigint   not null,
    primary key (site, app_id, bucket, part)
) with (fillfactor = 80);

-- Names of applications, so that part of one is looked for among few.
create table {schema}.app (
    part   smallint not null,
    site   text     not null,
    app_id text     not null,
    name   text     not null,
    primary key (site, app_id, name, part)
);
