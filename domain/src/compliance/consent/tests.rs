use uuid::Uuid;

use super::*;
use crate::{
    compliance::policy_series::tests::{at, version},
    ids::{AdminId, MemberId},
    personal::Category,
};

const PERSON: Actor = Actor::member(MemberId(Uuid::from_u128(1)));
const ADMIN: Actor = Actor::admin(AdminId(Uuid::from_u128(2)));

fn terms(consent_type: ConsentType) -> ConsentTerms {
    let network =
        |text: &str| Personal::new(PERSON.subject(), Category::Network, text.parse().unwrap());
    ConsentTerms {
        consent_type,
        purpose_description: Some(Personal::new(
            PERSON.subject(),
            Category::Evidence,
            "To make the search better.".parse().unwrap(),
        )),
        consent_method: ConsentMethod::ExplicitOptIn,
        legal_basis: ConsentBasis::Consent,
        data_categories: vec!["searches".parse().unwrap()],
        processing_purposes: vec!["search_analytics".parse().unwrap()],
        third_party_sharing: false,
        retention_period_days: None,
        expires_at: None,
        ip_address: Some(network("203.0.113.7")),
        user_agent: None,
        evidence_data: None,
    }
}

fn question(number: u128, hours: i64) -> AnswerQuestion {
    AnswerQuestion {
        consent_id: ConsentId(Uuid::from_u128(number)),
        principal: PERSON,
        terms: terms(ConsentType::Analytics),
        shown: Some(version(1, 0)),
        signals_opt_out: false,
        now: at(hours),
    }
}

fn grant(number: u128, hours: i64) -> ConsentCommand {
    ConsentCommand::Grant(question(number, hours))
}

fn deny(number: u128, hours: i64) -> ConsentCommand {
    ConsentCommand::Deny(question(number, hours))
}

fn withdraw(hours: i64) -> ConsentCommand {
    ConsentCommand::Withdraw(WithdrawConsent { reason: None, now: at(hours) })
}

fn then(consent: &mut Consent, command: ConsentCommand) -> Vec<&'static str> {
    use crate::aggregate::StoredName;
    let events = consent.decide(command).unwrap();
    let names = events.iter().map(StoredName::stored_type).collect();
    for event in events {
        cqrs_es::Aggregate::apply(consent, event);
    }
    names
}

fn after(commands: impl IntoIterator<Item = ConsentCommand>) -> Consent {
    let mut consent = Consent::default();
    for command in commands {
        then(&mut consent, command);
    }
    consent
}

fn granted_with(change: impl FnOnce(&mut AnswerQuestion)) -> Result<usize, ConsentError> {
    let mut question = question(1, 1);
    change(&mut question);
    Consent::default().decide(ConsentCommand::Grant(question)).map(|events| events.len())
}

#[test]
fn con_06_every_answer_from_every_status() {
    let expiring = || {
        let mut question = question(1, 1);
        question.terms.expires_at = Some(at(5));
        ConsentCommand::Grant(question)
    };
    let none = || Consent::default();
    let granted = || after([grant(1, 1)]);
    let expired = || after([expiring()]);
    let denied = || after([deny(1, 1)]);
    let gone = || after([grant(1, 1), withdraw(2)]);
    let (new, old_and_new) = (vec!["ConsentDenied"], vec!["ConsentWithdrawn", "ConsentDenied"]);
    for (what, mut consent, expected) in [
        ("none", none(), vec!["ConsentGranted"]),
        ("granted", granted(), vec![]),
        ("expired", expired(), vec!["ConsentGranted"]),
        ("denied", denied(), vec!["ConsentGranted"]),
        ("withdrawn", gone(), vec!["ConsentGranted"]),
    ] {
        assert_eq!(then(&mut consent, grant(2, 10)), expected, "a grant of {what}");
    }
    for (what, mut consent, expected) in [
        ("none", none(), new.clone()),
        ("granted", granted(), old_and_new),
        ("expired", expired(), new.clone()),
        ("denied", denied(), vec![]),
        ("withdrawn", gone(), new),
    ] {
        assert_eq!(then(&mut consent, deny(2, 10)), expected, "a denial of {what}");
    }
    for (what, consent, expected) in [
        ("none", none(), Err(ConsentError::NotAsked)),
        ("granted", granted(), Ok(1)),
        ("expired", expired(), Err(ConsentError::Final)),
        ("denied", denied(), Err(ConsentError::Final)),
        ("withdrawn", gone(), Ok(0)),
    ] {
        let events = consent.decide(withdraw(10)).map(|events| events.len());
        assert_eq!(events, expected, "a withdrawal of {what}");
    }
}

