-- See sqlite/0006_packs.sql.
CREATE TABLE packs (
    no bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    name text NOT NULL UNIQUE,
    device bigint NOT NULL,
    session_id bigint NOT NULL,
    size bigint NOT NULL,
    chunks bigint NOT NULL,
    packed_ms bigint NOT NULL,
    is_whole boolean NOT NULL
);
CREATE INDEX packs_of_session ON packs (device, session_id);
CREATE TABLE packed (
    stream bigint NOT NULL,
    first bigint NOT NULL,
    last bigint NOT NULL,
    pack bigint NOT NULL,
    start bigint NOT NULL,
    size bigint NOT NULL,
    digest bytea NOT NULL,
    entries bytea NOT NULL,
    PRIMARY KEY (stream, first)
);
CREATE INDEX packed_of_pack ON packed (pack);
