-- See sqlite/0008_access.sql.
CREATE TABLE logins (
    token_hash bytea PRIMARY KEY,
    person text NOT NULL,
    created_ms bigint NOT NULL,
    expires_ms bigint NOT NULL
);

CREATE TABLE audit (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    at_ms bigint NOT NULL,
    person text NOT NULL,
    role text NOT NULL,
    address text NOT NULL,
    action text NOT NULL,
    device text NOT NULL,
    session_id bigint,
    status bigint NOT NULL,
    detail text NOT NULL
);
CREATE INDEX audit_by_time ON audit (at_ms);
