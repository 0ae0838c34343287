-- Streams that were imported: host time at which they began. NULL: the device sends them itself.
ALTER TABLE streams ADD COLUMN imported_ms INTEGER;

-- Events that were made anew from imported chunks, by their number: more of the chunks, or the event itself, may come
-- later, and then they are made once more.
CREATE TABLE remade_events (event INTEGER PRIMARY KEY);