#[test]
fn con_05_con_07_a_withdrawal_keeps_what_was_granted() {
    let granted = after([grant(1, 1)]);
    let consent = after([grant(1, 1), withdraw(2)]);
    let (before, record) = (granted.record().unwrap(), consent.record().unwrap());
    assert_eq!(record.status, ConsentStatus::Withdrawn);
    assert_eq!((record.granted_at, record.withdrawn_at), (Some(at(1)), Some(at(2))));
    assert_eq!((&record.terms, record.consent_id), (&before.terms, before.consent_id));
    // A clock that runs behind does not withdraw before the grant.
    let early = after([grant(1, 3), withdraw(2)]);
    assert_eq!(early.record().unwrap().withdrawn_at, Some(at(3)));
    let denied = after([deny(1, 1)]);
    assert_eq!(denied.record().unwrap().granted_at, None);
    let past = granted_with(|question| question.terms.expires_at = Some(at(1)));
    assert_eq!(past, Err(ConsentError::ExpiresBefore));
}

#[test]
fn con_06_a_later_grant_is_a_new_record_and_says_which_it_supersedes() {
    let mut consent = after([grant(1, 1)]);
    let mut other = question(2, 2);
    other.terms.third_party_sharing = true;
    let events = consent.decide(ConsentCommand::Grant(other)).unwrap();
    let ConsentEvent::ConsentGranted { consent: record, supersedes } = &events[0] else {
        panic!("{events:?}")
    };
    assert_eq!(*supersedes, Some(ConsentId(Uuid::from_u128(1))));
    assert_eq!(record.consent_id, ConsentId(Uuid::from_u128(2)));
    // To another text it is another answer.
    let mut newer = question(3, 3);
    newer.shown = Some(version(2, 3));
    assert_eq!(then(&mut consent, ConsentCommand::Grant(newer)), ["ConsentGranted"]);
}

#[test]
fn con_12_a_grant_reads_expired_from_its_instant_on() {
    let mut question = question(1, 1);
    question.terms.expires_at = Some(at(5));
    let consent = after([ConsentCommand::Grant(question)]);
    let record = consent.record().unwrap();
    assert_eq!(record.status_at(at(4)), ConsentStatus::Granted);
    assert_eq!(record.status_at(at(5)), ConsentStatus::Expired);
}

#[test]
fn con_03_con_10_con_11_what_counts_as_an_answer() {
    use ConsentError::{Bundled, NotAffirmative, NotInForce, WrongTerms};
    assert_eq!(granted_with(|question| question.shown = None), Err(NotInForce));
    for method in [ConsentMethod::Implied, ConsentMethod::PreChecked] {
        assert_eq!(granted_with(|it| it.terms.consent_method = method), Err(NotAffirmative));
    }
    assert_eq!(granted_with(|it| it.terms.consent_method = ConsentMethod::Granular), Ok(1));
    let more = "ads".parse::<ConsentTerm>().unwrap();
    assert_eq!(granted_with(|it| it.terms.processing_purposes.push(more.clone())), Err(Bundled));
    assert_eq!(granted_with(|it| it.terms.processing_purposes.clear()), Err(WrongTerms));
    assert_eq!(granted_with(|it| it.terms.data_categories.clear()), Err(WrongTerms));
    let many = vec![more; TERMS_MAX + 1];
    assert_eq!(granted_with(|it| it.terms.data_categories = many), Err(WrongTerms));
}

#[test]
fn con_13_the_signal_of_the_browser_denies_marketing_and_sharing() {
    let with = |consent_type, third_party_sharing, signals_opt_out| {
        let mut question = question(2, 2);
        question.terms = ConsentTerms { third_party_sharing, ..terms(consent_type) };
        question.signals_opt_out = signals_opt_out;
        ConsentCommand::Grant(question)
    };
    for (consent_type, shares) in [(ConsentType::Marketing, false), (ConsentType::Analytics, true)]
    {
        let consent = after([with(consent_type, shares, true)]);
        let record = consent.record().unwrap();
        assert!(record.status == ConsentStatus::Denied && record.denied_by_signal);
        let mut consent = after([with(consent_type, shares, false)]);
        assert_eq!(
            then(&mut consent, with(consent_type, shares, true)),
            ["ConsentWithdrawn", "ConsentDenied"]
        );
    }
    let other = after([with(ConsentType::Analytics, false, true)]);
    assert_eq!(other.record().unwrap().status, ConsentStatus::Granted);
}

