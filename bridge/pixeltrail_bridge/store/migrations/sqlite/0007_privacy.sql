-- What was forgotten, by a keyed hash: rows are added, never changed, and the last of a kind and digest counts.
CREATE TABLE erasures (
    no INTEGER PRIMARY KEY AUTOINCREMENT,
    kind TEXT NOT NULL,                -- device, user, session (device/session) or stream
    digest BLOB NOT NULL,              -- keyed with the salt; there is no way back from it
    salt BLOB NOT NULL,
    at_ms INTEGER NOT NULL,            -- nothing from before this moment comes back
    refuses INTEGER NOT NULL,          -- whether what comes later is refused as well
    devices TEXT NOT NULL DEFAULT '[]' -- numbers of the devices that it touched, JSON
);

-- Objects whose rows are gone, until they are deleted as well.
CREATE TABLE doomed_objects (name TEXT PRIMARY KEY, since_ms INTEGER NOT NULL) WITHOUT ROWID;

-- Chunks of which only a part may be kept, so their bytes differ from what a device may send again.
CREATE TABLE scrubbed (key INTEGER PRIMARY KEY);

-- What vendors are asked to delete. The subject's own ID stands here only until the vendor has taken the request.
CREATE TABLE deletion_requests (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    vendor TEXT NOT NULL,
    kind TEXT NOT NULL,
    subject TEXT NOT NULL,
    digest BLOB NOT NULL,
    state TEXT NOT NULL,               -- waiting, accepted, done, refused, unsupported
    asked_ms INTEGER NOT NULL,
    attempts INTEGER NOT NULL DEFAULT 0,
    next_try_ms INTEGER NOT NULL DEFAULT 0,
    status INTEGER,
    answer TEXT NOT NULL DEFAULT '',
    reference TEXT NOT NULL DEFAULT '',  -- under which the vendor keeps it
    settled_ms INTEGER
);
