//! What is told of an access, and what the table refuses.

use agora_event_store::security_audit::open;
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use sqlx::{Connection, PgConnection};

use super::*;

#[tokio::test]
async fn sal_05_sal_06_sal_07_each_access_is_an_entry_with_its_code_sizes_time_and_payload_hash() {
    let (database, audit, _) = started().await;
    let api = api(&audit);
    assert_eq!(send(&api, request("POST", "/v1/commands/cast-vote"), "{\"a\":1}").await, 200);
    assert_eq!(send(&api, request("GET", "/v1/forbidden?x=secret"), "").await, 403);
    assert_eq!(send(&api, request("GET", "/v1/nowhere/kari@example.org"), "").await, 404);
    assert_eq!(send(&api, request("GET", "/v1/stream"), "").await, 200);
    assert_eq!(send(&api, request("GET", "/healthz"), "").await, 200);
    audit.flush().await;
    let rows = rows(&database).await;
    assert_eq!(rows.len(), 4, "health is not told of");
    let [vote, forbidden, nowhere, stream] = &rows[..] else { panic!("{rows:?}") };
    assert_eq!(vote.event_type, "API_ACCESS");
    assert_eq!((vote.event_result.as_str(), vote.response_code), ("SUCCESS", Some(200)));
    assert_eq!(vote.endpoint.as_deref(), Some("/v1/commands/{name}"), "the template, not the path");
    assert_eq!(vote.http_method.as_deref(), Some("POST"));
    assert_eq!((vote.request_size_bytes, vote.response_size_bytes), (Some(7), Some(1)));
    assert!(vote.processing_time_ms.unwrap() >= 0);
    assert_eq!(vote.retention_category, "OPERATIONAL");
    let key = database.vault().masters().derive("security-audit/payload");
    let mut mac = Hmac::<Sha256>::new_from_slice(key.as_ref()).unwrap();
    mac.update(b"{\"a\":1}");
    assert_eq!(vote.payload_hash.as_deref(), Some(mac.finalize().into_bytes().as_slice()));
    assert_eq!((forbidden.event_result.as_str(), forbidden.risk_score), ("BLOCKED", Some(30)));
    assert_eq!(forbidden.retention_category, "SECURITY");
    assert_eq!(forbidden.payload_hash, None);
    assert_eq!((nowhere.event_result.as_str(), nowhere.response_code), ("FAILURE", Some(404)));
    assert_eq!(nowhere.endpoint, None, "an address may hold what is personal");
    assert_eq!(nowhere.threat_indicators.as_deref(), Some("[\"unknown_route\"]"));
    assert_eq!(stream.response_size_bytes, Some(7), "of what was sent");
    let opened = open(&database.vault(), &rows).await.unwrap();
    let vote = opened[0].as_ref().unwrap();
    assert_eq!(vote.user, Some(Uuid::from_u128(7)));
    assert_eq!(vote.ip, Some(ADDRESS.parse().unwrap()));
    assert_eq!(opened[1].as_ref().unwrap().user, None);
}

#[tokio::test]
async fn sal_07_a_payload_is_hashed_and_counted_as_far_as_it_was_read() {
    let (database, audit, _) = started().await;
    let api = api(&audit);
    let whole = Body::from_stream(futures::stream::iter(
        ["{\"a\"", ":1", "", "}"].map(|part| Ok::<_, std::io::Error>(Bytes::from(part))),
    ));
    let broken = Body::from_stream(futures::stream::iter([
        Ok(Bytes::from("{\"a\"")),
        Err(std::io::Error::other("the client is gone")),
    ]));
    for body in [whole, broken, Body::from(" ".repeat((1 << 20) + 1)), Body::empty()] {
        send_body(&api, request("POST", "/v1/commands/cast-vote"), body).await;
    }
    // Its handler does not read.
    let announced = request("POST", "/v1/commands/log-in").header("content-length", "7");
    send_body(&api, announced, Body::from("{\"a\":1}")).await;
    audit.flush().await;
    let key = database.vault().masters().derive("security-audit/payload");
    let hash = |payload: &str| {
        let mut mac = Hmac::<Sha256>::new_from_slice(key.as_ref()).unwrap();
        mac.update(payload.as_bytes());
        Some(mac.finalize().into_bytes().to_vec())
    };
    let rows = rows(&database).await;
    let told: Vec<_> = rows
        .into_iter()
        .filter(|row| row.event_type == "API_ACCESS")
        .map(|row| (row.response_code.unwrap(), row.request_size_bytes, row.payload_hash))
        .collect();
    assert_eq!(
        told,
        [
            (200, Some(7), hash("{\"a\":1}")),
            (400, Some(4), hash("{\"a\"")),
            (413, Some(0), None),
            (200, Some(0), None),
            (401, Some(7), None),
        ]
    );
}

