//! What the person consented to, denied and withdrew, what they objected to and restricted, and which
//! policies they accepted.

use agora_domain::exports::export_values::DataCategory::Consents;

use crate::exports::subject_data::{
    entity::{Entity, Rows, id, number, sealed, text, time},
    events::{self, event_columns},
};

pub(super) const ENTITIES: &[Entity] = &[
    Entity {
        name: "consents",
        title: "Consents",
        category: Consents,
        columns: &[
            id("consent_id", "Id"),
            text("consent_type", "Type", 2),
            text("processing_purposes", "For", 3),
            text("purpose_description", "What you were told", 6),
            text("consent_status", "State", 2),
            text("consent_method", "How", 2),
            text("legal_basis", "Ground", 2),
            text("data_categories", "Of what", 3),
            text("third_party_sharing", "Shared with others", 1),
            number("retention_period_days", "Days kept"),
            text("consent_version", "Policy", 2),
            text("policy_hash", "Hash of its text", 4),
            time("granted_at", "Given"),
            time("withdrawn_at", "Withdrawn"),
            time("expires_at", "Ends"),
            text("withdrawal_reason", "Why withdrawn", 4),
            text("ip_address", "Address", 2),
            text("user_agent", "Device", 4),
            text("evidence_data", "Evidence", 4),
            time("created_at", "Recorded"),
        ],
        statement: "SELECT consent_id, consent_type,
                           processing_purposes::text AS processing_purposes, purpose_description,
                           consent_status, consent_method, legal_basis,
                           data_categories::text AS data_categories,
                           third_party_sharing::text AS third_party_sharing,
                           retention_period_days, consent_version, policy_hash, granted_at,
                           withdrawn_at, expires_at, withdrawal_reason, ip_address, user_agent,
                           evidence_data, created_at, stream_id
                    FROM read.consents WHERE user_id = $2 AND user_kind = $1
                    ORDER BY position DESC",
        rows: Rows::Records(&[
            sealed("purpose_description", "consent", "stream_id", "consent.purpose_description"),
            sealed("withdrawal_reason", "consent", "stream_id", "consent.withdrawal_reason"),
            sealed("ip_address", "consent", "stream_id", "consent.ip_address"),
            sealed("user_agent", "consent", "stream_id", "consent.user_agent"),
            sealed("evidence_data", "consent", "stream_id", "consent.evidence_data"),
        ]),
    },
    Entity {
        name: "processing_limits",
        title: "Objections and restrictions",
        category: Consents,
        columns: &[
            id("limit_id", "Id"),
            text("limit_kind", "What", 2),
            text("consent_type", "Type", 2),
            text("purpose", "To what", 3),
            text("ground", "Ground", 2),
            text("reason", "What you said", 4),
            time("since", "From"),
            time("ended_at", "Until"),
            text("lifting_reason", "Why lifted", 4),
        ],
        statement: "SELECT limit_id, limit_kind, consent_type, purpose, ground, reason, since,
                           ended_at, lifting_reason, stream_id
                    FROM read.processing_limits WHERE user_id = $2 AND user_kind = $1
                    ORDER BY position DESC",
        rows: Rows::Records(&[
            sealed("reason", "processing_limit", "stream_id", "limit.reason"),
            sealed("lifting_reason", "processing_limit", "stream_id", "lifting_reason"),
        ]),
    },
    Entity {
        name: "policy_acceptances",
        title: "Privacy policies that you accepted",
        category: Consents,
        columns: &[
            text("version_number", "Version", 2),
            text("content_hash", "Hash of its text", 4),
            time("accepted_at", "Accepted"),
        ],
        statement: "SELECT version_number, content_hash, accepted_at FROM read.policy_acceptances
                    WHERE user_id = $2 AND user_kind = $1 ORDER BY position DESC",
        rows: Rows::Records(&[]),
    },
    Entity {
        name: "data_deletion_requests",
        title: "Requests to be erased",
        category: Consents,
        columns: &[
            id("deletion_id", "Id"),
            text("deletion_scope", "How much", 2),
            text("data_categories", "Of what", 3),
            text("legal_ground", "Ground", 2),
            text("status", "State", 2),
            time("requested_at", "Asked"),
            time("due_at", "Due"),
            text("deadline_reason", "Why later", 4),
            time("verification_completed_at", "Identity verified"),
            time("reviewed_at", "Reviewed"),
            time("approved_at", "Approved"),
            text("rejection_reason", "Why not", 4),
            text("retention_ground", "What stays by", 2),
            text("retained_categories", "What stays", 3),
            text("retention_reason", "Why it stays", 4),
            text("third_party_notification", "Others told", 3),
            text("data_subjects_notified", "What you were told", 3),
            time("processing_started_at", "Begun"),
            text("processing_log", "Steps", 6),
            text("backup_deletion_status", "In backups", 2),
            time("completed_at", "Ended"),
        ],
        statement: "SELECT deletion_id, deletion_scope, data_categories::text AS data_categories,
                           legal_ground, status, requested_at, due_at, deadline_reason,
                           verification_completed_at, reviewed_at, approved_at,
                           rejection_reason, retention_ground,
                           retained_categories::text AS retained_categories, retention_reason,
                           third_party_notification::text AS third_party_notification,
                           data_subjects_notified::text AS data_subjects_notified,
                           processing_started_at, processing_log::text AS processing_log,
                           backup_deletion_status, completed_at, deletion_id::text AS stream
                    FROM read.data_deletion_requests WHERE user_id = $2 AND user_kind = $1
                    ORDER BY requested_at DESC, deletion_id DESC",
        rows: Rows::Records(&[
            sealed("deadline_reason", "deletion_request", "stream", "reason"),
            sealed("rejection_reason", "deletion_request", "stream", "reason"),
            sealed("retention_reason", "deletion_request", "stream", "retention.reason"),
        ]),
    },
    Entity {
        name: "consent_events",
        title: "Consents, limits and acceptances, as they were recorded",
        category: Consents,
        columns: events::COLUMNS,
        statement: concat!(
            "SELECT ",
            event_columns!(),
            "
             FROM (
                 SELECT DISTINCT 'consent' AS type, stream_id AS id FROM read.consents
                 WHERE user_id = $2 AND user_kind = $1
                 UNION ALL SELECT 'policy_acceptance', $1 || ':' || $2::text
                 UNION ALL SELECT DISTINCT 'processing_limit', stream_id
                 FROM read.processing_limits WHERE user_id = $2 AND user_kind = $1
                 UNION ALL SELECT 'deletion_request', deletion_id::text
                 FROM read.data_deletion_requests WHERE user_id = $2 AND user_kind = $1
                 UNION ALL SELECT 'subject_erasures', $1 || ':' || $2::text
                 UNION ALL SELECT 'subject_key', $2::text
             ) s
             CROSS JOIN LATERAL (SELECT * FROM log.stream(s.type, s.id) ORDER BY sequence) e
             WHERE e.position <= $3"
        ),
        rows: Rows::Events,
    },
];
