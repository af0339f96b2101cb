//! A bundle holds all that is stored about a person, and nothing of anybody else's.

use std::{
    collections::BTreeMap,
    io::{Cursor, Read},
};

use agora_domain::{
    Actor, PersonalCategory,
    exports::{catalogue, export_values::DataCategory},
};
use agora_event_store::{Opener, testing::TestDatabase};
use agora_process_managers::exports::{
    document::{Document, PdfRows},
    formats::Written,
    subject_data::{self, SCHEMA_VERSION, Snapshot, SubjectExport},
};
use serde_json::Value;
use sha2::{Digest, Sha256};
use sqlx::{Connection, PgConnection};
use zip::ZipArchive;

use crate::subject_story::Story;

/// The files of a bundle by name.
type Files = BTreeMap<String, Vec<u8>>;

impl Story {
    async fn bundle(&self, export: &SubjectExport) -> (Written, u64, Files) {
        let position = self.project().await;
        let mut connection =
            PgConnection::connect(&self.database.url_as("agora_writer")).await.unwrap();
        let mut transaction = connection.begin().await.unwrap();
        sqlx::query("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
            .execute(&mut *transaction)
            .await
            .unwrap();
        let mut snapshot = Snapshot { transaction, position };
        let document = Document {
            kind: "subject_data",
            title: "What is stored about you".to_owned(),
            job_id: self.job_id,
            organization: None,
            period: None,
            state: None,
            schema_version: Some(SCHEMA_VERSION.to_owned()),
            generated_at: "2026-02-01T00:00:00Z".parse().unwrap(),
            position: snapshot.position,
            pdf_rows: PdfRows::First(200),
        };
        let opener = Opener::new(self.database.vault());
        let mut bytes = Vec::new();
        let summary =
            subject_data::write(&mut snapshot, &opener, export, &document, &mut bytes).await;
        let mut archive = ZipArchive::new(Cursor::new(bytes)).unwrap();
        let names: Vec<String> =
            archive.file_names().map(|name| name.unwrap().into_owned()).collect();
        let files = names.into_iter().map(|name| {
            let mut content = Vec::new();
            archive.by_name(&name).unwrap().read_to_end(&mut content).unwrap();
            (name, content)
        });
        (summary.unwrap(), position, files.collect())
    }
}

fn everything(subject: Actor) -> SubjectExport {
    SubjectExport { subject, categories: DataCategory::ALL.to_vec(), has_xml: true }
}

fn text(file: &[u8]) -> &str {
    std::str::from_utf8(file).unwrap()
}

/// A table's rows.
fn rows<'j>(json: &'j Value, table: &str) -> &'j Vec<Value> {
    let tables = json["tables"].as_array().unwrap();
    let found = tables.iter().find(|it| it["name"] == table);
    found.unwrap_or_else(|| panic!("no table {table}"))["rows"].as_array().unwrap()
}

