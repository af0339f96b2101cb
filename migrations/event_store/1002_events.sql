-- The log. One table is the truth. The first seven columns after position and event_id are those of
-- postgres-es, whose PostgresEventRepository reads streams from here unchanged. Names are compared
-- byte by byte (COLLATE "C"): a locale's order costs time at every step of an index and serves nobody.
CREATE TABLE log.events (
    position       bigint      NOT NULL CHECK (position > 0),
    event_id       uuid        NOT NULL,
    aggregate_type text        COLLATE "C" NOT NULL,
    aggregate_id   text        COLLATE "C" NOT NULL,
    sequence       bigint      NOT NULL CHECK (sequence > 0),
    event_type     text        NOT NULL,
    event_version  text        NOT NULL,
    payload        json        NOT NULL,
    metadata       json        NOT NULL,
    recorded_at    timestamptz NOT NULL,
    entry_hash     bytea       NOT NULL CHECK (octet_length(entry_hash) = 32),
    CONSTRAINT events_pkey PRIMARY KEY (position),
    CONSTRAINT events_event_id_key UNIQUE (event_id),
    CONSTRAINT events_stream_key UNIQUE (aggregate_type, aggregate_id, sequence)
);

-- Appends only: nothing is ever freed, so vacuum has to look for freezing alone.
ALTER TABLE log.events SET (autovacuum_vacuum_insert_scale_factor = 0.05, fillfactor = 100);
-- The payloads are small, and compressing them costs more than it saves.
ALTER TABLE log.events ALTER COLUMN payload SET STORAGE EXTERNAL;
ALTER TABLE log.events ALTER COLUMN metadata SET STORAGE EXTERNAL;

CREATE FUNCTION log.refuse_change() RETURNS trigger
LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'the log is immutable: % on %.% is refused', TG_OP, TG_TABLE_SCHEMA, TG_TABLE_NAME
        USING ERRCODE = 'integrity_constraint_violation',
              HINT = 'Append a correcting event; to erase personal data, destroy its keys.';
END
$$;

CREATE TRIGGER events_immutable
    BEFORE UPDATE OR DELETE OR TRUNCATE ON log.events
    FOR EACH STATEMENT EXECUTE FUNCTION log.refuse_change();
-- ALWAYS: also for sessions that replay as a replica, which skip ordinary triggers.
ALTER TABLE log.events ENABLE ALWAYS TRIGGER events_immutable;

-- Natural keys: uniqueness, and the way from a key to an id. Personal keys (e-mail) are HMACs.
-- A claim can be deleted at erasure, an event cannot.
CREATE TABLE log.claims (
    scope        text COLLATE "C" NOT NULL,
    key          text COLLATE "C" NOT NULL,
    aggregate_id text COLLATE "C" NOT NULL,
    CONSTRAINT claims_pkey PRIMARY KEY (scope, key)
);
CREATE INDEX claims_by_aggregate ON log.claims (aggregate_id, scope);

-- What a principal was answered for an idempotency key; kept for 24 hours.
CREATE TABLE log.receipts (
    principal       text        COLLATE "C" NOT NULL,
    idempotency_key text        COLLATE "C" NOT NULL,
    request_hmac    bytea       NOT NULL,
    -- Ids only; positions follow from first_position.
    reply           text        NOT NULL,
    first_position  bigint      NOT NULL,
    recorded_at     timestamptz NOT NULL,
    CONSTRAINT receipts_pkey PRIMARY KEY (principal, idempotency_key)
);
CREATE INDEX receipts_by_age ON log.receipts (recorded_at);

-- The identity of this history of the log. A restore or a failover to an older state begins a new
-- epoch, so that what the broker still carries of the lost history is not applied. The newest counts.
CREATE TABLE log.epochs (
    number     integer     NOT NULL GENERATED ALWAYS AS IDENTITY,
    epoch      uuid        NOT NULL DEFAULT gen_random_uuid(),
    began_at   timestamptz NOT NULL DEFAULT clock_timestamp(),
    -- The head of the log when the epoch began.
    head       bigint      NOT NULL,
    reason     text        NOT NULL,
    CONSTRAINT epochs_pkey PRIMARY KEY (number)
);
INSERT INTO log.epochs (head, reason) VALUES (0, 'the log was created');

GRANT SELECT ON log.events, log.claims, log.receipts, log.epochs TO agora_writer;
GRANT SELECT ON log.events, log.epochs TO agora_projector, agora_reader, agora_auditor;
GRANT SELECT ON log.claims TO agora_reader;
