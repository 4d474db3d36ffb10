-- The sessions read model. The key of a session is (site, id); `part` is the partition its rows belong to.

create table {schema}.session (
    part           smallint    not null,
    site           text        not null,
    id             text        not null,
    first_seq      bigint      not null,
    last_seq       bigint      not null,
    created_seq    bigint,                       -- null until the `created` fact came
    created_at     timestamptz not null,         -- event time of `created`, until then of the first fact
    touched_at     timestamptz not null,         -- newest event time of any fact but heartbeats
    ended_at       timestamptz,
    crashed        boolean     not null,
    hung_seq       bigint,                       -- sequence of the event that made it hung; null = not hung
    hung_stored_at timestamptz,                  -- store time of that event: liveness compares store times
    ever_hung      boolean     not null,
    ever_recovered boolean     not null,
    machine_id     text,
    hostname       text,
    events         bigint      not null,         -- how many rows the timelines hold
    metrics        bigint      not null,
    state          jsonb       not null,
    -- A column for its index: with an index on the expression every patch of a state would touch every index.
    product        text        generated always as (state->>'product') stored,
    primary key (site, id)
) with (fillfactor = 80);
create index session_created on {schema}.session (created_at, site, id);
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
    part smallint    not null,
    site text        not null,
    id   text        not null,
    seq  bigint      not null,
    at   timestamptz not null,
    name text        not null,
    body json        not null,
    primary key (site, id, seq)
);
create index event_name on {schema}.event (name, site, id);

create table {schema}.metric (
    part  smallint         not null,
    site  text             not null,
    id    text             not null,
    seq   bigint           not null,
    at    timestamptz      not null,
    name  text             not null,
    value double precision not null,
    body  json             not null,
    primary key (site, id, seq)
);
create index metric_name on {schema}.metric (name, at);

-- State history as what was published; snapshots are computed on read.
create table {schema}.patch (
    part  smallint    not null,
    site  text        not null,
    id    text        not null,
    seq   bigint      not null,
    at    timestamptz not null,
    under boolean     not null,                  -- a late `created`: fills in under what is there
    body  json        not null,
    primary key (site, id, seq)
);
