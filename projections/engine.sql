-- Tables the engine keeps beside every read model, in the read model's own schema: they are rebuilt
-- and swapped with it.

-- Events without effect because something was wrong with them; a pure function of the line.
create table {schema}.rejected (
    part      smallint    not null,
    stream    text        not null,
    seq       bigint      not null,
    subject   text        not null,
    reason    text        not null,
    details   text        not null,
    stored_at timestamptz not null,
    primary key (stream, seq)
);
create index on {schema}.rejected (stored_at);

-- Message ids seen (hashed to 128 bits), so that the same id counts once long after JetStream forgot it.
create table {schema}.message_id (
    part      smallint    not null,
    id        uuid        not null,
    stored_at timestamptz not null,
    primary key (part, id)
);
create index on {schema}.message_id (part, stored_at);
