-- The tables of sqlite/0001_first.sql, which says what they mean. Without foreign keys: rows are written by number from
-- the same transaction's reads, and a check would take a lock on the device's row.

CREATE TABLE meta (key text PRIMARY KEY, value bytea NOT NULL);

CREATE TABLE devices (
    no bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    device_id text NOT NULL UNIQUE,
    state bytea NOT NULL,
    first_seen_ms bigint NOT NULL,
    last_seen_ms bigint NOT NULL,
    is_online boolean NOT NULL DEFAULT false,
    opt_out_order boolean
) WITH (fillfactor = 70);              -- rewritten with each batch: room for that on the same page

CREATE TABLE streams (
    no bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    device bigint NOT NULL,
    stream bytea NOT NULL UNIQUE,
    watermark bigint NOT NULL,
    state bytea NOT NULL,
    line bytea NOT NULL,
    first_seen_ms bigint NOT NULL,
    last_seen_ms bigint NOT NULL
) WITH (fillfactor = 70);
CREATE INDEX streams_of_device ON streams (device);

CREATE TABLE chunks (
    key bigint PRIMARY KEY,
    received_ms bigint NOT NULL,
    session_id bigint,
    host_ms bigint,
    fault text,
    data bytea NOT NULL
);
ALTER TABLE chunks ALTER data SET STORAGE EXTERNAL;  -- it is compressed already

CREATE TABLE skips (
    stream bigint NOT NULL,
    first bigint NOT NULL,
    "end" bigint NOT NULL,
    PRIMARY KEY (stream, first, "end")
);

CREATE TABLE sessions (
    device bigint NOT NULL,
    session_id bigint NOT NULL,
    number bigint NOT NULL,
    boot bigint NOT NULL,
    stream bytea NOT NULL,
    start_ms bigint NOT NULL,
    last_ms bigint NOT NULL,
    end_ms bigint,
    sampled boolean NOT NULL,
    estimated boolean NOT NULL,
    user_id text,
    PRIMARY KEY (device, session_id)
);

CREATE TABLE spans (
    device bigint NOT NULL,
    session_id bigint NOT NULL,
    stream bigint NOT NULL,
    first bigint NOT NULL,
    last bigint NOT NULL,
    PRIMARY KEY (device, session_id, stream)
);

CREATE TABLE heads (
    stream bigint NOT NULL,
    seq bigint NOT NULL,
    is_display boolean NOT NULL,
    PRIMARY KEY (stream, seq)
);

CREATE TABLE gaps (
    stream bigint NOT NULL,
    seq bigint NOT NULL,
    number bigint NOT NULL,
    device bigint NOT NULL,
    session_id bigint NOT NULL,
    first bigint NOT NULL,
    "end" bigint NOT NULL,
    frames bigint NOT NULL,
    inputs bigint NOT NULL,
    calls bigint NOT NULL,
    reason bigint NOT NULL,
    host_ms bigint NOT NULL,
    PRIMARY KEY (stream, seq, number)
);
CREATE INDEX gaps_of_session ON gaps (device, session_id);

CREATE TABLE events (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    message_id text NOT NULL UNIQUE,
    device bigint NOT NULL,
    session_id bigint NOT NULL,
    type text NOT NULL,
    event text NOT NULL,
    time_ms bigint NOT NULL,
    payload bytea NOT NULL
);
CREATE INDEX events_of_session ON events (device, session_id, id);

CREATE TABLE deliveries (
    event bigint NOT NULL,
    sink text NOT NULL,
    device bigint NOT NULL,
    state text NOT NULL DEFAULT 'waiting',
    attempts bigint NOT NULL DEFAULT 0,
    next_try_ms bigint NOT NULL DEFAULT 0,
    lease_until_ms bigint NOT NULL DEFAULT 0,
    status bigint,
    answer text NOT NULL DEFAULT '',
    settled_ms bigint,
    PRIMARY KEY (event, sink)
);
CREATE INDEX deliveries_waiting ON deliveries (sink, device, event) WHERE state = 'waiting';
CREATE INDEX deliveries_dead ON deliveries (sink, event) WHERE state = 'dead';

CREATE TABLE dead_letters (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    digest bytea NOT NULL UNIQUE,
    device_id text NOT NULL,
    kind text NOT NULL,
    stream bytea,
    seq bigint,
    reason text NOT NULL,
    raw bytea NOT NULL,
    first_ms bigint NOT NULL,
    last_ms bigint NOT NULL,
    count bigint NOT NULL
);

CREATE TABLE counters (
    device_id text NOT NULL,
    name text NOT NULL,
    value bigint NOT NULL,
    PRIMARY KEY (device_id, name)
);

CREATE TABLE keyframes (
    stream bigint NOT NULL,
    seq bigint NOT NULL,
    number bigint NOT NULL,
    host_ms bigint NOT NULL,
    PRIMARY KEY (stream, seq, number)
);

CREATE TABLE projections (
    stream bigint PRIMARY KEY,
    cursor bigint NOT NULL,
    state bytea NOT NULL
);
