//! Personal values in the log: sealed under keys that can be destroyed.

use crate::common::{posts::*, *};
use agora_domain::{PersonalCategory, content::post::Post};
use agora_event_store::{
    AppendError, Opened, Opener, RecordedEvent, StreamName,
    log::SUBJECT_KEY,
    seal::{SealError, SealedField, SealedText},
    stream,
    testing::TestDatabase,
};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use serde_json::json;
use sha2::{Digest, Sha256};

fn text(value: &str) -> Opened {
    Opened::Value(value.into())
}

async fn open(opener: &Opener, event: &RecordedEvent, name: &str, sealed: &str) -> Opened {
    let field = SealedField {
        aggregate_type: &event.aggregate_type,
        aggregate_id: &event.aggregate_id,
        field: name,
        sealed,
    };
    opener.open_text(&field).await.unwrap()
}

#[tokio::test]
async fn what_is_sealed_is_read_back_and_stands_nowhere_in_the_clear() {
    let (database, log) = database_and_log().await;
    let written = create(&log).await;
    let event = &stored(&database, &written.post).await[0];
    let whole = format!("{} {}", event.payload, event.metadata);
    for secret in [TITLE, BODY, ADDRESS] {
        assert!(!whole.contains(secret));
    }
    let opener = Opener::new(database.vault());
    assert_eq!(open(&opener, event, "title", &field(event, "title")).await, text(TITLE));
    assert_eq!(open(&opener, event, "body", &field(event, "body")).await, text(BODY));
    let metadata: serde_json::Value = serde_json::from_str(&event.metadata).unwrap();
    let address = metadata["ip"].as_str().unwrap();
    assert!(address.starts_with("sealed:v1:network:"));
    assert_eq!(open(&opener, event, "metadata.ip", address).await, text(ADDRESS));

    let payload = opener.open_payload(event).await.unwrap();
    assert_eq!(payload["PostCreated"]["title"], json!(TITLE));
    // The aggregate, read by another instance from what is stored, is the one that was decided.
    let fresh = database.log().await.load::<Post>(&written.post).await.unwrap();
    let cached = log.load::<Post>(&written.post).await.unwrap();
    assert_eq!(fresh.state, cached.state);
    assert_eq!(fresh.sequence, 1);
}

#[tokio::test]
async fn a_value_that_is_moved_elsewhere_does_not_open() {
    let (database, log) = database_and_log().await;
    let written = create(&log).await;
    log.append(edit(&log, &written, "Another body").await.unwrap()).await.unwrap();
    let other = create(&log).await;
    let opener = Opener::new(database.vault());
    let events = stored(&database, &written.post).await;
    let (first, second) = (&events[0], &events[1]);
    let foreign = &stored(&database, &other.post).await[0];
    let sealed = field(first, "title");
    for (what, event, name) in [
        ("another aggregate", foreign, "title"),
        ("another field", first, "body"),
        ("metadata", first, "metadata.ip"),
    ] {
        assert_eq!(open(&opener, event, name, &sealed).await, Opened::Erased, "{what}");
    }
    let other_type = RecordedEvent { aggregate_type: "comment".into(), ..first.clone() };
    assert_eq!(open(&opener, &other_type, "title", &sealed).await, Opened::Erased);
    // Another event of the stream: the sequence in the text is believed only if it was sealed so.
    let renumbered = sealed.replacen(":1:", ":2:", 1);
    assert_ne!(renumbered, sealed);
    assert_eq!(open(&opener, second, "title", &renumbered).await, Opened::Erased);
    let moved = RecordedEvent {
        payload: second.payload.replace(&field(second, "title"), &sealed),
        ..second.clone()
    };
    let opened = opener.open_payload(&moved).await.unwrap();
    assert_eq!(opened["PostEdited"]["title"], json!({ "$erased": true }));
    assert_eq!(opened["PostEdited"]["body"], json!("Another body"));
    // Another subject or category names another key.
    let subject = written.subject().to_string();
    for changed in [
        sealed.replace(&subject, other.subject().as_str()),
        sealed.replace(":content:", ":identity:"),
    ] {
        assert_eq!(open(&opener, first, "title", &changed).await, Opened::Erased);
    }
}

