-- See sqlite/0007_privacy.sql.
CREATE TABLE erasures (
    no bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    kind text NOT NULL,
    digest bytea NOT NULL,
    salt bytea NOT NULL,
    at_ms bigint NOT NULL,
    refuses boolean NOT NULL,
    devices text NOT NULL DEFAULT '[]'
);
CREATE TABLE doomed_objects (name text PRIMARY KEY, since_ms bigint NOT NULL);
CREATE TABLE scrubbed (key bigint PRIMARY KEY);
CREATE TABLE deletion_requests (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    vendor text NOT NULL,
    kind text NOT NULL,
    subject text NOT NULL,
    digest bytea NOT NULL,
    state text NOT NULL,
    asked_ms bigint NOT NULL,
    attempts bigint NOT NULL DEFAULT 0,
    next_try_ms bigint NOT NULL DEFAULT 0,
    status bigint,
    answer text NOT NULL DEFAULT '',
    reference text NOT NULL DEFAULT '',
    settled_ms bigint
);
