-- What the engine itself keeps in PostgreSQL. Read models have schemas of their own and no migrations:
-- a new version of one is a rebuild.
create schema if not exists foldline;

-- One row per follower (a projection or a following reactor) and partition: who holds it, under which
-- fencing epoch, and how far it got. Lease and checkpoint are one row, so that one UPDATE guards both.
create table if not exists foldline.lease (
    follower      text        not null,
    part          smallint    not null,
    epoch         bigint      not null default 0,            -- raised by every take-over
    owner         text,
    backend_pid   integer,                                   -- of the owner's writing connection
    backend_start timestamptz,                               -- guards against a reused pid
    until         timestamptz not null default '-infinity',
    streams       text[]      not null,                      -- what it reads
    seqs          jsonb       not null default '{}',         -- stream name → last sequence folded
    stored_at     timestamptz,                               -- newest store time of what was folded
    version       integer,                                   -- of the projection; only its program takes it
    paused        text,                                      -- why nobody may fold it; null = go on
    paused_at     timestamptz,
    primary key (follower, part)
) with (fillfactor = 50);

-- Replicas alive, also those without a partition yet: what a fair share is computed from.
create table if not exists foldline.replica (
    follower text        not null,
    owner    text        not null,
    version  integer,
    until    timestamptz not null,
    primary key (follower, owner)
) with (fillfactor = 50);

-- The generations of each read model, each in a schema of its own: the live one, which is read, one that is
-- being built, and the one before, kept to be put back. Every one has lease rows under its schema's name.
create table if not exists foldline.generation (
    projection text        not null,
    role       text        not null check (role in ('live', 'building', 'old')),
    number     bigint      not null,                         -- counts up; the schema's own table holds it, too
    version    integer     not null,                         -- of the projection that folds it
    cancelled  boolean     not null default false,           -- whoever builds it shall stop
    began_at   timestamptz not null default clock_timestamp(),
    primary key (projection, role)
);

-- Called first in every read of a read model: between parsing a statement, which finds its tables, and its
-- snapshot, another generation may have become the live one. Its reader then asks again.
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

-- Events an operator decided to pass over, with the reason. Outside the read models, so that a rebuild and a
-- verification obey it, too.
create table if not exists foldline.skip (
    projection text        not null,
    stream     text        not null,
    seq        bigint      not null,
    reason     text        not null,
    decided_at timestamptz not null default clock_timestamp(),
    primary key (projection, stream, seq)
);

-- Which streams the read models are folded from: one of the same name that was created at another time is not
-- the same stream.
create table if not exists foldline.stream (
    name    text primary key,
    created text not null                        -- as the server says it, to the nanosecond
);

-- Rejected events an operator has dealt with: hidden from lists, and nothing else. Outside the read models, so
-- that it outlives a rebuild; no fold looks at it.
create table if not exists foldline.dismissal (
    projection text        not null,
    stream     text        not null,
    seq        bigint      not null,
    reason     text        not null,
    decided_at timestamptz not null default clock_timestamp(),
    primary key (projection, stream, seq)
);

-- RFC 3339 in UTC with six digits, the one form in which times leave this system.
create or replace function foldline.rfc3339(t timestamptz) returns text
language sql immutable parallel safe
return to_char(t at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"');
