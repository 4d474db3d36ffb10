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
    seqs          jsonb       not null default '{}',         -- stream name → last sequence folded
    stored_at     timestamptz,                               -- store time of the last event folded
    primary key (follower, part)
) with (fillfactor = 50);

-- Replicas alive, also those without a partition yet: what a fair share is computed from.
create table if not exists foldline.replica (
    follower text        not null,
    owner    text        not null,
    until    timestamptz not null,
    primary key (follower, owner)
) with (fillfactor = 50);

-- Which version of each projection the live schema holds.
create table if not exists foldline.projection (
    name         text        primary key,
    version      integer     not null,
    installed_at timestamptz not null default clock_timestamp()
);

-- RFC 3339 in UTC with six digits, the one form in which times leave this system.
create or replace function foldline.rfc3339(t timestamptz) returns text
language sql immutable parallel safe
return to_char(t at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"');
