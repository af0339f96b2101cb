use agora_domain::security::audit::{AuditEventType, AuditResult};
use chacha20poly1305::{
    KeyInit, XChaCha20Poly1305, XNonce,
    aead::{Aead, Payload},
};
use zeroize::Zeroizing;

use super::{
    opening::{VERSION_OF_JSON, Whose, other},
    *,
};
use crate::security_audit::{Person, Row};

const USER: Uuid = Uuid::from_u128(7);

fn key(byte: u8) -> Key {
    Zeroizing::new([byte; 32])
}

fn entry() -> Entry {
    let mut entry =
        Entry::at(DateTime::UNIX_EPOCH, AuditEventType::ApiAccess, AuditResult::Success);
    entry.person = Person {
        user: Some(USER),
        kind: Some("member".into()),
        session: Some(Uuid::from_u128(8)),
        ip: Some("203.0.113.77".parse().unwrap()),
        user_agent: Some("a browser".to_owned()),
        referrer: None,
        headers: Some(r#"{"accept":"text/html"}"#.to_owned()),
    };
    entry
}

fn row(entry: &Entry, sealed: Vec<u8>) -> Row {
    Row {
        log_id: entry.log_id,
        recorded_at: entry.recorded_at,
        retention_category: entry.retention.as_str().to_owned(),
        event_type: entry.event_type.as_str().to_owned(),
        event_result: entry.result.as_str().to_owned(),
        user_key: None,
        ip_key: None,
        session_key: None,
        endpoint: None,
        http_method: None,
        response_code: None,
        request_size_bytes: None,
        response_size_bytes: None,
        processing_time_ms: None,
        risk_score: Some(0),
        threat_indicators: None,
        metadata: None,
        payload_hash: None,
        case_id: None,
        sealed: Some(sealed),
    }
}

/// As the first version sealed it, its user's id and its content under nonces of their own.
fn sealed_as_json(entry: &Entry, leaf: &Key, user: &Key) -> Vec<u8> {
    let nonce = [9; NONCE];
    let bound = bound(VERSION_OF_JSON, entry.log_id, entry.recorded_at, LeafName::of(entry));
    let content =
        br#"{"user":"00000000-0000-0000-0000-000000000007","kind":"member","ip":"203.0.113.77"}"#;
    let under = |key: &Key, nonce, msg| {
        XChaCha20Poly1305::new((&**key).into())
            .encrypt(&XNonce::from(nonce), Payload { msg, aad: &bound })
            .unwrap()
    };
    let mut sealed = vec![VERSION_OF_JSON, 1];
    sealed.extend_from_slice(&nonce);
    sealed.extend(under(leaf, nonce, USER.as_bytes()));
    sealed.extend(under(user, other(nonce), content));
    sealed
}

fn open_with(row: &Row, leaf: &Key, user: &Key) -> Option<Opened> {
    let whose = Whose::of(row, leaf)?;
    assert_eq!(whose.user, Some(USER));
    whose.open(row, user)
}

#[test]
fn sal_10_what_the_first_version_has_sealed_is_opened() {
    let (entry, leaf, user) = (entry(), key(1), key(2));
    let row = row(&entry, sealed_as_json(&entry, &leaf, &user));
    let opened = open_with(&row, &leaf, &user).unwrap();
    assert_eq!((opened.user, opened.ip), (Some(USER), entry.person.ip));
    assert_eq!(opened.kind.as_deref(), Some("member"));
}

/// Made apart, with libsodium: what is stored was made so, and has to open for years.
#[test]
fn sal_10_what_the_second_version_has_sealed_is_opened() {
    const SEALED: &str = "02010505050505050505050505050505050505050505000000017f2121d44dfba3e41b8a0aa0\
        a87d8645cfec447d51df2b6ea062b6fa3083b0f4bccfbb1557ca8631399c41efed4a868ba00e73ec5c5ccce7299e855d\
        8eab07d8233ea0614a56c89ccf174a80fc35b33a870e353abb5f4fea89a1d8acda7d2491fccf70ba";
    let (mut entry, leaf, user) = (entry(), key(1), key(2));
    entry.log_id = Uuid::from_u128(3);
    let row = row(&entry, hex::decode(SEALED).unwrap());
    let opened = open_with(&row, &leaf, &user).unwrap();
    let Person { ip, user_agent, headers, .. } = entry.person;
    assert_eq!((opened.user, opened.ip, opened.session), (Some(USER), ip, None));
    assert_eq!((opened.user_agent, opened.headers), (user_agent, headers));
    assert_eq!(opened.kind.as_deref(), Some("member"));
}

#[test]
fn sal_10_texts_of_any_length_are_sealed_behind_each_other() {
    let (leaf, user) = (key(1), key(2));
    let (mut leaf_key, mut user_key) = (LeafKey::new(&leaf), UserKey::new(&user));
    let entries = [0, 1, 127, 128, 20_000].map(|length| {
        let mut entry = entry();
        let text = || Some("x".repeat(length));
        let ip = Some("2001:db8::1".parse().unwrap());
        let (user_agent, referrer, headers) = (text(), text(), text());
        entry.person = Person { ip, user_agent, referrer, headers, ..entry.person };
        entry
    });
    let mut sealed = Sealed::default();
    for entry in &entries {
        let (of_leaf, of_user) =
            ((LeafName::of(entry), &mut leaf_key), Some((USER, &mut user_key)));
        sealed.add(entry, of_leaf, of_user, &mac(&key(3)), &Countries::default());
        sealed.nothing();
    }
    for (place, entry) in entries.iter().enumerate() {
        let (_, text) = sealed.of(2 * place);
        let opened = open_with(&row(entry, text.unwrap().to_vec()), &leaf, &user).unwrap();
        let Person { ip, user_agent, referrer, headers, .. } = &entry.person;
        assert_eq!(
            (&opened.ip, &opened.user_agent, &opened.referrer, &opened.headers),
            (ip, user_agent, referrer, headers)
        );
        assert_eq!(sealed.of(2 * place + 1), Default::default(), "of whoever was erased nothing");
    }
}

#[test]
fn sal_10_entries_of_one_person_have_nonces_of_their_own_and_open_in_their_place_alone() {
    let (leaf, user) = (key(1), key(2));
    let (mut leaf_key, mut user_key) = (LeafKey::new(&leaf), UserKey::new(&user));
    let sessions = mac(&key(3));
    let entries = [entry(), entry(), entry()];
    let mut sealed = Sealed::default();
    for entry in &entries {
        let (of_leaf, of_user) =
            ((LeafName::of(entry), &mut leaf_key), Some((USER, &mut user_key)));
        sealed.add(entry, of_leaf, of_user, &sessions, &Countries::default());
    }
    let rows = [0, 1, 2].map(|place| {
        let (indexes, text) = sealed.of(place);
        assert_eq!(indexes.user, Some(index_of_user(&user)));
        row(&entries[place], text.unwrap().to_vec())
    });
    let nonce = |row: &Row| row.sealed.as_ref().unwrap()[2..2 + NONCE].to_vec();
    assert!(nonce(&rows[0]) != nonce(&rows[1]) && nonce(&rows[1]) != nonce(&rows[2]));
    for row in &rows {
        assert_ne!(nonce(row), user_key.whose[&row.leaf()].1.first, "that is the person's id's");
        let opened = open_with(row, &leaf, &user).unwrap();
        assert_eq!(opened.headers, entries[0].person.headers);
        assert_eq!(opened.session, Some(hex::encode(hashed(&sessions, Uuid::from_u128(8)))));
        assert!(open_with(row, &leaf, &key(4)).is_none(), "under another's key");
    }
    let mut moved = rows[0].clone();
    moved.sealed.clone_from(&rows[1].sealed);
    assert!(open_with(&moved, &leaf, &user).is_none(), "in another's place");
    let mut as_the_first = rows[0].clone();
    as_the_first.sealed.as_mut().unwrap()[0] = VERSION_OF_JSON;
    assert!(Whose::of(&as_the_first, &leaf).is_none(), "as another version");
    let mut of_another_leaf = rows[0].clone();
    of_another_leaf.retention_category = "SECURITY".to_owned();
    assert!(Whose::of(&of_another_leaf, &leaf).is_none());
}