#[tokio::test]
async fn sal_05_a_login_that_failed_is_a_login_and_an_access() {
    let (database, audit, _) = started().await;
    let api = api(&audit);
    assert_eq!(send(&api, request("POST", "/v1/commands/log-in"), "{}").await, 401);
    audit.flush().await;
    let mut told: Vec<_> = rows(&database)
        .await
        .into_iter()
        .map(|row| (row.event_type, row.event_result, row.retention_category))
        .collect();
    told.sort();
    let text = |words: [&str; 3]| {
        let [a, b, c] = words.map(str::to_owned);
        (a, b, c)
    };
    assert_eq!(
        told,
        [text(["API_ACCESS", "FAILURE", "OPERATIONAL"]), text(["LOGIN", "FAILURE", "SECURITY"])]
    );
}

#[tokio::test]
async fn sal_05_who_leaves_before_the_answer_is_told_of() {
    let (database, audit, _) = started().await;
    let api = api(&audit);
    let left = tokio::time::timeout(
        std::time::Duration::from_millis(50),
        send(&api, request("GET", "/v1/slow"), ""),
    );
    assert!(left.await.is_err());
    audit.flush().await;
    let rows = rows(&database).await;
    assert_eq!(rows.len(), 1);
    assert_eq!((rows[0].response_code, rows[0].event_result.as_str()), (None, "FAILURE"));
    assert_eq!(rows[0].metadata.as_deref(), Some(r#"{"aborted":true}"#));
}

#[tokio::test]
async fn sal_10_what_authenticates_is_never_kept_and_no_text_can_forge_a_line() {
    let (database, audit, _) = started().await;
    let api = api(&audit);
    let forged = b"x\x80\xc2\x9b[2J\" ,\"y\":1".as_slice();
    let sent = request("POST", "/v1/commands/cast-vote?token=in-the-query")
        .header("authorization", "Bearer the-token")
        .header("proxy-authorization", "Basic the-token")
        .header("cookie", "session=the-token")
        .header("agora-guest", "the-token")
        .header("idempotency-key", "the-token")
        .header("x-api-key", "the-token")
        .header("referer", "https://kari:the-token@agora.example/reset?token=the-token#the-token")
        .header("user-agent", axum::http::HeaderValue::from_bytes(forged).unwrap())
        .header("accept-language", axum::http::HeaderValue::from_bytes(forged).unwrap());
    assert_eq!(send(&api, sent, "{}").await, 200);
    audit.flush().await;
    let rows = rows(&database).await;
    let opened = open(&database.vault(), &rows).await.unwrap();
    let opened = opened[0].as_ref().unwrap();
    let all = format!("{rows:?} {opened:?}");
    assert!(!all.contains("the-token") && !all.contains("in-the-query"), "{all}");
    assert_eq!(opened.referrer.as_deref(), Some("https://agora.example/reset"));
    let headers: serde_json::Value =
        serde_json::from_str(opened.headers.as_ref().unwrap()).unwrap();
    assert_eq!(headers.as_object().unwrap().len(), 1, "{headers}");
    for text in [opened.user_agent.as_ref().unwrap(), headers["accept-language"].as_str().unwrap()]
    {
        assert!(!text.chars().any(char::is_control), "{text:?}");
    }
    let session = opened.session.as_ref().unwrap();
    assert!(!session.contains(&Uuid::from_u128(7).simple().to_string()), "only its hash");
}

#[tokio::test]
async fn sal_01_sal_03_sal_06_the_table_takes_no_other_words_and_no_other_numbers() {
    let database = TestDatabase::new().await;
    sqlx::query("SELECT log.prepare_security_audit(current_date)")
        .execute(&database.pool)
        .await
        .unwrap();
    let insert = |column: &str, value: &str| {
        let mut of = std::collections::BTreeMap::from([
            ("event_type", "'LOGIN'"),
            ("event_result", "'SUCCESS'"),
            ("retention_category", "'SECURITY'"),
            ("response_code", "200"),
            ("risk_score", "1"),
            ("request_size_bytes", "0"),
        ]);
        of.insert(column, value);
        let columns: Vec<_> = of.keys().copied().collect();
        let values: Vec<_> = of.values().copied().collect();
        format!(
            "INSERT INTO log.security_audit (recorded_at, log_id, segment, {})
             VALUES (clock_timestamp(), gen_random_uuid(), 1, {})",
            columns.join(", "),
            values.join(", ")
        )
    };
    for (column, value) in [
        ("event_type", "'API_ACCESS'"),
        ("event_result", "'SUSPICIOUS'"),
        ("retention_category", "'FORENSIC'"),
        ("response_code", "100"),
        ("response_code", "599"),
        ("risk_score", "0"),
        ("risk_score", "100"),
    ] {
        let statement = insert(column, value);
        sqlx::query(&statement).execute(&database.pool).await.unwrap();
    }
    for (column, value) in [
        ("event_type", "'login'"),
        ("event_type", "NULL"),
        ("event_result", "'OK'"),
        ("retention_category", "'FOREVER'"),
        ("response_code", "99"),
        ("response_code", "600"),
        ("risk_score", "-1"),
        ("risk_score", "101"),
        ("request_size_bytes", "-1"),
        ("response_size_bytes", "-1"),
        ("processing_time_ms", "-1"),
    ] {
        let statement = insert(column, value);
        assert!(sqlx::query(&statement).execute(&database.pool).await.is_err(), "{statement}");
    }
}

#[tokio::test]
async fn sal_02_nobody_changes_or_deletes_an_entry_in_any_partition() {
    let database = TestDatabase::new().await;
    store(&database).await.write(&[entry(None)]).await.unwrap();
    let tables: Vec<String> = sqlx::query_scalar(
        "SELECT c.oid::regclass::text FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
         WHERE n.nspname = 'log' AND c.relkind IN ('r', 'p') AND c.relname LIKE 'security_audit%'
           AND c.relname <> 'security_audit_leaves'",
    )
    .fetch_all(&database.pool)
    .await
    .unwrap();
    assert!(tables.len() >= 10, "{tables:?}");
    let mut superuser = PgConnection::connect(&database.url).await.unwrap();
    for role in ["origin", "replica"] {
        sqlx::query(&format!("SET session_replication_role = {role}"))
            .execute(&mut superuser)
            .await
            .unwrap();
        for table in &tables {
            for statement in [
                format!("UPDATE {table} SET retention_category = 'SECURITY'"),
                format!("DELETE FROM {table}"),
                format!("TRUNCATE {table}"),
            ] {
                let done = sqlx::query(&statement).execute(&mut superuser).await;
                // The table of segments has a trigger for each row: where there is none, nothing is done.
                let changed = done.map_or(0, |done| done.rows_affected());
                assert_eq!(changed, 0, "{role}: {statement}");
            }
        }
    }
    assert_eq!(count(&database).await, 1);
    for role in ["agora_writer", "agora_reader", "agora_auditor", "agora_projector"] {
        let mut connection = PgConnection::connect(&database.url_as(role)).await.unwrap();
        for statement in [
            "UPDATE log.security_audit SET risk_score = 0",
            "DELETE FROM log.security_audit",
            "TRUNCATE log.security_audit",
            "DELETE FROM log.security_audit_segments",
            "DELETE FROM log.security_audit_tracks",
            "DELETE FROM log.security_audit_kinds",
            "UPDATE log.security_audit_leaves SET dropped_at = now()",
            "DROP TABLE log.security_audit",
        ] {
            let refused = sqlx::query(statement).execute(&mut connection).await.unwrap_err();
            let code = refused.as_database_error().unwrap().code().unwrap().into_owned();
            assert_eq!(code, "42501", "{role}: {statement}");
        }
    }
}

/// In the order of their times, whenever they were written.
#[tokio::test]
async fn sal_02_an_entry_is_there_once_however_often_it_is_written() {
    let database = TestDatabase::new().await;
    let store = store(&database).await;
    let entries = [entry(None), entry(Some(Uuid::from_u128(1)))];
    for _ in 0..3 {
        store.write(&entries).await.unwrap();
    }
    store.write(&[entries[0].clone(), entry(None)]).await.unwrap();
    assert_eq!(count(&database).await, 3);
    let times: Vec<_> = rows(&database).await.iter().map(|row| row.recorded_at).collect();
    assert!(times.is_sorted());
}

#[tokio::test]
async fn sal_01_a_pack_whose_columns_do_not_fit_together_is_refused() {
    let database = TestDatabase::new().await;
    let entries: Vec<Entry> = (0..3).map(|_| entry(None)).collect();
    store(&database).await.write(&entries).await.unwrap();
    let mut superuser = PgConnection::connect(&database.url).await.unwrap();
    // Of one that is there, as the next segment, with the first of its entries changed so that it is another.
    let insert = |changes: &str| {
        format!(
            "INSERT INTO log.security_audit_packs
             SELECT (r).* FROM (
                 SELECT jsonb_populate_record(p, jsonb_build_object('segment', 2,
                     'first_log_id', gen_random_uuid()) || {changes}) AS r
                 FROM log.security_audit_packs p) p"
        )
    };
    for (changes, refused) in [
        ("'{}'", false),
        ("'{\"log_ids\": null}'", true),
        ("'{\"log_ids\": []}'", true),
        ("'{\"acts\": null}'", true),
        ("'{\"acts\": []}'", true),
        ("'{\"act_numbers\": null}'", true),
        ("'{\"act_numbers\": [1, 1]}'", true),
        ("'{\"recorded_ats\": null}'", true),
        ("'{\"ip_keys\": [1, 2]}'", true),
        ("'{\"user_keys\": [1, 2, 3, 4]}'", true),
        ("'{\"session_keys\": []}'", true),
        ("'{\"processing_times_ms\": [1]}'", true),
        ("'{\"entries\": [{\"event_type\": \"LOGIN\"}]}'", true),
        ("'{\"entries\": [{\"event_type\": \"LOGIN\"}], \"log_ids\": null}'", true),
        ("'{\"processing_times_ms\": [1, null, 3]}'", false),
    ] {
        let mut transaction = superuser.begin().await.unwrap();
        let done = sqlx::query(&insert(changes)).execute(&mut *transaction).await;
        transaction.rollback().await.unwrap();
        let code =
            done.err().map(|error| error.as_database_error().unwrap().code().unwrap().into_owned());
        assert_eq!(code.as_deref(), refused.then_some("23514"), "{changes}");
    }
}
