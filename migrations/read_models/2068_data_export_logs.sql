-- Every export of a person's or of the platform's data (E20), an entry a job (DEL-06). Its columns are
-- the seed's own; those after `deleted_at` are ours. Sealed: requested_ip (export_job, metadata `ip`);
-- `::` where nobody's address is known (K20).
CREATE TABLE read.data_export_logs (
    id                 uuid        NOT NULL,
    member_user_id     uuid,
    admin_user_id      uuid,
    export_type        text        NOT NULL,
    export_format      text        NOT NULL,
    requested_ip       text        NOT NULL,
    status             text        NOT NULL CHECK (status IN ('pending', 'completed', 'failed')),
    created_at         timestamptz NOT NULL,
    deleted_at         timestamptz,
    -- `subject_data` or `platform_data`.
    kind               text        NOT NULL,
    processing_started_at timestamptz,
    completed_at       timestamptz,
    expires_at         timestamptz,
    file_name          text,
    file_path          text,
    file_size_bytes    bigint,
    checksum_sha256    text,
    error_code         text,
    error_message      text,
    metadata           jsonb,
    download_count     bigint      NOT NULL DEFAULT 0,
    last_downloaded_at timestamptz,
    file_purged_at     timestamptz,
    archived_at        timestamptz,
    -- Of the request.
    position           bigint      NOT NULL,
    -- Of the job's last event: for If-Match.
    sequence           bigint      NOT NULL,
    CONSTRAINT data_export_logs_pkey PRIMARY KEY (id),
    CONSTRAINT data_export_logs_requester CHECK (num_nonnulls(member_user_id, admin_user_id) >= 1)
);
CREATE INDEX data_export_logs_of_member
    ON read.data_export_logs (member_user_id, created_at DESC, id DESC);
CREATE INDEX data_export_logs_of_admin
    ON read.data_export_logs (admin_user_id, created_at DESC, id DESC);
CREATE INDEX data_export_logs_newest ON read.data_export_logs (created_at DESC, id DESC);
CREATE INDEX data_export_logs_expiring ON read.data_export_logs (expires_at, id)
    WHERE expires_at IS NOT NULL AND file_purged_at IS NULL;

INSERT INTO read.projection_tables (projection, table_name)
VALUES ('data_export_logs', 'data_export_logs');

GRANT SELECT, INSERT, UPDATE, DELETE ON read.data_export_logs TO agora_projector;
GRANT SELECT ON read.data_export_logs TO agora_reader, agora_auditor;
