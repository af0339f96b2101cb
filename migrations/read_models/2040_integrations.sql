-- E05. Sealed: config_json (integration, `masked_config`: the names of the settings, never a value of
-- theirs) and last_error (integration, `problem`). The settings themselves stand in the log alone.
CREATE TABLE read.integrations (
    id                      uuid        NOT NULL,
    integration_name        text        COLLATE "C" NOT NULL,
    provider_url            text,
    status                  text        NOT NULL
        CHECK (status IN ('pending setup', 'enabled', 'disabled', 'error')),
    config_json             text        NOT NULL,
    last_successful_sync_at timestamptz,
    last_error              text,
    last_error_at           timestamptz,
    created_at              timestamptz NOT NULL,
    updated_at              timestamptz NOT NULL,
    sequence                bigint      NOT NULL,
    CONSTRAINT integrations_pkey PRIMARY KEY (id)
);
-- Not UNIQUE: what the log has claimed twice must not stop the projection.
CREATE INDEX integrations_by_name ON read.integrations (integration_name, id);

INSERT INTO read.projection_tables (projection, table_name)
VALUES ('integrations', 'integrations');

GRANT SELECT, INSERT, UPDATE, DELETE ON read.integrations TO agora_projector;
GRANT SELECT ON read.integrations TO agora_reader, agora_auditor;