#[tokio::test]
async fn dxr_13_dxr_12_dxr_15_a_bundle_holds_all_of_the_person_and_nothing_of_others() {
    let story = Story::new().await;
    let (summary, position, files) = story.bundle(&everything(story.me)).await;
    let json: Value = serde_json::from_slice(&files["subject-data.json"]).unwrap();

    // Suspended as the person is (DXR-15), every entity but those of admins has something.
    let of_admins = [
        "admins",
        "service_accounts",
        "moderation_acts",
        "appeals_decided",
        "receipts",
        "bufdir_export_logs",
        "incidents_assigned",
    ];
    for table in json["tables"].as_array().unwrap() {
        let (name, rows) = (table["name"].as_str().unwrap(), table["rows"].as_array().unwrap());
        assert_eq!(rows.is_empty(), of_admins.contains(&name), "{name}");
    }
    let whole = text(&files["subject-data.json"]);
    assert_eq!(whole.matches("mine-access").count(), 3, "of one client, which is sealed once");
    for mine in [
        "mine-name",
        "mine-name-then",
        "mine-first@example.org",
        "mine-second@example.org",
        "mine-suspension-reason",
        "mine-device",
        "mine-access",
        "mine-purpose",
        "mine-agent",
        "mine-form",
        "mine-withdrawal-reason",
        "mine-limit-reason",
        "mine-notice",
        "mine-notice-reason",
        "mine-lifting-reason",
        "192.0.2.77",
        "mine-community",
        "mine-rule",
        "mine-community-reason",
        "mine-title",
        "mine-former body",
        "mine-=body now",
        "mine-removal-reason",
        "mine-appeal",
        "mine-decision",
        "mine-former comment",
        "mine-comment now",
        "mine-query",
        "mine-agent",
        "192.0.2.78",
        "mine-action",
        "192.0.2.79",
        "192.0.2.80",
        "mine-note",
        "mine-delay",
        "Stiftelsen Barnas Hus",
        "198.51.100.7",
        "CommunityLeft",
        "PasswordChanged",
        "export-ready",
        "2025-Q1",
    ] {
        assert!(whole.contains(mine), "{mine} is missing");
        let csv = files.iter().filter(|(name, _)| name.starts_with("csv/"));
        assert!(csv.clone().any(|(_, file)| text(file).contains(mine)), "{mine} is in no CSV");
        assert!(text(&files["subject-data.xml"]).contains(mine), "{mine} is not in the XML");
    }
    assert!(!whole.contains("mine-aim"), "what was found would tell the next attacker, too");
    let (other, admin) = (story.other.id.to_string(), story.admin.id.to_string());
    for (name, file) in files.iter().filter(|(name, _)| !name.ends_with(".pdf")) {
        let theirs =
            ["theirs-", &other, &admin, "203.0.113.99", "$argon2id", "sealed:v1", "0f0f0f"];
        for theirs in theirs {
            // Of the file itself, the checksum may begin so.
            let found = name != "manifest.json" && text(file).contains(theirs);
            assert!(!found, "{theirs} is in {name}");
        }
    }
    assert_eq!(rows(&json, "members")[0]["status"], "suspended");
    assert_eq!(rows(&json, "posts")[0]["body"], "mine-=body now");
    assert_eq!(rows(&json, "post_votes").len(), 2, "of two voters' four votes");
    assert_eq!(summary.rows, json["row_count"].as_u64().unwrap());
    assert_eq!(json["log_position"], position);
}

#[tokio::test]
async fn dxr_11_dxr_14_a_pdf_comes_with_json_and_a_manifest_with_the_checksum_of_each_file() {
    let story = Story::new().await;
    let (summary, position, files) = story.bundle(&everything(story.me)).await;
    let manifest: Value = serde_json::from_slice(&files["manifest.json"]).unwrap();
    let listed = manifest["files"].as_array().unwrap();
    assert_eq!(listed.len() + 1, files.len(), "all but the manifest itself");
    for entry in listed {
        let file = &files[entry["name"].as_str().unwrap()];
        assert_eq!(entry["sha256"], hex::encode(Sha256::digest(file)), "{entry}");
        assert_eq!(entry["size_bytes"], file.len());
    }
    assert_eq!(manifest["log_position"], position);
    assert_eq!(manifest["data_sha256"], summary.data_sha256);
    assert_eq!(manifest["schema_version"], SCHEMA_VERSION);
    assert!(files["subject-data.pdf"].starts_with(b"%PDF-"));
    assert!(summary.pages > Some(0));
    let (again, _, same) = story.bundle(&everything(story.me)).await;
    assert_eq!(again, summary);
    assert_eq!(same["manifest.json"], files["manifest.json"], "made again it is the same");
    validate(&files["subject-data.json"]);
}

