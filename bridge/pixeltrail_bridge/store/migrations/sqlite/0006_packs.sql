-- Objects with the chunks of closed sessions; their rows in chunks are gone.
CREATE TABLE packs (
    no INTEGER PRIMARY KEY,
    name TEXT NOT NULL UNIQUE,         -- digest of the object's bytes, which is its name
    device INTEGER NOT NULL REFERENCES devices (no),
    session_id INTEGER NOT NULL,
    size INTEGER NOT NULL,
    chunks INTEGER NOT NULL,
    packed_ms INTEGER NOT NULL,
    is_whole INTEGER NOT NULL          -- false while rows of its chunks are still to be dropped
);
CREATE INDEX packs_of_session ON packs (device, session_id);

-- Where in an object the chunks of a stream lie, some hundred together.
CREATE TABLE packed (
    stream INTEGER NOT NULL REFERENCES streams (no),
    first INTEGER NOT NULL,            -- seqs, both included; there may be others between
    last INTEGER NOT NULL,
    pack INTEGER NOT NULL,
    start INTEGER NOT NULL,            -- bytes of the object
    size INTEGER NOT NULL,
    digest BLOB NOT NULL,
    entries BLOB NOT NULL,             -- of each chunk: seq, 4 bytes, and 8 bytes of its digest
    PRIMARY KEY (stream, first)
);
CREATE INDEX packed_of_pack ON packed (pack);
