-- The newest events and letters of a device, without a sort of all it ever sent.
CREATE INDEX events_of_device ON events (device, id);
CREATE INDEX letters_of_device ON dead_letters (device_id, id);

-- Goes up with every change, so that another process sees that what it remembers is old.
ALTER TABLE devices ADD COLUMN version INTEGER NOT NULL DEFAULT 0;

-- Which worker holds the lease; 0 where there is only one.
ALTER TABLE deliveries ADD COLUMN lease_by INTEGER NOT NULL DEFAULT 0;
