-- E02. What is set now; the history of a key is its stream. Values are no secrets.
CREATE TABLE read.configurations (
    id          uuid        NOT NULL,
    key         text        COLLATE "C" NOT NULL,
    value       text        NOT NULL,
    description text,
    created_at  timestamptz NOT NULL,
    updated_at  timestamptz NOT NULL,
    sequence    bigint      NOT NULL,
    CONSTRAINT configurations_pkey PRIMARY KEY (key)
);

INSERT INTO read.projection_tables (projection, table_name)
VALUES ('configurations', 'configurations');

GRANT SELECT, INSERT, UPDATE, DELETE ON read.configurations TO agora_projector;
GRANT SELECT ON read.configurations TO agora_reader, agora_auditor;