#[tokio::test]
async fn any_changed_letter_keeps_a_value_shut() {
    let (database, log) = database_and_log().await;
    let written = create(&log).await;
    let event = &stored(&database, &written.post).await[0];
    let opener = Opener::new(database.vault());
    let sealed = field(event, "title");
    let start = sealed.rmatch_indices(':').nth(1).unwrap().0 + 1;
    for place in (start..sealed.len()).step_by(3) {
        let mut changed = sealed.clone().into_bytes();
        changed[place] = match changed[place] {
            b'A' => b'B',
            _ => b'A',
        };
        let changed = String::from_utf8(changed).unwrap();
        if changed != sealed {
            assert_eq!(open(&opener, event, "title", &changed).await, Opened::Erased, "{place}");
        }
    }
    for broken in ["", "sealed:v1:", "sealed:v1:content:x:1:AA:AA", "plain", "sealed:v2:a:b:1:c:d"]
    {
        assert_eq!(open(&opener, event, "title", broken).await, Opened::Erased, "{broken}");
    }
}

#[tokio::test]
async fn a_destroyed_key_leaves_noise_and_refuses_what_would_be_sealed_under_it() {
    let (database, log) = database_and_log().await;
    let written = create(&log).await;
    let event = stored(&database, &written.post).await.remove(0);
    let (here, elsewhere) = (Opener::new(log.vault().clone()), Opener::new(database.vault()));
    let sealed = field(&event, "title");
    for opener in [&here, &elsewhere] {
        assert_eq!(open(opener, &event, "title", &sealed).await, text(TITLE));
    }
    log.vault().destroy(&written.subject(), &[PersonalCategory::Content]).await.unwrap();
    assert_eq!(open(&here, &event, "title", &sealed).await, Opened::Erased);
    // Another instance has the key in memory until it is told.
    elsewhere.vault().forget(&written.subject());
    assert_eq!(open(&elsewhere, &event, "title", &sealed).await, Opened::Erased);
    let payload = elsewhere.open_payload(&event).await.unwrap();
    assert_eq!(payload["PostCreated"]["body"], json!({ "$erased": true }));
    // Other categories of the subject live on.
    let metadata: serde_json::Value = serde_json::from_str(&event.metadata).unwrap();
    let address = metadata["ip"].as_str().unwrap();
    assert_eq!(open(&elsewhere, &event, "metadata.ip", address).await, text(ADDRESS));
    // The aggregate still loads: who wrote what when is known, the text is not.
    let loaded = database.log().await.load::<Post>(&written.post).await.unwrap();
    assert!(loaded.state.exists());
    assert_eq!(loaded.state.author(), Some(written.author));

    let refused = edit(&log, &written, "Something new").await.map(|_| ());
    assert!(matches!(&refused, Err(SealError::Erased { category: "content", .. })), "{refused:?}");
    assert_eq!(stored(&database, &written.post).await.len(), 1);
    assert_eq!(event.entry_hash().to_vec(), entry_hash(&database).await, "proofs outlive erasure");
}

async fn entry_hash(database: &TestDatabase) -> Vec<u8> {
    sqlx::query_scalar("SELECT entry_hash FROM log.events WHERE position = 1")
        .fetch_one(&database.pool)
        .await
        .unwrap()
}

/// What seals for a subject guards the subject's keys: an erasure that comes between makes it fail.
#[tokio::test]
async fn a_unit_sealed_before_an_erasure_is_refused_after_it() {
    let (database, log) = database_and_log().await;
    let written = create(&log).await;
    let sealed = edit(&log, &written, "Sealed under a key that dies").await.unwrap();
    let mut erased = lone_unit();
    erased.events[0].stream = StreamName::new(SUBJECT_KEY, written.subject().as_str());
    position(&database.log().await.append(erased).await);
    assert_eq!(log.append(sealed).await, Err(AppendError::Moved));
    let again = edit(&log, &written, "Decided after the erasure").await.unwrap();
    position(&log.append(again).await);
}

#[tokio::test]
async fn drafts_guard_the_keys_of_all_subjects_they_seal_for() {
    let (_database, log) = database_and_log().await;
    let written = create(&log).await;
    let loaded = log.load::<Post>(&written.post).await.unwrap();
    let other = agora_domain::Subject::from("somebody else");
    let events = {
        use agora_domain::{Decide, content::post::*};
        loaded
            .state
            .decide(PostCommand::Edit(EditPost {
                editor: written.author,
                title: Some(title(&written.subject(), "A new title")),
                body: Some(body(&other, "On behalf of somebody else")),
                reason: None,
            }))
            .unwrap()
    };
    let mut unit = agora_event_store::Unit::default();
    let draft = agora_event_store::log::Draft {
        loaded: &loaded,
        events,
        event_ids: &mut id,
        metadata: "{}",
        client_address: None,
    };
    log.draft(&mut unit, draft).await.unwrap();
    let mut guarded: Vec<i64> = unit.guards.iter().map(|guard| guard.key).collect();
    let mut expected =
        [written.subject(), other].map(|subject| stream::key(SUBJECT_KEY, subject.as_str()));
    guarded.sort_unstable();
    expected.sort_unstable();
    assert_eq!(guarded, expected);
}

