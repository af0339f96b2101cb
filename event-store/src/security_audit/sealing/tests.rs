use agora_domain::security::audit::{AuditEventType, AuditResult};
use agora_service::http::access::Said;

use super::{
    opening::{VERSION_OF_JSON, Whose, bound_to_entry, other},
    *,
};
use crate::security_audit::Row;

const USER: Uuid = Uuid::from_u128(7);

fn key(byte: u8) -> Key {
    zeroize::Zeroizing::new([byte; 32])
}

fn entry() -> Entry {
    let mut entry =
        Entry::at(DateTime::UNIX_EPOCH, AuditEventType::ApiAccess, AuditResult::Success);
    entry.person = Person {
        user: Some(USER),
        kind: Some("member".into()),
        session: Some(Uuid::from_u128(8)),
        ip: Some("203.0.113.77".parse().unwrap()),
        said: Arc::new(Said {
            user_agent: Some("a browser".into()),
            referrer: None,
            headers: Some(r#"{"accept":"text/html"}"#.into()),
        }),
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
        sealed_in_recorded_at: None,
        sealed_in_log_id: None,
    }
}

/// One that is found by these.
fn found(entry: &Entry, indexes: Indexes, sealed: Vec<u8>) -> Row {
    let Indexes { user, ip, session } = indexes;
    Row { user_key: user, ip_key: ip, session_key: session, ..row(entry, sealed) }
}

/// As the first version sealed it, its user's id and its content under nonces of their own.
fn sealed_as_json(entry: &Entry, leaf: &Key, user: &Key) -> Vec<u8> {
    let nonce = [9; NONCE];
    let bound = bound_to_entry(VERSION_OF_JSON, &row(entry, Vec::new()));
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
    whose.open(row, leaf, user)
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
fn opens_as_made(sealed: &str) {
    let (mut entry, leaf, user) = (entry(), key(1), key(2));
    entry.log_id = Uuid::from_u128(3);
    let ip = entry.person.ip.map(|address| index_of_address(&leaf, address));
    let indexes = Indexes { user: Some(index_of_user(&user)), ip, session: None };
    let row = found(&entry, indexes, hex::decode(sealed).unwrap());
    let opened = open_with(&row, &leaf, &user).unwrap();
    let Person { ip, said, .. } = entry.person;
    assert_eq!((opened.user, opened.ip, opened.session), (Some(USER), ip, None));
    assert_eq!(
        (opened.user_agent.as_deref(), opened.headers.as_deref()),
        (said.user_agent.as_deref(), said.headers.as_deref())
    );
    assert_eq!(opened.kind.as_deref(), Some("member"));
}

#[test]
fn sal_10_what_the_second_version_has_sealed_is_opened() {
    opens_as_made(
        "02010505050505050505050505050505050505050505000000017f2121d44dfba3e41b8a0aa0a87d8645cfec447d51\
         df2b6ea062b6fa3083b0f4bccfbb1557ca8631399c41efed4a868ba00e73ec5c5ccce7299e855d8eab07d8233ea0614a\
         56c89ccf174a80fc35b33a870e353abb5f4fea89a1d8acda7d2491fccf70ba",
    );
}

#[test]
fn sal_10_what_the_third_version_has_sealed_is_opened() {
    opens_as_made(
        "03010505050505050505050505050505050505050505050505057f07ea816a1e7086b3ab3b1dfda2574da264e644bb\
         e78b07fc6c89f2aea8bc58bb826bfbb62b52cdf07c34d08866c4ef56a75ce4315216adf8edc07e0b47666d0dee746cb1\
         f464b527d9d1537a8dfd544d3376bafd0ae8d0302a45369b54f273b47e2aaf",
    );
}

fn keys(leaf: &Key, user: &Key) -> Keys {
    let leaf = LeafKey::new(Arc::new(leaf.clone()), true);
    Keys {
        leaves: [(LeafName::of(&entry()), leaf)].into_iter().collect(),
        users: [(USER, Arc::new(user.clone()))].into_iter().collect(),
        ends: std::collections::HashMap::new(),
        sessions: mac(&key(3)),
    }
}

fn sealed(keys: &mut Keys, entries: &[Entry], clients: Option<&Clients>) -> Sealed {
    keys.seal(entries, &Countries::default(), clients)
}

fn text(personal: &(Indexes, Personal)) -> Vec<u8> {
    match &personal.1 {
        Personal::Sealed(text) => text.clone(),
        other => panic!("{other:?}"),
    }
}

#[test]
fn sal_10_texts_of_any_length_are_sealed() {
    let (leaf, user) = (key(1), key(2));
    let entries = [0, 1, 127, 128, 20_000].map(|length| {
        let mut entry = entry();
        let text = || Some("x".repeat(length).into());
        let ip = Some("2001:db8::1".parse().unwrap());
        let said = Said { user_agent: text(), referrer: text(), headers: text() };
        entry.person = Person { ip, said: said.into(), ..entry.person };
        entry
    });
    let sealed = sealed(&mut keys(&leaf, &user), &entries, Some(&Clients::default()));
    for (entry, personal) in entries.iter().zip(&sealed.entries) {
        let row = found(entry, personal.0, text(personal));
        let opened = open_with(&row, &leaf, &user).unwrap();
        let Person { ip, said, .. } = &entry.person;
        assert_eq!(&opened.ip, ip);
        for (opened, sealed) in [
            (opened.user_agent, &said.user_agent),
            (opened.referrer, &said.referrer),
            (opened.headers, &said.headers),
        ] {
            assert_eq!(opened.as_deref(), sealed.as_deref());
        }
    }
}

#[test]
fn sal_10_a_client_is_sealed_once_for_a_leaf_and_opens_there_under_its_keys_alone() {
    let (leaf, user) = (key(1), key(2));
    let entries = [entry(), entry(), entry()];
    let mut clients = Clients::default();
    let first = sealed(&mut keys(&leaf, &user), &entries, Some(&clients));
    let sealed_in = SealedIn::from(&entries[0]);
    let (indexes, _) = first.entries[0];
    assert_eq!(indexes.user, Some(index_of_user(&user)));
    assert_eq!(first.entries[1..], [(), ()].map(|()| (indexes, Personal::In(sealed_in))));
    assert!(!first.refers_back);
    let text = text(&first.entries[0]);
    // Of the entry that refers to it, filled in.
    let row = found(&entries[1], indexes, text);
    let opened = open_with(&row, &leaf, &user).unwrap();
    assert_eq!(opened.headers.as_deref(), entries[0].person.said.headers.as_deref());
    let session = hashed(&mac(&key(3)), Uuid::from_u128(8));
    assert_eq!(opened.session, Some(hex::encode(session)));
    assert!(open_with(&row, &leaf, &key(4)).is_none(), "under another's key");
    for moved in [
        Row { user_key: Some(1), ..row.clone() },
        Row { user_key: None, ..row.clone() },
        Row { ip_key: Some(1), ..row.clone() },
        Row { session_key: None, ..row.clone() },
    ] {
        assert!(open_with(&moved, &leaf, &user).is_none(), "in the place of another's: {moved:?}");
    }
    for version in 1..VERSION {
        let mut as_before = row.clone();
        as_before.sealed.as_mut().unwrap()[0] = version;
        assert!(Whose::of(&as_before, &leaf).is_none(), "as another version");
    }
    let mut of_another_leaf = row.clone();
    of_another_leaf.retention_category = "SECURITY".to_owned();
    assert!(Whose::of(&of_another_leaf, &leaf).is_none());

    clients.extend(first.clients);
    let later = sealed(&mut keys(&leaf, &user), &entries[1..2], Some(&clients));
    assert_eq!(later.entries, [(indexes, Personal::In(sealed_in))]);
    assert!(later.refers_back);
    let is_sealed_anew = |keys: &mut Keys, entry: Entry, clients: Option<&Clients>| {
        let again = sealed(keys, &[entry], clients);
        matches!(again.entries[..], [(_, Personal::Sealed(_))]) && !again.refers_back
    };
    let mut old = keys(&leaf, &user);
    old.leaves.values_mut().for_each(|leaf| leaf.is_young = false);
    assert!(is_sealed_anew(&mut old, entry(), Some(&clients)), "its leaf may be another by now");
    let mut replaced = keys(&leaf, &key(5));
    assert!(is_sealed_anew(&mut replaced, entry(), Some(&clients)), "under the person's new key");
    let mut replaced = keys(&key(5), &user);
    assert!(is_sealed_anew(&mut replaced, entry(), Some(&clients)), "under the leaf's new key");
    assert!(
        is_sealed_anew(&mut keys(&leaf, &user), entry(), None),
        "where it may be there already"
    );
    clients.forget();
    assert!(is_sealed_anew(&mut keys(&leaf, &user), entry(), Some(&clients)));
}

#[test]
fn sal_10_whoever_differs_in_anything_is_another_client() {
    let ip = |text: &str| Some(text.parse().unwrap());
    let text = |text: &str| Some(text.into());
    let of = entry().person;
    let saying = |said: Said| Person { said: said.into(), ..of.clone() };
    let said = Said::clone(&of.said);
    let persons = [
        of.clone(),
        Person { user: None, ..of.clone() },
        Person { kind: Some("admin".into()), ..of.clone() },
        Person { kind: None, ..of.clone() },
        Person { session: Some(Uuid::from_u128(9)), ..of.clone() },
        Person { session: None, ..of.clone() },
        Person { ip: ip("203.0.113.78"), ..of.clone() },
        Person { ip: ip("2001:db8::1"), ..of.clone() },
        Person { ip: None, ..of.clone() },
        saying(Said { user_agent: text("a browse"), referrer: text("r"), ..said.clone() }),
        saying(Said { user_agent: text("a browser"), referrer: text(""), ..said.clone() }),
        saying(Said { user_agent: None, referrer: text("a browser"), ..said.clone() }),
        saying(Said { headers: None, ..said.clone() }),
        saying(Said { headers: text("{}"), ..said }),
    ];
    let entries: Vec<Entry> =
        persons.map(|person| Entry { person, ..entry() }).into_iter().collect();
    let mut keys = keys(&key(1), &key(2));
    let all = sealed(&mut keys, &entries, Some(&Clients::default()));
    assert!(all.entries.iter().all(|it| matches!(it.1, Personal::Sealed(_))));
    let mapped = Person { ip: ip("::ffff:203.0.113.77"), ..of };
    let same = [entry(), Entry { person: mapped, ..entry() }];
    let same = sealed(&mut keys, &same, Some(&Clients::default()));
    assert!(matches!(same.entries[1].1, Personal::In(_)), "one address in two forms");
}

#[test]
fn sal_08_of_whoever_was_erased_nothing_is_sealed_or_referred_to() {
    let mut keys = keys(&key(1), &key(2));
    let clients = Clients::default();
    let (before, after) = (entry(), entry());
    keys.ends.insert(of_person(&USER), before.recorded_at);
    let after = Entry { recorded_at: after.recorded_at + chrono::TimeDelta::seconds(1), ..after };
    let all = sealed(&mut keys, &[before, after], Some(&clients));
    assert_eq!(all.entries[0], (Indexes::default(), Personal::Erased));
    assert!(matches!(all.entries[1].1, Personal::Sealed(_)));
    keys.users.clear();
    let all = sealed(&mut keys, &[entry()], Some(&clients));
    assert_eq!(all.entries, [(Indexes::default(), Personal::Erased)]);
}
