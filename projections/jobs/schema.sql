-- The jobs read model. The key of a job is (site, id); of a subjob (site, id of its job, sub).

-- Jobs, which have '' for `sub`, and subjobs: the same life, the same columns.
create table {schema}.entity (
    part              smallint         not null,
    site              text             not null,
    id                text             not null,
    sub               text             not null,
    first_seq         bigint           not null,
    last_seq          bigint           not null,
    inserted_at       timestamptz      not null, -- store time of the newest event
    last_event_at     timestamptz      not null, -- newest event time; of a job also that of its subjobs
    app_id            text             not null,
    app_name          text             not null,
    app_version       text,
    key               text,                      -- business key of a job, sub key of a subjob
    status            text             not null,
    attempts          integer          not null,
    started_at        timestamptz,               -- of the newest attempt, as is `ended_at`
    ended_at          timestamptz,
    last_started_at   timestamptz,
    previous_ended_at timestamptz,
    errors            bigint           not null,
    metrics           jsonb            not null,
    metadata          jsonb            not null,
    running           bigint           not null, -- of a job: its subjobs by status
    succeeded         bigint           not null,
    failed            bigint           not null,
    canceled          bigint           not null,
    duration_s        double precision,
    primary key (site, id, sub)
) with (fillfactor = 80);
create index entity_jobs on {schema}.entity (inserted_at, site, id, sub) where sub = '';
create index entity_subjobs on {schema}.entity (inserted_at, site, id, sub) where sub <> '';
create index entity_status on {schema}.entity (status, inserted_at) where status <> 'succeeded';
create index entity_app on {schema}.entity (app_id, inserted_at);
create index entity_duration on {schema}.entity (app_id, duration_s) where sub = '' and duration_s is not null;
create index entity_key on {schema}.entity using hash (key) where key is not null;
create index entity_metadata on {schema}.entity using gin (metadata jsonb_path_ops) where metadata <> '{}';
-- A larger sample than usual: with a hundred rows the planner takes a value of one job in fifty for a rare one.
alter table {schema}.entity alter column metadata set statistics 500;

-- What happened, as it happened.
create table {schema}.event (
    part     smallint    not null,
    site     text        not null,
    id       text        not null,
    sub      text        not null,
    seq      bigint      not null,
    at       timestamptz not null,
    kind     text        not null,
    status   text,
    metrics  json        not null,
    metadata json        not null,
    primary key (site, id, seq)
);

-- Ended jobs by application and hour (UTC). Integers: sums must not depend on the order they are made in.
create table {schema}.tally (
    part            smallint    not null,
    site            text        not null,
    app_id          text        not null,
    hour            timestamptz not null,
    app_name        text        not null,
    succeeded       bigint      not null,
    failed          bigint      not null,
    canceled        bigint      not null,
    durations       bigint      not null,         -- how many durations the sum is of
    duration_us     numeric     not null,
    duration_max_us bigint      not null,
    cpu_us          numeric     not null,
    memories        bigint      not null,         -- how many peaks the sum is of
    mem_kib         numeric     not null,
    mem_max_kib     bigint      not null,
    primary key (site, app_id, hour, part)
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
