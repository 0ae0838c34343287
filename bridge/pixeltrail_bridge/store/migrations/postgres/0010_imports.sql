-- See sqlite/0010_imports.sql.
ALTER TABLE streams ADD COLUMN imported_ms bigint;
CREATE TABLE remade_events (event bigint PRIMARY KEY);
