-- Devices are hashed into 64 slots (store/leases.py); whoever has a slot may send what waits of its devices.
CREATE TABLE outbox_slots (
    sink text NOT NULL,
    slot bigint NOT NULL,
    worker bigint NOT NULL DEFAULT 0,        -- 0: nobody has it
    until_ms bigint NOT NULL DEFAULT 0,
    after_device bigint NOT NULL DEFAULT 0,  -- number of the device that was served last
    turn bigint NOT NULL DEFAULT 0,          -- goes up with each lease: the slot that waits longest is next
    PRIMARY KEY (sink, slot)
) WITH (fillfactor = 50);

DROP INDEX deliveries_waiting;
CREATE INDEX deliveries_waiting ON deliveries (sink, (device & 63), device, event) WHERE state = 'waiting';
