-- The tables that the engine keeps beside every read model, in the read model's own schema: they are rebuilt
-- and swapped with it.

-- The number of this generation, see foldline.generation.
create table {schema}.generation (number bigint not null);

-- Invalid events, which had no effect; a pure function of the line.
create table {schema}.rejected (
    part      smallint    not null,
    stream    text        not null,
    seq       bigint      not null,
    site      text,                              -- the entity, where the subject names one:
    id        text,                              -- when it expires, its rejected events go with it
    subject   text        not null,
    reason    text        not null,
    details   text        not null,
    stored_at timestamptz not null,
    primary key (stream, seq)
);
create index on {schema}.rejected (stored_at);
create index on {schema}.rejected (site, id);

-- The message ids that an entity has seen, hashed to 128 bits: the same id counts once, long after JetStream
-- forgot it. The digest tells a repetition from another event under the same id.
create table {schema}.message_id (
    part      smallint    not null,
    site      text        not null,
    id        text        not null,
    message   uuid        not null,
    seq       bigint      not null,
    stored_at timestamptz not null,
    digest    bigint      not null,
    primary key (site, id, message)
);
create index on {schema}.message_id (part, stored_at);

-- Entities whose fold raised, which is our bug: none of their events is folded from that one on, until a retry
-- folds what waits in parked_event, in order.
create table {schema}.parked (
    part   smallint not null,
    site   text     not null,
    id     text     not null,
    stream text     not null,                    -- the event whose fold raised
    seq    bigint   not null,
    error  text     not null,
    primary key (site, id)
);

create table {schema}.parked_event (
    part      smallint    not null,
    site      text        not null,
    id        text        not null,
    stream    text        not null,
    seq       bigint      not null,
    stored_at timestamptz not null,
    subject   text        not null,
    headers   bytea       not null,
    body      bytea       not null,
    primary key (site, id, stream, seq)
);
