-- Security incidents (E25). What is derived (false_positive, escalated, duration_seconds) is no column
-- (K21). Sealed (incident, by field): source_ip, target_endpoint, threat_intelligence, impact_assessment,
-- root_cause, lessons_learned; `reason` of escalation_reason and false_positive_reason; `action` in
-- mitigation_actions; `data` in forensic_data.
CREATE TABLE read.security_incidents (
    incident_id           uuid        NOT NULL,
    incident_type         text        NOT NULL,
    severity_level        text        NOT NULL,
    status                text        NOT NULL CHECK (status IN
        ('DETECTED', 'INVESTIGATING', 'MITIGATED', 'RESOLVED', 'FALSE_POSITIVE')),
    source_ip             text        NOT NULL,
    target_endpoint       text,
    user_kind             text,
    user_id               uuid,
    attack_vector         text,
    request_count         bigint CHECK (request_count > 0),
    blocked_requests      bigint CHECK (blocked_requests >= 0),
    detection_method      text        NOT NULL,
    detection_confidence  double precision CHECK (detection_confidence BETWEEN 0 AND 1),
    first_detected_at     timestamptz NOT NULL,
    last_activity_at      timestamptz NOT NULL,
    -- Lists of {action, applied_by, applied_at} and {data, added_by, added_at}: only added to.
    mitigation_actions    jsonb       NOT NULL,
    impact_assessment     text,
    root_cause            text,
    lessons_learned       text,
    assigned_to           uuid,
    escalated_at          timestamptz,
    escalation_reason     text,
    resolved_at           timestamptz,
    threat_intelligence   text,
    forensic_data         jsonb       NOT NULL,
    false_positive_reason text,
    -- What is known of the address, in ip_reputation; the incident that has come back; who reported it.
    address_id            uuid,
    follows               uuid,
    reported_by           jsonb       NOT NULL,
    created_at            timestamptz NOT NULL,
    updated_at            timestamptz NOT NULL,
    -- Of the first event: the order of lists.
    position              bigint      NOT NULL,
    -- Of the last event: for If-Match.
    sequence              bigint      NOT NULL,
    CONSTRAINT security_incidents_pkey PRIMARY KEY (incident_id),
    CONSTRAINT security_incidents_times CHECK (first_detected_at <= last_activity_at)
);
CREATE INDEX security_incidents_newest ON read.security_incidents (position DESC);
CREATE INDEX security_incidents_by_status ON read.security_incidents (status, position DESC);
CREATE INDEX security_incidents_by_address ON read.security_incidents (address_id, position DESC);
CREATE INDEX security_incidents_of_user ON read.security_incidents (user_id, position DESC);

-- The register of breaches (LAW-08): one row an incident that is one. Sealed (breach): the texts in
-- content, and `reason` in notifications.
CREATE TABLE read.breaches (
    incident_id           uuid        NOT NULL,
    aware_at              timestamptz NOT NULL,
    -- {nature, subjects_affected, records_affected, contact_point, likely_consequences, measures}, as
    -- last said.
    content               jsonb       NOT NULL,
    -- The first time that the authority was told; the 72 hours run from aware_at to it.
    authority_notified_at timestamptz,
    subjects_notified_at  timestamptz,
    -- Each {kind, phase, notified_at, reason, recorded_by, recorded_at}: only added to.
    notifications         jsonb       NOT NULL,
    declared_by           jsonb       NOT NULL,
    declared_at           timestamptz NOT NULL,
    updated_at            timestamptz NOT NULL,
    position              bigint      NOT NULL,
    sequence              bigint      NOT NULL,
    CONSTRAINT breaches_pkey PRIMARY KEY (incident_id)
);
CREATE INDEX breaches_newest ON read.breaches (position DESC);

INSERT INTO read.projection_tables (projection, table_name)
VALUES ('security_incidents', 'security_incidents'), ('breaches', 'breaches');

GRANT SELECT, INSERT, UPDATE, DELETE ON read.security_incidents, read.breaches TO agora_projector;
GRANT SELECT ON read.security_incidents, read.breaches TO agora_reader, agora_auditor;
