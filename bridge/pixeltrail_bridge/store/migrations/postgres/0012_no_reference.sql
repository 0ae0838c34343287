-- As everywhere in PostgreSQL (0001_first.sql): no check that locks the device's row, and rows may come in any order.
ALTER TABLE apps DROP CONSTRAINT apps_device_fkey;
