-- See sqlite/0002_readers.sql.
CREATE INDEX events_of_device ON events (device, id);
CREATE INDEX letters_of_device ON dead_letters (device_id, id);
ALTER TABLE devices ADD COLUMN version bigint NOT NULL DEFAULT 0;
ALTER TABLE deliveries ADD COLUMN lease_by bigint NOT NULL DEFAULT 0;
