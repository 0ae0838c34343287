-- Streams and devices are numbered so that a chunk's key is one integer:
-- streams.no * 2^30 + seq (a seq is below 2^30). That key is UNIQUE(device, stream, seq).

CREATE TABLE meta (key TEXT PRIMARY KEY, value BLOB NOT NULL) WITHOUT ROWID;

CREATE TABLE devices (
    no INTEGER PRIMARY KEY,
    device_id TEXT NOT NULL UNIQUE,
    state BLOB NOT NULL,               -- DeviceState as JSON
    first_seen_ms INTEGER NOT NULL,
    last_seen_ms INTEGER NOT NULL,
    is_online INTEGER NOT NULL DEFAULT 0,
    opt_out_order INTEGER              -- what the host told the device and it has not confirmed yet
);

CREATE TABLE streams (
    no INTEGER PRIMARY KEY,
    device INTEGER NOT NULL REFERENCES devices (no),
    stream BLOB NOT NULL UNIQUE,       -- 8 random bytes: one device's
    watermark INTEGER NOT NULL,        -- every seq below it is committed, skipped or freed
    state BLOB NOT NULL,               -- StreamState as JSON
    line BLOB NOT NULL,                -- TimeLine as JSON
    first_seen_ms INTEGER NOT NULL,
    last_seen_ms INTEGER NOT NULL
);
CREATE INDEX streams_of_device ON streams (device);

CREATE TABLE chunks (
    key INTEGER PRIMARY KEY,           -- stream number * 2^30 + seq
    received_ms INTEGER NOT NULL,
    session_id INTEGER,                -- both set when the chunk passed in order
    host_ms INTEGER,
    fault TEXT,                        -- why it cannot be read; such a chunk only holds its place
    data BLOB NOT NULL
);

-- Seqs that the device said will not come, or that it freed before this store existed.
CREATE TABLE skips (
    stream INTEGER NOT NULL REFERENCES streams (no),
    first INTEGER NOT NULL,
    end INTEGER NOT NULL,
    PRIMARY KEY (stream, first, end)
) WITHOUT ROWID;

CREATE TABLE sessions (
    device INTEGER NOT NULL REFERENCES devices (no),
    session_id INTEGER NOT NULL,
    number INTEGER NOT NULL,           -- the device's own index of the session
    boot INTEGER NOT NULL,
    stream BLOB NOT NULL,
    start_ms INTEGER NOT NULL,
    last_ms INTEGER NOT NULL,
    end_ms INTEGER,
    sampled INTEGER NOT NULL,
    estimated INTEGER NOT NULL,
    user_id TEXT,
    PRIMARY KEY (device, session_id)
) WITHOUT ROWID;

-- Which chunks of which stream a session has. A session may span streams.
CREATE TABLE spans (
    device INTEGER NOT NULL,
    session_id INTEGER NOT NULL,
    stream INTEGER NOT NULL REFERENCES streams (no),
    first INTEGER NOT NULL,
    last INTEGER NOT NULL,
    PRIMARY KEY (device, session_id, stream)
) WITHOUT ROWID;

-- Chunks with a hello or display record: decoding starts at one of them.
CREATE TABLE heads (
    stream INTEGER NOT NULL REFERENCES streams (no),
    seq INTEGER NOT NULL,
    is_display INTEGER NOT NULL,
    PRIMARY KEY (stream, seq)
) WITHOUT ROWID;

CREATE TABLE gaps (
    stream INTEGER NOT NULL REFERENCES streams (no),
    seq INTEGER NOT NULL,
    number INTEGER NOT NULL,           -- of the record in its chunk; -1: made by the bridge
    device INTEGER NOT NULL,
    session_id INTEGER NOT NULL,
    first INTEGER NOT NULL,
    end INTEGER NOT NULL,
    frames INTEGER NOT NULL,
    inputs INTEGER NOT NULL,
    calls INTEGER NOT NULL,
    reason INTEGER NOT NULL,
    host_ms INTEGER NOT NULL,
    PRIMARY KEY (stream, seq, number)
) WITHOUT ROWID;
CREATE INDEX gaps_of_session ON gaps (device, session_id);

CREATE TABLE events (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    message_id TEXT NOT NULL UNIQUE,
    device INTEGER NOT NULL REFERENCES devices (no),
    session_id INTEGER NOT NULL,
    type TEXT NOT NULL,
    event TEXT NOT NULL,
    time_ms INTEGER NOT NULL,
    payload BLOB NOT NULL              -- JSON, as sent
);
CREATE INDEX events_of_session ON events (device, session_id);

CREATE TABLE deliveries (
    event INTEGER NOT NULL REFERENCES events (id),
    sink TEXT NOT NULL,
    device INTEGER NOT NULL,
    state TEXT NOT NULL DEFAULT 'waiting',   -- waiting, sent, dead
    attempts INTEGER NOT NULL DEFAULT 0,
    next_try_ms INTEGER NOT NULL DEFAULT 0,
    lease_until_ms INTEGER NOT NULL DEFAULT 0,
    status INTEGER,
    answer TEXT NOT NULL DEFAULT '',
    settled_ms INTEGER,
    PRIMARY KEY (event, sink)
) WITHOUT ROWID;
CREATE INDEX deliveries_waiting ON deliveries (sink, device, event) WHERE state = 'waiting';
CREATE INDEX deliveries_dead ON deliveries (sink, event) WHERE state = 'dead';

CREATE TABLE dead_letters (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    digest BLOB NOT NULL UNIQUE,       -- of device, kind and bytes: the same again only counts
    device_id TEXT NOT NULL,           -- '' when unknown
    kind TEXT NOT NULL,
    stream BLOB,
    seq INTEGER,
    reason TEXT NOT NULL,
    raw BLOB NOT NULL,
    first_ms INTEGER NOT NULL,
    last_ms INTEGER NOT NULL,
    count INTEGER NOT NULL
);

CREATE TABLE counters (
    device_id TEXT NOT NULL,           -- '' for what no device can be named for
    name TEXT NOT NULL,
    value INTEGER NOT NULL,
    PRIMARY KEY (device_id, name)
) WITHOUT ROWID;

CREATE TABLE keyframes (
    stream INTEGER NOT NULL REFERENCES streams (no),
    seq INTEGER NOT NULL,
    number INTEGER NOT NULL,           -- of the record in its chunk
    host_ms INTEGER NOT NULL,
    PRIMARY KEY (stream, seq, number)
) WITHOUT ROWID;

CREATE TABLE projections (
    stream INTEGER PRIMARY KEY REFERENCES streams (no),
    cursor INTEGER NOT NULL,
    state BLOB NOT NULL
);