#[tokio::test]
async fn esx_16_one_field_is_proven_by_its_salted_commitment_without_any_key() {
    let (database, log) = database_and_log().await;
    let written = create(&log).await;
    log.append(edit(&log, &written, "A body that is edited").await.unwrap()).await.unwrap();
    let events = stored(&database, &written.post).await;
    let sealed = field(&events[0], "title");
    let opener = Opener::new(database.vault());
    let title = SealedField {
        aggregate_type: "post",
        aggregate_id: &written.post,
        field: "title",
        sealed: &sealed,
    };
    let shown = opener.disclose(&title).await.unwrap().unwrap();
    assert_eq!(shown.value, json!(TITLE).to_string());
    assert!(!format!("{shown:?}").contains(TITLE));

    // As an outsider would do it, from docs/sealing.md and the text in the log alone.
    let mut hash = Sha256::new();
    hash.update(b"agora/commitment/v1,");
    hash.update(shown.salt);
    for part in ["post", &written.post, "1", "title"] {
        hash.update(format!("{}:{part},", part.len()));
    }
    hash.update(&shown.value);
    let commitment = sealed.rsplit_once(':').unwrap().1;
    assert_eq!(URL_SAFE_NO_PAD.encode(hash.finalize()), commitment);

    let parsed = SealedText::parse(&sealed).unwrap();
    let context = title.context(&parsed);
    assert!(parsed.proves(&context, &shown));
    let mut other = shown.clone();
    other.value = json!("Another title").to_string();
    assert!(!parsed.proves(&context, &other), "another value");
    let mut other = shown.clone();
    other.salt[0] ^= 1;
    assert!(!parsed.proves(&context, &other), "another salt");
    let elsewhere = agora_event_store::seal::Context { field: "body", ..context };
    assert!(!parsed.proves(&elsewhere, &shown), "another field");

    // The same title was sealed again by the edit: nothing shows that it is the same.
    let again = SealedText::parse(&field(&events[1], "title")).unwrap();
    assert_ne!(parsed.commitment, again.commitment);
    assert_ne!(sealed, field(&events[1], "title"));

    database.vault().destroy(&written.subject(), &[PersonalCategory::Content]).await.unwrap();
    opener.vault().forget(&written.subject());
    assert_eq!(opener.disclose(&title).await.unwrap(), None, "the salt goes with the key");
}

#[tokio::test]
async fn a_public_text_that_looks_sealed_is_refused() {
    use agora_domain::{
        Decide,
        community::category::{Category, CategoryCommand, CreateCategory},
        ids::CategoryId,
    };
    let (database, log) = database_and_log().await;
    for (description, refused) in [
        ("sealed:v1:identity:somebody:1:AAAA:AAAA", true),
        ("sealed:v1:", true),
        ("not sealed:v1: but about it", false),
        (r#"a quoted "sealed:v1: text"#, false),
        ("sealed: with wax", false),
    ] {
        let category = CategoryId(id());
        let loaded = log.presume::<Category>(&category.to_string());
        let create = CategoryCommand::Create(CreateCategory {
            category_id: category,
            name: "Science".parse().unwrap(),
            description: Some(description.parse().unwrap()),
        });
        let mut unit = agora_event_store::Unit::default();
        let draft = agora_event_store::log::Draft {
            loaded: &loaded,
            events: loaded.state.decide(create).unwrap(),
            event_ids: &mut id,
            metadata: "{}",
            client_address: None,
        };
        match log.draft(&mut unit, draft).await {
            Ok(()) => assert!(!refused, "{description}"),
            Err(error) => {
                assert!(
                    refused && matches!(error, SealError::LooksSealed),
                    "{description}: {error}"
                );
                continue;
            }
        }
        let position = position(&log.append(unit).await);
        let event = all(&database).await.pop().unwrap();
        assert_eq!(event.position, position);
        let opened = Opener::new(database.vault()).open_payload(&event).await.unwrap();
        assert_eq!(opened["CategoryCreated"]["description"], json!(description));
    }
}
