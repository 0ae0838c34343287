-- Who is logged in to the page, and who looked at what.
CREATE TABLE logins (
    token_hash BLOB PRIMARY KEY,       -- SHA-256 of what the cookie holds
    person TEXT NOT NULL,
    created_ms INTEGER NOT NULL,
    expires_ms INTEGER NOT NULL
) WITHOUT ROWID;

CREATE TABLE audit (
    id INTEGER PRIMARY KEY,
    at_ms INTEGER NOT NULL,
    person TEXT NOT NULL,              -- a user's name
    role TEXT NOT NULL,
    address TEXT NOT NULL,             -- where they asked from
    action TEXT NOT NULL,
    device TEXT NOT NULL,              -- its ID, empty where no one device is meant
    session_id INTEGER,
    status INTEGER NOT NULL,           -- of the answer
    detail TEXT NOT NULL
);
CREATE INDEX audit_by_time ON audit (at_ms);
