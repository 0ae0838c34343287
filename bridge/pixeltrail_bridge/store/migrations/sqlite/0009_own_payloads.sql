-- What a sink gets of an event where rules for it make that another than events.payload; JSON, as sent.
ALTER TABLE deliveries ADD COLUMN payload BLOB;
