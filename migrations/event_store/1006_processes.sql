-- Process managers: how far each has read the log, and what it waits for. Both move in one
-- transaction, so that a crash repeats nothing and forgets nothing.
CREATE SCHEMA process;

CREATE TABLE process.checkpoints (
    process    text        NOT NULL,
    position   bigint      NOT NULL,
    updated_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    CONSTRAINT checkpoints_pkey PRIMARY KEY (process)
);

CREATE TABLE process.wake_ups (
    process text        NOT NULL,
    key     uuid        NOT NULL,
    at      timestamptz NOT NULL,
    -- The event that caused it: ids of what follows derive from this.
    cause   uuid        NOT NULL,
    CONSTRAINT wake_ups_pkey PRIMARY KEY (process, key)
);
CREATE INDEX wake_ups_due ON process.wake_ups (process, at);

GRANT USAGE ON SCHEMA process TO agora_writer;
GRANT SELECT, INSERT, UPDATE, DELETE ON process.checkpoints, process.wake_ups TO agora_writer;
