-- The sessions read model. The key of a session is (site, id); `part` is the partition its rows belong to.

create table {schema}.session (
    {session}
) with (fillfactor = 80);
create index session_created on {schema}.session (created_at, site, id);
create index session_first on {schema}.session (first_seq);  -- does the line still hold the oldest one?
create index session_machine on {schema}.session (site, machine_id)
    where machine_id is not null and not crashed and ended_at is null;
-- By hash: a patch may make these texts longer than any other index takes.
create index session_product on {schema}.session using hash (product);

-- Newest heartbeat of a session, by store time. Apart from the session's row, so that neither depends on
-- how the two streams interleave. A heartbeat alone does not open a session.
create table {schema}.heartbeat (
    part smallint    not null,
    site text        not null,
    id   text        not null,
    at   timestamptz not null,
    seq  bigint      not null,
    primary key (site, id)
) with (fillfactor = 60);

-- When a session expired: heartbeats stored before that do not count, even if HEARTBEATS is read later than
-- SESSIONS. Kept only until heartbeats stored after it were read in the partition.
create table {schema}.expiry (
    part smallint    not null,
    site text        not null,
    id   text        not null,
    at   timestamptz not null,
    primary key (site, id)
);

-- Timelines grow only. `body` is the JSON as served; the columns beside it are what queries filter by.
create table {schema}.event (
    {event}
);
create index event_name on {schema}.event (name, site, id);

create table {schema}.metric (
    {metric}
);
create index metric_name on {schema}.metric (name, at);

-- State history as what was published; snapshots are computed on read.
create table {schema}.patch (
    {patch}
);