/// By the published schema, with whatever of JSON Schema that uses.
fn validate(file: &[u8]) {
    let schema: Value = serde_json::from_str(subject_data::SCHEMA).unwrap();
    let instance: Value = serde_json::from_slice(file).unwrap();
    if let Err(why) = valid(&schema, &schema, &instance, "") {
        panic!("{why}");
    }
}

fn valid(root: &Value, schema: &Value, value: &Value, at: &str) -> Result<(), String> {
    let wrong = |why: &str| Err(format!("{at}: {why}: {value}"));
    for (keyword, says) in schema.as_object().unwrap() {
        match keyword.as_str() {
            "$ref" => {
                let pointer = says.as_str().unwrap().trim_start_matches('#');
                valid(root, root.pointer(pointer).unwrap(), value, at)?;
            }
            "oneOf" => {
                let all = says.as_array().unwrap().iter();
                let fits: Vec<_> = all.map(|one| valid(root, one, value, at)).collect();
                if fits.iter().filter(|fit| fit.is_ok()).count() != 1 {
                    return wrong(&format!("fits not one of them: {fits:?}"));
                }
            }
            "type" => {
                let types = says.as_array().cloned().unwrap_or_else(|| vec![says.clone()]);
                let is = match value {
                    Value::Null => "null",
                    Value::Bool(_) => "boolean",
                    Value::Number(_) => "integer",
                    Value::String(_) => "string",
                    Value::Array(_) => "array",
                    Value::Object(_) => "object",
                };
                if !types.iter().any(|name| name == is) {
                    return wrong("is of another type");
                }
            }
            "const" if says != value => return wrong("is another value"),
            "required" => {
                for name in says.as_array().unwrap() {
                    if value.get(name.as_str().unwrap()).is_none() {
                        return wrong(&format!("lacks {name}"));
                    }
                }
            }
            "additionalProperties" => {
                for name in value.as_object().unwrap().keys() {
                    if schema["properties"].get(name).is_none() {
                        return wrong(&format!("has {name}"));
                    }
                }
            }
            "properties" => {
                for (name, schema) in says.as_object().unwrap() {
                    if let Some(value) = value.get(name) {
                        valid(root, schema, value, &format!("{at}/{name}"))?;
                    }
                }
            }
            "items" => {
                for (index, item) in value.as_array().unwrap().iter().enumerate() {
                    valid(root, says, item, &format!("{at}/{index}"))?;
                }
            }
            "minItems" | "maxItems"
                if value.as_array().unwrap().len() as u64 != says.as_u64().unwrap() =>
            {
                return wrong("has another number of items");
            }
            "minimum" if value.as_i64() < says.as_i64() => return wrong("is too small"),
            "format" if says == "date-time" && !value.is_null() => {
                let time = value.as_str().unwrap().parse::<chrono::DateTime<chrono::Utc>>();
                if time.is_err() {
                    return wrong("is no time");
                }
            }
            _ => {}
        }
    }
    Ok(())
}

#[tokio::test]
async fn dxr_02_who_asks_for_some_categories_gets_those_and_no_others() {
    let story = Story::new().await;
    let categories = vec![DataCategory::Posts, DataCategory::Searches];
    let export = SubjectExport { subject: story.me, categories, has_xml: false };
    let (_, _, files) = story.bundle(&export).await;
    let names: Vec<&str> = files.keys().map(String::as_str).collect();
    assert_eq!(
        names,
        [
            "access.json",
            "csv/post_events.csv",
            "csv/posts.csv",
            "csv/searches.csv",
            "manifest.json",
            "schema/subject-data-1.schema.json",
            "subject-data.json",
            "subject-data.pdf",
        ]
    );
    let json: Value = serde_json::from_slice(&files["subject-data.json"]).unwrap();
    assert_eq!(json["tables"].as_array().unwrap().len(), 3);
    assert!(!text(&files["subject-data.json"]).contains("mine-device"));
}

