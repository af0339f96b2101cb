//! What was noted of what the person did: the audit log, refusals, logins, reads of the audit log.
//! To whom an admin did something is not told: that is the others' (DXR-12).

use agora_domain::exports::export_values::DataCategory::Security;

use crate::exports::subject_data::entity::{
    Entity, Rows, Sealed, Type, id, number, sealed, text, time,
};

pub(super) const ENTITIES: &[Entity] = &[
    Entity {
        name: "audit_log",
        title: "Audit log",
        category: Security,
        columns: &[
            id("id", "Id"),
            time("created_at", "When"),
            text("event_type", "What", 3),
            text("aggregate_type", "Of", 2),
            text("thing_id", "Id of it", 3),
            text("ip_address", "Address", 2),
        ],
        statement: "SELECT id, created_at, event_type, aggregate_type,
                           CASE WHEN aggregate_type IN ('category', 'category_order', 'comment',
                                    'community', 'community_rules', 'configuration',
                                    'integration', 'moderation_appeal', 'post')
                                  OR aggregate_id = $2::text
                                THEN aggregate_id END AS thing_id,
                           ip_address, aggregate_id AS stream
                    FROM read.audit_log
                    WHERE $1 = 'member' AND actor_memberuser_id = $2
                       OR $1 = 'admin' AND actor_adminuser_id = $2
                    ORDER BY position DESC",
        rows: Rows::Records(&[Sealed {
            column: "ip_address",
            aggregate_type: Type::StandsIn("aggregate_type"),
            aggregate_id: "stream",
            field: "metadata.ip",
        }]),
    },
    Entity {
        name: "security_records",
        title: "Logins, refusals and reads that were noted",
        category: Security,
        columns: &[
            id("id", "Id"),
            time("recorded_at", "When"),
            text("kind", "What", 2),
            text("result", "Result", 2),
            text("action", "Of", 3),
            text("rule", "Rule", 1),
            number("status", "Status"),
            number("occurrences", "Times"),
            text("ip_address", "Address", 2),
        ],
        statement: "SELECT id, recorded_at, kind, result, action, rule, status, occurrences,
                           ip_address, id::text AS record
                    FROM log.security_records WHERE actor_kind = $1 AND actor_id = $2
                    ORDER BY recorded_at DESC, id DESC",
        rows: Rows::Records(&[sealed("ip_address", "security_record", "record", "ip_address")]),
    },
    // How risky an access looked is not told: it would tell the next attacker, too (DXR-12).
    Entity {
        name: "security_audit_log",
        title: "Your accesses",
        category: Security,
        columns: &[
            id("log_id", "Id"),
            time("recorded_at", "When"),
            text("event_type", "What", 2),
            text("event_result", "Result", 2),
            text("endpoint", "Of", 4),
            number("response_code", "Status"),
            text("ip_address", "Address", 2),
            text("country", "Its country", 1),
            text("user_agent", "Device", 4),
            text("referrer", "From the page", 3),
            text("headers", "What your browser sent along", 4),
            text("session_id", "Login, as a hash", 3),
        ],
        statement:
            "SELECT e.log_id, e.recorded_at, e.retention_category, e.event_type, e.event_result,
                           e.user_key, e.ip_key, e.session_key, e.endpoint, e.http_method,
                           e.response_code, e.request_size_bytes, e.response_size_bytes,
                           e.processing_time_ms, e.risk_score, e.threat_indicators, e.metadata,
                           e.payload_hash, e.case_id, e.sealed_in_recorded_at, e.sealed_in_log_id,
                           -- The first of those that refer to an entry is that entry, which is the person's, too.
                           first_value(e.sealed) OVER (
                               PARTITION BY e.retention_category,
                                            coalesce(e.sealed_in_log_id, e.log_id)
                               ORDER BY e.sealed_in_log_id NULLS FIRST) AS sealed
                    FROM (SELECT DISTINCT day, retention_category,
                              log.security_audit_track(user_key, ip_key, session_key) AS track
                          FROM log.security_audit_tracks WHERE user_key = $1) t
                    -- Not joined: a track names its leaf, and an index of that has its entries or packs.
                    CROSS JOIN LATERAL (
                        SELECT e.log_id, e.recorded_at, e.retention_category::text, e.event_type::text,
                               e.event_result::text, e.user_key, e.ip_key, e.session_key, e.endpoint,
                               e.http_method, e.response_code, e.request_size_bytes,
                               e.response_size_bytes, e.processing_time_ms, e.risk_score,
                               e.threat_indicators, e.metadata, e.payload_hash, e.case_id,
                               e.sealed_in_recorded_at, e.sealed_in_log_id, e.sealed
                        FROM log.security_audit e
                        WHERE e.retention_category = t.retention_category
                          AND e.recorded_at >= t.day::timestamp AT TIME ZONE 'UTC'
                          AND e.recorded_at < (t.day + 1)::timestamp AT TIME ZONE 'UTC'
                          AND log.security_audit_track(e.user_key, e.ip_key, e.session_key) = t.track
                          AND e.user_key = $1
                        UNION ALL
                        SELECT e.log_id, e.recorded_at, e.retention_category::text, e.event_type,
                               e.event_result, e.user_key, e.ip_key, e.session_key, e.endpoint,
                               e.http_method, e.response_code, e.request_size_bytes,
                               e.response_size_bytes, e.processing_time_ms, e.risk_score,
                               e.threat_indicators, e.metadata, e.payload_hash, e.case_id,
                               e.sealed_in_recorded_at, e.sealed_in_log_id, e.sealed
                        FROM log.security_audit_packed e
                        WHERE t.retention_category = 'OPERATIONAL' AND e.day = t.day
                          AND e.found_by @> ARRAY[t.track]
                          AND log.security_audit_track(e.user_key, e.ip_key, e.session_key) = t.track
                          AND e.user_key = $1
                        OFFSET 0) e
                    ORDER BY e.recorded_at DESC, e.log_id DESC",
        rows: Rows::AuditEntries,
    },
    // What an investigation found is not told: it would tell the next attacker, too (DXR-12).
    Entity {
        name: "security_incidents",
        title: "Security incidents that are about you",
        category: Security,
        columns: &[
            id("incident_id", "Id"),
            text("incident_type", "What", 3),
            text("severity_level", "How bad", 2),
            text("status", "State", 2),
            text("source_ip", "Address", 2),
            time("first_detected_at", "First seen"),
            time("last_activity_at", "Last seen"),
            time("resolved_at", "Resolved"),
        ],
        statement: "SELECT incident_id, incident_type, severity_level, status, source_ip,
                           first_detected_at, last_activity_at, resolved_at,
                           incident_id::text AS stream
                    FROM read.security_incidents WHERE user_kind = $1 AND user_id = $2
                    ORDER BY position DESC",
        rows: Rows::Records(&[sealed("source_ip", "incident", "stream", "source_ip")]),
    },
    Entity {
        name: "incidents_assigned",
        title: "Security incidents that you deal with as an admin",
        category: Security,
        columns: &[
            id("incident_id", "Id"),
            text("incident_type", "What", 3),
            text("status", "State", 2),
            time("created_at", "Since"),
        ],
        statement: "SELECT incident_id, incident_type, status, created_at
                    FROM read.security_incidents WHERE $1 = 'admin' AND assigned_to = $2
                    ORDER BY position DESC",
        rows: Rows::Records(&[]),
    },
    Entity {
        name: "receipts",
        title: "Requests that are remembered for a day, so that none is carried out twice",
        category: Security,
        columns: &[text("idempotency_key", "Key", 5), time("recorded_at", "When")],
        statement: "SELECT idempotency_key, recorded_at FROM log.receipts
                    WHERE principal = $1 || ':' || $2::text
                       OR principal LIKE $1 || ':' || $2::text || '@%'
                    ORDER BY recorded_at DESC",
        rows: Rows::Records(&[]),
    },
];
