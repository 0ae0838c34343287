-- What the projector saw in up to ten seconds of a session: a timeline is read from here, nothing is decoded for it.
CREATE TABLE clips (
    stream INTEGER NOT NULL REFERENCES streams (no),
    seq INTEGER NOT NULL,              -- place of the first record
    number INTEGER NOT NULL,
    device INTEGER NOT NULL,
    session_id INTEGER NOT NULL,
    from_ms INTEGER NOT NULL,          -- host time of the first and last record; never falls within a clip
    to_ms INTEGER NOT NULL,
    frames INTEGER NOT NULL,
    keyframes INTEGER NOT NULL,
    mixed INTEGER NOT NULL,
    changed INTEGER NOT NULL,          -- the largest share of the display that one frame changed, in 1/1000
    touches INTEGER NOT NULL,          -- touches and keys
    images BLOB NOT NULL,              -- one entry for each frame; replay/clips.py says how
    marks BLOB,                        -- JSON
    PRIMARY KEY (stream, seq, number)
);
CREATE INDEX clips_of_session ON clips
    (device, session_id, stream, seq, number, from_ms, to_ms, frames, keyframes, mixed, changed);
CREATE INDEX clips_touched ON clips (device, to_ms) WHERE touches > 0;

-- Sessions that somebody wants to keep.
CREATE TABLE stars (
    device INTEGER NOT NULL REFERENCES devices (no),
    session_id INTEGER NOT NULL,
    starred_ms INTEGER NOT NULL,
    PRIMARY KEY (device, session_id)
) WITHOUT ROWID;

-- Links to one session for people without access to the rest; the link itself is signed and is not kept.
CREATE TABLE shares (
    id BLOB PRIMARY KEY,
    device INTEGER NOT NULL REFERENCES devices (no),
    session_id INTEGER NOT NULL,
    created_ms INTEGER NOT NULL,
    expires_ms INTEGER NOT NULL,
    revoked_ms INTEGER
) WITHOUT ROWID;
CREATE INDEX shares_of_session ON shares (device, session_id);

-- Which events a session has, for search. Brought up to date when somebody searches, so that ingest has nothing to do.
CREATE TABLE event_names (
    event TEXT NOT NULL,
    device INTEGER NOT NULL,
    session_id INTEGER NOT NULL,
    PRIMARY KEY (event, device, session_id)
) WITHOUT ROWID;

CREATE INDEX sessions_by_start ON sessions (start_ms);
CREATE INDEX sessions_of_user ON sessions (user_id, start_ms) WHERE user_id IS NOT NULL;
