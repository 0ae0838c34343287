-- Streams that were imported: host time at which they began. NULL: the device sends them itself.
ALTER TABLE streams ADD COLUMN imported_ms INTEGER;
