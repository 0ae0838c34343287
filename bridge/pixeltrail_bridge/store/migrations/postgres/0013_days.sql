-- Chunks by day (store/days.py): a stream's number says in which part all its chunks lie, so (stream, seq) stays unique
-- with the key alone. What there is becomes the first part; the last one takes what no other does.
ALTER TABLE chunks RENAME TO chunks_from_0;
ALTER INDEX chunks_pkey RENAME TO chunks_from_0_pkey;
CREATE TABLE chunks (LIKE chunks_from_0 INCLUDING STORAGE, PRIMARY KEY (key)) PARTITION BY RANGE (key);
DO $$
DECLARE
    past bigint;
BEGIN
    SELECT (greatest(coalesce(max(no), 0), (SELECT last_value FROM pg_sequences WHERE schemaname = current_schema()
        AND format('%I.%I', schemaname, sequencename) = pg_get_serial_sequence('streams', 'no'))) / 1048576 + 1) * 1048576
    INTO past FROM streams;
    EXECUTE format('ALTER TABLE chunks ATTACH PARTITION chunks_from_0 FOR VALUES FROM (MINVALUE) TO (%s)', past << 30);
END $$;
CREATE TABLE chunks_else PARTITION OF chunks DEFAULT;
