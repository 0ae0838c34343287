-- See sqlite/0003_viewer.sql.
CREATE TABLE clips (
    stream bigint NOT NULL,
    seq bigint NOT NULL,
    number bigint NOT NULL,
    device bigint NOT NULL,
    session_id bigint NOT NULL,
    from_ms bigint NOT NULL,
    to_ms bigint NOT NULL,
    frames bigint NOT NULL,
    keyframes bigint NOT NULL,
    mixed bigint NOT NULL,
    changed bigint NOT NULL,
    touches bigint NOT NULL,
    images bytea NOT NULL,
    marks bytea,
    PRIMARY KEY (stream, seq, number)
);
CREATE INDEX clips_of_session ON clips
    (device, session_id, stream, seq, number, from_ms, to_ms, frames, keyframes, mixed, changed);
CREATE INDEX clips_touched ON clips (device, to_ms) WHERE touches > 0;

CREATE TABLE stars (
    device bigint NOT NULL,
    session_id bigint NOT NULL,
    starred_ms bigint NOT NULL,
    PRIMARY KEY (device, session_id)
);

CREATE TABLE shares (
    id bytea PRIMARY KEY,
    device bigint NOT NULL,
    session_id bigint NOT NULL,
    created_ms bigint NOT NULL,
    expires_ms bigint NOT NULL,
    revoked_ms bigint
);
CREATE INDEX shares_of_session ON shares (device, session_id);

CREATE TABLE event_names (
    event text NOT NULL,
    device bigint NOT NULL,
    session_id bigint NOT NULL,
    PRIMARY KEY (event, device, session_id)
);

CREATE INDEX sessions_by_start ON sessions (start_ms);
CREATE INDEX sessions_of_user ON sessions (user_id, start_ms) WHERE user_id IS NOT NULL;
