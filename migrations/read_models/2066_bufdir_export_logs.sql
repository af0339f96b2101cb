-- The statutory export log (E21): a row for every export that was ever asked for, for ever (BUF-09,
-- BUF-28). Its columns are the seed's own; those after `metadata` are ours. Nothing in it is sealed:
-- ids are opaque, and who they belong to is looked up where somebody may know (K14).
--
-- Partitioned by the month of triggered_at (BUF-25); read.make_month_partition makes the months. The
-- key has to hold the column by which the table is partitioned.
CREATE TABLE read.bufdir_export_logs (
    id                    uuid        NOT NULL,
    bufdir_report_id      uuid        NOT NULL,
    organization_id       uuid        NOT NULL,
    exported_by_user_id   uuid,
    export_source         text        NOT NULL,
    export_format         text        NOT NULL,
    status                text        NOT NULL
        CHECK (status IN ('pending', 'processing', 'completed', 'failed')),
    file_name             text,
    file_path             text,
    file_size_bytes       bigint,
    checksum_sha256       text,
    error_message         text,
    error_code            text,
    download_count        bigint      NOT NULL DEFAULT 0,
    last_downloaded_at    timestamptz,
    triggered_at          timestamptz NOT NULL,
    processing_started_at timestamptz,
    completed_at          timestamptz,
    expires_at            timestamptz NOT NULL,
    report_period_label   text,
    metadata              jsonb,
    -- `member` or `admin`.
    exported_by_kind      text,
    -- The report's events up to here are what the file shows.
    report_sequence       bigint      NOT NULL,
    -- Of a rate-limited one: when there was room again.
    retry_at              timestamptz,
    -- K11: the fields above stay; whether there is a file to download is told by this.
    file_purged_at        timestamptz,
    archived_at           timestamptz,
    -- Of the request.
    position              bigint      NOT NULL,
    -- Of the job's last event: for If-Match.
    sequence              bigint      NOT NULL,
    CONSTRAINT bufdir_export_logs_pkey PRIMARY KEY (id, triggered_at),
    CONSTRAINT bufdir_export_logs_batch
        CHECK ((exported_by_user_id IS NULL) = (export_source = 'SYSTEM_BATCH')),
    CONSTRAINT bufdir_export_logs_file CHECK (
        num_nonnulls(file_name, file_path, file_size_bytes, checksum_sha256)
            = CASE WHEN status = 'completed' THEN 4 ELSE 0 END),
    CONSTRAINT bufdir_export_logs_error CHECK ((status = 'failed') = (error_message IS NOT NULL)),
    CONSTRAINT bufdir_export_logs_ended
        CHECK ((status IN ('completed', 'failed')) = (completed_at IS NOT NULL)),
    CONSTRAINT bufdir_export_logs_times CHECK (
        triggered_at <= coalesce(processing_started_at, triggered_at)
        AND coalesce(processing_started_at, triggered_at) <= coalesce(completed_at, 'infinity'))
) PARTITION BY RANGE (triggered_at);
CREATE TABLE read.bufdir_export_logs_default PARTITION OF read.bufdir_export_logs DEFAULT;

-- The five ways to ask for them (BUF-23), each in its order.
CREATE INDEX idx_export_logs_bufdir_report_id
    ON read.bufdir_export_logs (bufdir_report_id, triggered_at DESC, id DESC);
CREATE INDEX idx_export_logs_organization_id_triggered_at
    ON read.bufdir_export_logs (organization_id, triggered_at DESC, id DESC);
CREATE INDEX idx_export_logs_exported_by_user_id
    ON read.bufdir_export_logs (exported_by_user_id, triggered_at DESC, id DESC);
CREATE INDEX idx_export_logs_status
    ON read.bufdir_export_logs (status, triggered_at, id);
CREATE INDEX idx_export_logs_expires_at
    ON read.bufdir_export_logs (expires_at, id);
-- Across tenants, for auditors.
CREATE INDEX idx_export_logs_triggered_at
    ON read.bufdir_export_logs (triggered_at DESC, id DESC);

-- Where a row goes a year after it began, for auditors alone: with the same columns, checks and ways to
-- ask.
CREATE TABLE read.bufdir_export_archive (LIKE read.bufdir_export_logs INCLUDING ALL EXCLUDING INDEXES,
    CONSTRAINT bufdir_export_archive_pkey PRIMARY KEY (id));
CREATE INDEX idx_export_archive_bufdir_report_id
    ON read.bufdir_export_archive (bufdir_report_id, triggered_at DESC, id DESC);
CREATE INDEX idx_export_archive_organization_id_triggered_at
    ON read.bufdir_export_archive (organization_id, triggered_at DESC, id DESC);
CREATE INDEX idx_export_archive_exported_by_user_id
    ON read.bufdir_export_archive (exported_by_user_id, triggered_at DESC, id DESC);
CREATE INDEX idx_export_archive_status
    ON read.bufdir_export_archive (status, triggered_at, id);
CREATE INDEX idx_export_archive_triggered_at
    ON read.bufdir_export_archive (triggered_at DESC, id DESC);

INSERT INTO read.projection_tables (projection, table_name)
VALUES ('bufdir_export_logs', 'bufdir_export_logs'),
       ('bufdir_export_logs', 'bufdir_export_archive');

GRANT SELECT, INSERT, UPDATE, DELETE ON read.bufdir_export_logs, read.bufdir_export_archive
    TO agora_projector;
GRANT SELECT ON read.bufdir_export_logs, read.bufdir_export_archive TO agora_reader, agora_auditor;
