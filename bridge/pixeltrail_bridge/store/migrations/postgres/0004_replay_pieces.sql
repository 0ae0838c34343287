-- See sqlite/0004_replay_pieces.sql.
CREATE TABLE replay_pieces (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    sink text NOT NULL,
    device bigint NOT NULL,
    session_id bigint NOT NULL,
    number bigint NOT NULL,
    stream bigint NOT NULL,
    first bigint NOT NULL,
    last bigint NOT NULL,
    from_ms bigint NOT NULL,
    until_ms bigint NOT NULL,
    state text NOT NULL DEFAULT 'waiting',
    attempts bigint NOT NULL DEFAULT 0,
    next_try_ms bigint NOT NULL DEFAULT 0,
    lease_until_ms bigint NOT NULL DEFAULT 0,
    lease_by bigint NOT NULL DEFAULT 0,
    status bigint,
    answer text NOT NULL DEFAULT '',
    settled_ms bigint,
    UNIQUE (sink, device, session_id, number)
);
CREATE INDEX replay_pieces_waiting ON replay_pieces (sink, device, session_id, number) WHERE state = 'waiting';
CREATE INDEX replay_pieces_dead ON replay_pieces (id) WHERE state = 'dead';
