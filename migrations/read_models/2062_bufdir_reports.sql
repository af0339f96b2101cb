-- Statutory reports (E21's bufdir_reports), as they stand. Sealed in sections: each note (bufdir_report,
-- `report.sections.<n>.measures.<m>.note`).
CREATE TABLE read.bufdir_reports (
    id                   uuid        NOT NULL,
    organization_id      uuid        NOT NULL,
    period_label         text        NOT NULL,
    period_from          date        NOT NULL,
    period_to            date        NOT NULL,
    schema_version       text        NOT NULL,
    status               text        NOT NULL CHECK (status IN ('draft', 'submitted')),
    measure_count        integer     NOT NULL,
    sections             jsonb       NOT NULL,
    created_by_user_id   uuid        NOT NULL,
    created_at           timestamptz NOT NULL,
    updated_at           timestamptz NOT NULL,
    submitted_by_user_id uuid,
    submitted_at         timestamptz,
    -- Of its creation.
    position             bigint      NOT NULL,
    sequence             bigint      NOT NULL,
    CONSTRAINT bufdir_reports_pkey PRIMARY KEY (id),
    CONSTRAINT bufdir_reports_period CHECK (period_from <= period_to),
    CONSTRAINT bufdir_reports_submitted
        CHECK (num_nonnulls(submitted_by_user_id, submitted_at)
               = CASE status WHEN 'submitted' THEN 2 ELSE 0 END)
);
CREATE INDEX bufdir_reports_by_organization
    ON read.bufdir_reports (organization_id, position DESC);

INSERT INTO read.projection_tables (projection, table_name)
VALUES ('bufdir_reports', 'bufdir_reports');

GRANT SELECT, INSERT, UPDATE, DELETE ON read.bufdir_reports TO agora_projector;
GRANT SELECT ON read.bufdir_reports TO agora_reader, agora_auditor;
