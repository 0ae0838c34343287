-- Companion apps and pages that report through the bridge. Events of an app that is joined to no device belong to a row
-- of its own in devices, named app-<hash>.
CREATE TABLE apps (
    key TEXT PRIMARY KEY,              -- what the app calls itself: its device ID, anonymous ID or user
    device INTEGER NOT NULL REFERENCES devices (no),
    state BLOB NOT NULL,               -- AppState as JSON
    first_seen_ms INTEGER NOT NULL,
    last_seen_ms INTEGER NOT NULL
) WITHOUT ROWID;
CREATE UNIQUE INDEX apps_by_device ON apps (device);
