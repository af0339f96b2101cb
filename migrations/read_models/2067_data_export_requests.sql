-- What people ask for about themselves (E23, Art. 15 and 20 GDPR). Its columns are the seed's own; those
-- after `updated_at` are ours. Sealed: verification_token and delivery_address (export_job,
-- `content.verification_token_sha256`, `content.delivery_address`), processing_notes (`reason`).
CREATE TABLE read.data_export_requests (
    request_id         uuid        NOT NULL,
    user_id            uuid        NOT NULL,
    request_type       text        NOT NULL,
    data_categories    jsonb       NOT NULL,
    export_format      text        NOT NULL,
    status             text        NOT NULL
        CHECK (status IN ('PENDING', 'PROCESSING', 'COMPLETED', 'FAILED', 'CANCELLED')),
    requested_at       timestamptz NOT NULL,
    processed_at       timestamptz,
    completed_at       timestamptz,
    expires_at         timestamptz,
    file_path          text,
    file_size_bytes    bigint,
    download_count     bigint      NOT NULL DEFAULT 0,
    last_downloaded_at timestamptz,
    -- SHA-256 of the token.
    verification_token text        NOT NULL,
    delivery_method    text        NOT NULL,
    delivery_address   text,
    processing_notes   text,
    failure_reason     text,
    created_at         timestamptz NOT NULL,
    updated_at         timestamptz NOT NULL,
    -- `member` or `admin`.
    user_kind          text        NOT NULL,
    -- The admin who asked on the person's behalf (DEL-02).
    requested_by_admin uuid,
    due_at             timestamptz NOT NULL,
    file_name          text,
    checksum_sha256    text,
    error_code         text,
    metadata           jsonb,
    file_purged_at     timestamptz,
    hidden_at          timestamptz,
    archived_at        timestamptz,
    -- Of the request.
    position           bigint      NOT NULL,
    -- Of the job's last event: for If-Match.
    sequence           bigint      NOT NULL,
    CONSTRAINT data_export_requests_pkey PRIMARY KEY (request_id),
    -- DXR-04.
    CONSTRAINT data_export_requests_file CHECK (
        num_nonnulls(file_name, file_path, file_size_bytes, checksum_sha256, expires_at)
            = CASE WHEN status = 'COMPLETED' THEN 5 ELSE 0 END),
    CONSTRAINT data_export_requests_failure
        CHECK ((status = 'FAILED') = (failure_reason IS NOT NULL)),
    CONSTRAINT data_export_requests_ended CHECK (
        (status IN ('COMPLETED', 'FAILED', 'CANCELLED')) = (completed_at IS NOT NULL))
);
CREATE INDEX data_export_requests_of_user
    ON read.data_export_requests (user_id, requested_at DESC, request_id DESC);
CREATE INDEX data_export_requests_newest
    ON read.data_export_requests (requested_at DESC, request_id DESC);
-- The queue of those that wait for their answer (DXR-10).
CREATE INDEX data_export_requests_due
    ON read.data_export_requests (due_at, request_id) WHERE status IN ('PENDING', 'PROCESSING');
CREATE INDEX data_export_requests_expiring
    ON read.data_export_requests (expires_at, request_id)
    WHERE status = 'COMPLETED' AND file_purged_at IS NULL;

INSERT INTO read.projection_tables (projection, table_name)
VALUES ('data_export_requests', 'data_export_requests');

GRANT SELECT, INSERT, UPDATE, DELETE ON read.data_export_requests TO agora_projector;
GRANT SELECT ON read.data_export_requests TO agora_reader, agora_auditor;
