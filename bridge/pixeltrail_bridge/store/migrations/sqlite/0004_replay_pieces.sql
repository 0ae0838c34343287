-- Pieces of recordings and what became of them at replay sinks. A piece is cut once and keeps its bounds.
CREATE TABLE replay_pieces (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    sink TEXT NOT NULL,
    device INTEGER NOT NULL REFERENCES devices (no),
    session_id INTEGER NOT NULL,
    number INTEGER NOT NULL,                 -- 0, 1, 2 ... within the session
    stream INTEGER NOT NULL REFERENCES streams (no),
    first INTEGER NOT NULL,                  -- seqs of its chunks, both included
    last INTEGER NOT NULL,
    from_ms INTEGER NOT NULL,                -- host times of what it covers
    until_ms INTEGER NOT NULL,
    state TEXT NOT NULL DEFAULT 'waiting',   -- waiting, sent, dead, purged, stopped: nothing more of the session
    attempts INTEGER NOT NULL DEFAULT 0,
    next_try_ms INTEGER NOT NULL DEFAULT 0,
    lease_until_ms INTEGER NOT NULL DEFAULT 0,
    lease_by INTEGER NOT NULL DEFAULT 0,
    status INTEGER,
    answer TEXT NOT NULL DEFAULT '',
    settled_ms INTEGER,
    UNIQUE (sink, device, session_id, number)
);
CREATE INDEX replay_pieces_waiting ON replay_pieces (sink, device, session_id, number) WHERE state = 'waiting';
CREATE INDEX replay_pieces_dead ON replay_pieces (id) WHERE state = 'dead';
