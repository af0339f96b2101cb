//! What the person asked to be exported, and what was asked for about them.

use agora_domain::exports::export_values::DataCategory::Exports;

use crate::exports::subject_data::{
    entity::{Entity, Rows, id, number, sealed, text, time},
    events::{self, event_columns},
};

pub(super) const ENTITIES: &[Entity] = &[
    Entity {
        name: "data_export_requests",
        title: "Requests for your own data",
        category: Exports,
        columns: &[
            id("request_id", "Id"),
            text("request_type", "How much", 2),
            text("data_categories", "Of what", 3),
            text("export_format", "As", 1),
            text("status", "State", 2),
            time("requested_at", "Asked"),
            time("due_at", "Due"),
            time("processed_at", "Begun"),
            time("completed_at", "Ended"),
            time("expires_at", "Kept until"),
            text("file_name", "File", 3),
            number("file_size_bytes", "Bytes"),
            number("download_count", "Downloads"),
            time("last_downloaded_at", "The last"),
            text("delivery_method", "By", 2),
            text("delivery_address", "To", 3),
            text("processing_notes", "Why later", 4),
            text("failure_reason", "Why not", 4),
            time("hidden_at", "Hidden"),
        ],
        statement: "SELECT request_id, request_type, data_categories::text AS data_categories,
                           export_format, status, requested_at, due_at, processed_at,
                           completed_at, expires_at, file_name, file_size_bytes, download_count,
                           last_downloaded_at, delivery_method, delivery_address,
                           processing_notes, failure_reason, hidden_at,
                           request_id::text AS stream
                    FROM read.data_export_requests WHERE user_id = $2 AND user_kind = $1
                    ORDER BY requested_at DESC, request_id DESC",
        rows: Rows::Records(&[
            sealed("delivery_address", "export_job", "stream", "content.delivery_address"),
            sealed("processing_notes", "export_job", "stream", "reason"),
        ]),
    },
    Entity {
        name: "data_export_logs",
        title: "Exports of data of yours or of the platform's",
        category: Exports,
        columns: &[
            id("id", "Id"),
            text("export_type", "Of", 2),
            text("export_format", "As", 1),
            text("requested_ip", "Address", 2),
            text("status", "State", 2),
            time("created_at", "Asked"),
            time("deleted_at", "Hidden"),
        ],
        statement: "SELECT id, export_type, export_format, requested_ip, status, created_at,
                           deleted_at, id::text AS stream
                    FROM read.data_export_logs
                    WHERE $1 = 'member' AND member_user_id = $2
                       OR $1 = 'admin' AND admin_user_id = $2
                    ORDER BY created_at DESC, id DESC",
        rows: Rows::Records(&[sealed("requested_ip", "export_job", "stream", "metadata.ip")]),
    },
    Entity {
        name: "bufdir_export_logs",
        title: "Exports of reports that you asked for",
        category: Exports,
        columns: &[
            id("id", "Id"),
            id("bufdir_report_id", "Report"),
            id("organization_id", "Organization"),
            text("report_period_label", "Period", 2),
            text("export_source", "From", 2),
            text("export_format", "As", 1),
            text("status", "State", 2),
            time("triggered_at", "Asked"),
            time("completed_at", "Ended"),
            time("expires_at", "Kept until"),
            text("file_name", "File", 3),
            text("error_code", "Error", 2),
        ],
        statement: "SELECT id, bufdir_report_id, organization_id, report_period_label,
                           export_source, export_format, status, triggered_at, completed_at,
                           expires_at, file_name, error_code
                    FROM read.bufdir_export_logs
                    WHERE exported_by_user_id = $2 AND exported_by_kind = $1
                    UNION ALL
                    SELECT id, bufdir_report_id, organization_id, report_period_label,
                           export_source, export_format, status, triggered_at, completed_at,
                           expires_at, file_name, error_code
                    FROM read.bufdir_export_archive
                    WHERE exported_by_user_id = $2 AND exported_by_kind = $1
                    ORDER BY triggered_at DESC, id DESC",
        rows: Rows::Records(&[]),
    },
    Entity {
        name: "export_events",
        title: "Exports, as they were recorded",
        category: Exports,
        columns: events::COLUMNS,
        statement: concat!(
            "SELECT ",
            event_columns!(),
            "
             FROM (
                 SELECT t.type, j.id FROM (
                     SELECT request_id::text AS id FROM read.data_export_requests
                     WHERE user_id = $2 AND user_kind = $1
                     UNION SELECT id::text FROM read.data_export_logs
                     WHERE $1 = 'member' AND member_user_id = $2
                        OR $1 = 'admin' AND admin_user_id = $2
                     UNION SELECT id::text FROM read.bufdir_export_logs
                     WHERE exported_by_user_id = $2 AND exported_by_kind = $1
                     UNION SELECT id::text FROM read.bufdir_export_archive
                     WHERE exported_by_user_id = $2 AND exported_by_kind = $1
                 ) j
                 CROSS JOIN (VALUES ('export_job'), ('export_downloads')) AS t(type)
                 UNION ALL SELECT 'subject_exports', $1 || ':' || $2::text
                 UNION ALL SELECT 'export_quota', $1 || ':' || $2::text
             ) s
             CROSS JOIN LATERAL (SELECT * FROM log.stream(s.type, s.id) ORDER BY sequence) e
             WHERE e.position <= $3"
        ),
        rows: Rows::Events,
    },
];
