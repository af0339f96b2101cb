-- Requests to be erased (E24, Art. 17 GDPR). Its columns are the seed's own; those after `updated_at` are
-- ours. Sealed: rejection_reason and deadline_reason (deletion_request, `reason`), retention_reason
-- (`retention.reason`). No column names anything by which the person can be found once it is erased.
CREATE TABLE read.data_deletion_requests (
    deletion_id              uuid        NOT NULL,
    user_id                  uuid        NOT NULL,
    deletion_scope           text        NOT NULL
        CHECK (deletion_scope IN ('COMPLETE_DELETION', 'PARTIAL_DELETION', 'ANONYMIZATION')),
    data_categories          jsonb,
    legal_ground             text        NOT NULL,
    status                   text        NOT NULL
        CHECK (status IN ('PENDING', 'UNDER_REVIEW', 'APPROVED', 'REJECTED', 'PROCESSING',
                          'COMPLETED')),
    requested_at             timestamptz NOT NULL,
    reviewed_at              timestamptz,
    approved_at              timestamptz,
    processing_started_at    timestamptz,
    completed_at             timestamptz,
    reviewer_id              uuid,
    rejection_reason         text,
    retention_override       boolean     NOT NULL,
    retention_reason         text,
    backup_deletion_status   text        NOT NULL
        CHECK (backup_deletion_status IN ('PENDING', 'IN_PROGRESS', 'COMPLETED', 'NOT_APPLICABLE')),
    -- By the recipient's name: PENDING, NOTIFIED, FAILED or IMPOSSIBLE.
    third_party_notification jsonb,
    verification_required    boolean     NOT NULL,
    verification_completed_at timestamptz,
    processing_log           jsonb,
    -- What the person was told of, and when.
    data_subjects_notified   jsonb,
    created_at               timestamptz NOT NULL,
    updated_at               timestamptz NOT NULL,
    -- `member` or `admin`.
    user_kind                text        NOT NULL,
    requested_by             uuid        NOT NULL,
    due_at                   timestamptz NOT NULL,
    deadline_reason          text,
    -- Rejected because its person took it back (K18): there is no sealed reason then.
    is_withdrawn             boolean     NOT NULL,
    -- Who approved first, where it takes two.
    first_approved_by        uuid,
    retention_ground         text,
    retained_categories      jsonb,
    backups_gone_at          timestamptz,
    -- The certificate, once it is completed: the statement's bytes, whose they are, and that.
    certificate_statement    text,
    certificate_public_key   text,
    certificate_signature    text,
    -- Of the request.
    position                 bigint      NOT NULL,
    -- Of the last event: for If-Match.
    sequence                 bigint      NOT NULL,
    CONSTRAINT data_deletion_requests_pkey PRIMARY KEY (deletion_id),
    -- DDR-05.
    CONSTRAINT data_deletion_requests_rejected CHECK (
        (status = 'REJECTED') = (rejection_reason IS NOT NULL OR is_withdrawn)),
    -- DDR-06.
    CONSTRAINT data_deletion_requests_retention CHECK (
        num_nonnulls(retention_reason, retention_ground, retained_categories)
            = CASE WHEN retention_override THEN 3 ELSE 0 END),
    -- DDR-17.
    CONSTRAINT data_deletion_requests_certificate CHECK (
        num_nonnulls(certificate_statement, certificate_public_key, certificate_signature) IN (0, 3))
);
CREATE INDEX data_deletion_requests_of_user
    ON read.data_deletion_requests (user_id, requested_at DESC, deletion_id DESC);
CREATE INDEX data_deletion_requests_newest
    ON read.data_deletion_requests (requested_at DESC, deletion_id DESC);
-- The queue of those that wait for their answer (DDR-11).
CREATE INDEX data_deletion_requests_due
    ON read.data_deletion_requests (due_at, deletion_id)
    WHERE status NOT IN ('REJECTED', 'COMPLETED');
CREATE INDEX data_deletion_requests_retained
    ON read.data_deletion_requests (requested_at DESC, deletion_id DESC)
    WHERE retention_override;
CREATE INDEX data_deletion_requests_keys
    ON read.data_deletion_requests (certificate_public_key, completed_at)
    WHERE certificate_public_key IS NOT NULL;

INSERT INTO read.projection_tables (projection, table_name)
VALUES ('data_deletion_requests', 'data_deletion_requests');

GRANT SELECT, INSERT, UPDATE, DELETE ON read.data_deletion_requests TO agora_projector;
GRANT SELECT ON read.data_deletion_requests TO agora_reader, agora_auditor;
