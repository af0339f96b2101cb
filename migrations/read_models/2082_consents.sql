-- Consents (E22): a record for each answer. Sealed: purpose_description, ip_address, user_agent,
-- evidence_data, withdrawal_reason (consent, `consent.<column>`, of the stream in stream_id).
--
-- consent_status is as it was recorded; that a grant's time has passed follows from expires_at and the
-- time of the question (CON-12).
CREATE TABLE read.consents (
    consent_id            uuid        NOT NULL,
    stream_id             text        NOT NULL,
    user_id               uuid        NOT NULL,
    user_kind             text        NOT NULL CHECK (user_kind IN ('member', 'admin')),
    consent_type          text        NOT NULL
        CHECK (consent_type IN ('DATA_PROCESSING', 'MARKETING', 'ANALYTICS', 'COOKIES')),
    purpose_description   text,
    consent_status        text        NOT NULL
        CHECK (consent_status IN ('GRANTED', 'DENIED', 'WITHDRAWN', 'EXPIRED')),
    consent_method        text        NOT NULL
        CHECK (consent_method IN ('EXPLICIT_OPT_IN', 'IMPLIED', 'PRE_CHECKED', 'GRANULAR')),
    consent_version       text        NOT NULL,
    policy_version_id     uuid        NOT NULL,
    policy_hash           text        NOT NULL,
    legal_basis           text        NOT NULL
        CHECK (legal_basis IN ('CONSENT', 'CONTRACT', 'LEGAL_OBLIGATION', 'VITAL_INTERESTS',
                               'PUBLIC_TASK', 'LEGITIMATE_INTERESTS')),
    data_categories       jsonb       NOT NULL CHECK (jsonb_typeof(data_categories) = 'array'),
    processing_purposes   jsonb       NOT NULL CHECK (jsonb_typeof(processing_purposes) = 'array'),
    third_party_sharing   boolean     NOT NULL,
    retention_period_days integer     CHECK (retention_period_days > 0),
    granted_at            timestamptz,
    withdrawn_at          timestamptz CHECK (withdrawn_at >= granted_at),
    expires_at            timestamptz,
    ip_address            text,
    user_agent            text,
    evidence_data         text,
    withdrawal_reason     text,
    -- The browser's Sec-GPC denied it (CON-13).
    denied_by_signal      boolean     NOT NULL,
    -- What another system knew: never valid (CON-10).
    is_imported           boolean     NOT NULL,
    -- When a later grant for the same purpose made it history.
    superseded_at         timestamptz,
    created_at            timestamptz NOT NULL,
    updated_at            timestamptz NOT NULL,
    -- Of its first event.
    position              bigint      NOT NULL,
    -- Of its last event in its stream.
    sequence              bigint      NOT NULL,
    CONSTRAINT consents_pkey PRIMARY KEY (consent_id),
    CONSTRAINT consents_granted
        CHECK ((granted_at IS NOT NULL) = (consent_status <> 'DENIED')),
    CONSTRAINT consents_withdrawn
        CHECK ((withdrawn_at IS NOT NULL) = (consent_status = 'WITHDRAWN'))
);
CREATE INDEX consents_by_age ON read.consents (position DESC);
CREATE INDEX consents_of_user ON read.consents (user_id, position DESC);
CREATE INDEX consents_by_version ON read.consents (consent_version, position DESC);

INSERT INTO read.projection_tables (projection, table_name) VALUES ('consents', 'consents');

GRANT SELECT, INSERT, UPDATE, DELETE ON read.consents TO agora_projector;
GRANT SELECT ON read.consents TO agora_reader, agora_auditor;
