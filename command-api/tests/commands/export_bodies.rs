//! What a request for an export may say, and what not.

use serde_json::{Value, json};

use crate::exports::Office;

#[tokio::test]
async fn buf_13_a_clients_own_expiry_time_or_status_is_refused() {
    let office = Office::new().await;
    for (field, value) in [
        ("expires_at", json!("2999-01-01T00:00:00Z")),
        ("triggered_at", json!("2020-01-01T00:00:00Z")),
        ("status", json!("completed")),
        ("file_path", json!("/etc/passwd")),
        ("download_count", json!(7)),
        ("exported_by_user_id", json!(office.admin.id())),
    ] {
        let mut body = office.asked();
        body[field] = value;
        let before = office.world.head().await;
        office.world.send(&office.reporter, "request-export", body).await.problem(400);
        assert_eq!(office.world.head().await, before, "{field}");
    }
}

#[tokio::test]
async fn opr_01_dxr_01_dxr_02_every_field_belongs_to_its_kind_and_has_its_words() {
    let office = Office::new().await;
    let statutory = office.asked();
    let subject = json!({
        "kind": "subject_data", "request_type": "PARTIAL_EXPORT", "data_categories": ["posts"],
        "format": "JSON", "delivery_method": "SECURE_PORTAL",
    });
    let platform = json!({ "kind": "platform_data", "export_type": "posts", "format": "csv" });
    let with = |body: &Value, field: &str, value: Value| {
        let mut body = body.clone();
        body[field] = value;
        body
    };
    let cases = [
        (with(&statutory, "kind", json!("everything")), "/kind", Some("DEL-06")),
        (with(&statutory, "format", json!("pdf")), "/format", Some("OPR-01")),
        (with(&statutory, "source", json!("EMAIL")), "/source", Some("BUF-20")),
        (with(&statutory, "mobile_os", json!("a\u{7}")), "/mobile_os", Some("OPR-01")),
        (with(&statutory, "request_type", json!("FULL_EXPORT")), "/request_type", None),
        (with(&subject, "request_type", json!("ALL")), "/request_type", Some("DXR-01")),
        (with(&subject, "format", json!("XLSX")), "/format", Some("DXR-01")),
        (with(&subject, "delivery_method", json!("FAX")), "/delivery_method", Some("DXR-01")),
        (with(&subject, "data_categories", json!([])), "/data_categories", Some("DXR-02")),
        (with(&subject, "data_categories", json!(["dna"])), "/data_categories/0", Some("DXR-02")),
        (with(&subject, "request_type", json!("FULL_EXPORT")), "/data_categories", Some("DXR-02")),
        (with(&subject, "source", json!("ADMIN_PORTAL")), "/source", None),
        (
            with(&subject, "delivery_address", json!("a@example.org")),
            "/delivery_address",
            Some("DXR-08"),
        ),
        (with(&platform, "export_type", json!("credentials")), "/export_type", Some("DEL-01")),
        (with(&platform, "format", json!("JSON")), "/format", Some("DEL-01")),
        (with(&platform, "member_id", json!(office.reporter.id())), "/member_id", None),
    ];
    for (body, pointer, rule) in cases {
        let answer = office.world.send(&office.reporter, "request-export", body.clone()).await;
        answer.problem(if rule.is_some() { 422 } else { 400 });
        assert_eq!(answer.wrong_fields(), [(pointer, rule)], "{body}");
    }
    let missing = json!({ "kind": "statutory_report", "format": "PDF", "source": "ADMIN_PORTAL" });
    let missing = office.world.send(&office.reporter, "request-export", missing).await;
    missing.refused(422, "BUF-01");
}
