-- See sqlite/0005_apps.sql.
CREATE TABLE apps (
    key text PRIMARY KEY,
    device bigint NOT NULL REFERENCES devices (no),
    state bytea NOT NULL,
    first_seen_ms bigint NOT NULL,
    last_seen_ms bigint NOT NULL
);
CREATE UNIQUE INDEX apps_by_device ON apps (device);