#[tokio::test]
async fn dxr_13_dxr_12_an_admin_gets_its_acts_and_not_whom_they_were_about() {
    let story = Story::new().await;
    let (_, _, files) = story.bundle(&everything(story.admin)).await;
    let json: Value = serde_json::from_slice(&files["subject-data.json"]).unwrap();
    for table in ["admins", "moderation_acts", "appeals_decided", "audit_log", "sessions"] {
        assert!(!rows(&json, table).is_empty(), "{table}");
    }
    let whole = text(&files["subject-data.json"]);
    for person in [story.me, story.other] {
        assert!(!whole.contains(&person.id.to_string()));
    }
    assert!(!whole.contains("mine-"), "no word of those that the acts were about");
}

#[tokio::test]
async fn dxr_12_what_was_erased_is_null_and_the_rest_is_there() {
    let story = Story::new().await;
    let (_, _, before) = story.bundle(&everything(story.me)).await;
    assert!(text(&before["subject-data.json"]).contains("mine-title"));
    let subject = story.me.subject();
    story.database.vault().destroy(&subject, &[PersonalCategory::Content]).await.unwrap();
    let (_, _, files) = story.bundle(&everything(story.me)).await;
    let json: Value = serde_json::from_slice(&files["subject-data.json"]).unwrap();
    assert_eq!(rows(&json, "posts")[0]["title"], Value::Null);
    assert_eq!(rows(&json, "posts")[0]["author_display_name"], "mine-name-then");
    validate(&files["subject-data.json"]);
}

#[tokio::test]
async fn law_03_beside_the_copy_stands_why_for_how_long_and_for_whom_and_what_rights_there_are() {
    let story = Story::new().await;
    let categories = vec![DataCategory::Posts, DataCategory::Consents];
    let export = SubjectExport { subject: story.me, categories, has_xml: false };
    let (_, _, files) = story.bundle(&export).await;
    let access: Value = serde_json::from_slice(&files["access.json"]).unwrap();
    let activities = access["activities"].as_array().unwrap();
    for line in activities {
        for told in ["purpose", "legal_basis", "retention", "recipients", "data_category"] {
            assert!(line[told].as_str().is_some_and(|text| !text.is_empty()), "{told}: {line}");
        }
    }
    let told: Vec<&str> =
        activities.iter().map(|line| line["data_category"].as_str().unwrap()).collect();
    assert!(told.contains(&"posts") && told.contains(&"consents") && !told.contains(&"account"));
    let rights = access["rights"].as_array().unwrap();
    for article in ["Art. 16", "Art. 17", "Art. 18", "Art. 21", "Art. 77"] {
        assert!(rights.iter().any(|it| it["article"] == article), "{article}");
    }
    for told in ["source", "automated_decisions", "transfers"] {
        assert!(access[told].is_string(), "{told}");
    }
}

#[tokio::test]
async fn law_07_every_table_that_names_people_is_in_the_catalogue() {
    let database = TestDatabase::new().await;
    let tables: Vec<String> = sqlx::query_scalar(
        "SELECT DISTINCT n.nspname || '.' || c.relname
         FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid
         JOIN pg_namespace n ON n.oid = c.relnamespace
         WHERE n.nspname IN ('log', 'read', 'process') AND c.relkind IN ('r', 'p')
           AND NOT c.relispartition AND a.attnum > 0 AND NOT a.attisdropped
           AND a.attname ~ '(user_id|user_kind|owner_id|holder_id|principal|actor|subject|_admin|session_id|ip_address)'
         ORDER BY 1",
    )
    .fetch_all(&database.pool)
    .await
    .unwrap();
    assert!(tables.len() > 15, "{tables:?}");
    let listed: Vec<&str> =
        catalogue::TABLES.iter().flat_map(|(_, tables)| tables.iter().copied()).collect();
    for table in tables {
        assert!(listed.contains(&table.as_str()), "{table} is not in catalogue::TABLES");
    }
}