#[test]
fn con_09_what_rests_on_another_ground_is_not_withdrawn() {
    let mut question = question(1, 1);
    question.terms.legal_basis = ConsentBasis::Contract;
    let consent = after([ConsentCommand::Grant(question)]);
    assert_eq!(consent.decide(withdraw(2)), Err(ConsentError::OtherBasis));
}

#[test]
fn con_16_a_child_needs_a_guardian() {
    let with = |text: serde_json::Value| {
        let evidence = ConsentEvidence::of(&text).unwrap();
        let evidence = Personal::new(PERSON.subject(), Category::Evidence, evidence);
        granted_with(|question| question.terms.evidence_data = Some(evidence))
    };
    assert_eq!(with(serde_json::json!({ "age": 12 })), Err(ConsentError::NoGuardian));
    assert_eq!(with(serde_json::json!({ "age": 12, "guardian": { "name": "K" } })), Ok(1));
}

fn imported(
    status: ConsentStatus,
    granted_at: Option<i64>,
    withdrawn_at: Option<i64>,
    expires_at: Option<i64>,
) -> Result<ConsentRecord, ConsentError> {
    let import = ImportConsent {
        consent_id: ConsentId(Uuid::from_u128(1)),
        principal: PERSON,
        principal_exists: true,
        terms: ConsentTerms {
            consent_method: ConsentMethod::PreChecked,
            expires_at: expires_at.map(at),
            ..terms(ConsentType::Marketing)
        },
        status,
        shown: Some(version(1, 0)),
        granted_at: granted_at.map(at),
        withdrawn_at: withdrawn_at.map(at),
        imported_by: ADMIN,
        now: at(100),
    };
    let consent = after([]);
    let events = consent.decide(ConsentCommand::Import(import))?;
    let ConsentEvent::ConsentImported { consent, .. } = &events[0] else { panic!("{events:?}") };
    Ok(consent.clone())
}

#[test]
fn con_05_con_10_an_import_is_history_whose_times_fit() {
    use ConsentStatus::{Denied, Expired, Granted, Withdrawn};
    let wrong = Err(ConsentError::WrongTimes);
    for (status, granted, withdrawn, expires, good) in [
        (Granted, Some(1), None, None, true),
        (Granted, None, None, None, false),
        (Granted, Some(1), Some(2), None, false),
        (Granted, Some(101), None, None, false),
        (Denied, None, None, None, true),
        (Denied, Some(1), None, None, false),
        (Withdrawn, Some(1), Some(2), None, true),
        (Withdrawn, Some(1), Some(1), None, true),
        (Withdrawn, Some(2), Some(1), None, false),
        (Withdrawn, None, Some(1), None, false),
        (Withdrawn, Some(1), None, None, false),
        (Expired, Some(1), None, Some(2), true),
        (Expired, Some(1), None, None, false),
        (Expired, Some(1), None, Some(101), false),
    ] {
        let found = imported(status, granted, withdrawn, expires).map(|record| record.is_imported);
        let expected = if good { Ok(true) } else { wrong.clone().map(|(): ()| false) };
        assert_eq!(found, expected, "{status:?} {granted:?} {withdrawn:?} {expires:?}");
    }
}

#[test]
fn con_02_each_person_type_and_purpose_has_a_stream_of_its_own() {
    let purpose = |text: &str| text.parse::<ConsentTerm>().unwrap();
    let of =
        |principal, consent_type, text| Consent::stream_id(principal, consent_type, &purpose(text));
    let one = of(PERSON, ConsentType::Analytics, "a");
    assert!(one.starts_with(&format!("member:{}-ANALYTICS-", PERSON.id)), "{one}");
    for other in [
        of(ADMIN, ConsentType::Analytics, "a"),
        of(PERSON, ConsentType::Cookies, "a"),
        of(PERSON, ConsentType::Analytics, "b"),
    ] {
        assert_ne!(one, other);
    }
}
