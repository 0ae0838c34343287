-- See sqlite/0009_own_payloads.sql.
ALTER TABLE deliveries ADD COLUMN payload bytea;
