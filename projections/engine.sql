-- Tables the engine keeps beside every read model, in the read model's own schema: they are rebuilt
-- and swapped with it.

-- Which generation this is; see foldline.generation.
create table {schema}.generation (number bigint not null);

-- Events without effect because something was wrong with them; a pure function of the line.
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

-- Message ids an entity has seen (hashed to 128 bits), so that the same id counts once long after JetStream
-- forgot it.
create table {schema}.message_id (
    part      smallint    not null,
    site      text        not null,
    id        text        not null,
    message   uuid        not null,
    stored_at timestamptz not null,
    primary key (site, id, message)
);
create index on {schema}.message_id (part, stored_at);
