-- The tables of the engine that all projections share. Read models have schemas of their own and no migrations:
-- a new version of one is a rebuild.
create schema if not exists foldline;

-- One row for each partition of each follower (a projection or a following reactor): its owner, the fencing
-- epoch, and the checkpoint. Lease and checkpoint are one row, so that one UPDATE guards both.
create table if not exists foldline.lease (
    follower      text        not null,
    part          smallint    not null,
    epoch         bigint      not null default 0,            -- raised by every take-over
    owner         text,
    backend_pid   integer,                                   -- that of the owner's writing connection
    backend_start timestamptz,                               -- guards against a reused pid
    until         timestamptz not null default '-infinity',
    streams       text[]      not null,                      -- those that the follower reads
    seqs          jsonb       not null default '{}',         -- stream name → last sequence folded
    stored_at     timestamptz,                               -- store time of the newest event folded
    version       integer,                                   -- that of the projection; only its program takes it
    paused        text,                                      -- the reason of a pause; null = not paused
    paused_at     timestamptz,
    primary key (follower, part)
) with (fillfactor = 50);

-- The replicas that are alive, also those without a partition: fair shares are computed from them.
create table if not exists foldline.replica (
    follower text        not null,
    owner    text        not null,
    version  integer,
    until    timestamptz not null,
    primary key (follower, owner)
) with (fillfactor = 50);

-- The generations of each read model, each in a schema of its own: the live one, which is read, one that is
-- being built, and the one that was live before, kept to be put back. Each has lease rows under the name of its
-- schema.
create table if not exists foldline.generation (
    projection text        not null,
    role       text        not null check (role in ('live', 'building', 'old')),
    number     bigint      not null,                         -- counts up; the schema's own table holds it as well
    version    integer     not null,                         -- that of the projection that folds it
    cancelled  boolean     not null default false,           -- the process that builds it shall stop
    began_at   timestamptz not null default clock_timestamp(),
    primary key (projection, role)
);

-- Every read of a read model calls this first. Between parsing a statement, which finds its tables, and taking
-- its snapshot another generation may become the live one: then this raises, and the reader asks again.
create or replace function foldline.live(projection text, number bigint) returns bigint
language plpgsql stable as $$
begin
    if not exists (
        select from foldline.generation g
        where g.projection = live.projection and g.role = 'live' and g.number = live.number
    ) then
        raise serialization_failure using message = format('another generation of %s is live', projection);
    end if;
    return number;
end $$;

-- The events that an operator decided to skip, with the reason. They are outside of the read models, so that a
-- rebuild and a verification skip them as well.
create table if not exists foldline.skip (
    projection text        not null,
    stream     text        not null,
    seq        bigint      not null,
    reason     text        not null,
    decided_at timestamptz not null default clock_timestamp(),
    primary key (projection, stream, seq)
);

-- What is known of each reactor. The pause of a following reactor is on its leases.
create table if not exists foldline.reactor (
    name         text primary key,
    running_at   timestamptz,                     -- when a process last said that it runs it
    paused       text,                            -- the reason of a pause; null = not paused
    paused_at    timestamptz,
    ack_floor    bigint not null default 0,       -- of a task: everything up to this sequence was acknowledged
    succeeded_at timestamptz,
    failed_at    timestamptz,
    failure      text
) with (fillfactor = 50);

-- The events that a task reactor has tried to handle many times in vain; it goes on trying.
create table if not exists foldline.failing_event (
    reactor   text        not null,
    stream    text        not null,
    seq       bigint      not null,
    subject   text        not null,
    tries     integer     not null,
    error     text        not null,
    failed_at timestamptz not null default clock_timestamp(),
    primary key (reactor, stream, seq)
);

-- The streams that the read models are folded from. A stream of the same name that was created at another time
-- is another stream.
create table if not exists foldline.stream (
    name    text primary key,
    created text not null                        -- as the server writes it, to the nanosecond
);
-- What the line no longer holds before this sequence was given up by an operator: nobody is told of it again.
alter table foldline.stream add column if not exists accepted_first bigint not null default 0;

-- The rejected events that an operator has dismissed: they are hidden from lists, and nothing else. They are
-- outside of the read models and outlive a rebuild; no fold looks at them.
create table if not exists foldline.dismissal (
    projection text        not null,
    stream     text        not null,
    seq        bigint      not null,
    reason     text        not null,
    decided_at timestamptz not null default clock_timestamp(),
    primary key (projection, stream, seq)
);

-- A time as RFC 3339 in UTC with six digits, the one form in which times leave this system.
create or replace function foldline.rfc3339(t timestamptz) returns text
language sql immutable parallel safe
return to_char(t at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"');
