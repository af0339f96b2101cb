use cqrs_es::Aggregate;
use uuid::Uuid;

use super::*;
use crate::{
    changes::tests::exhausted,
    ids::{AdminId, GuestId, MemberId},
    personal::{Category, Subject},
    refusal::{Refusal, RefusalKind},
};

const MEMBER: Actor = Actor::member(MemberId(Uuid::from_u128(1)));
const ADMIN: Actor = Actor::admin(AdminId(Uuid::from_u128(2)));

fn hash(text: &str) -> Personal<PasswordHash> {
    let hash = format!("$argon2id${text}").parse().unwrap();
    Personal::new(Subject::from(MEMBER.id), Category::Credential, hash)
}

fn register(holder: Actor) -> CredentialCommand {
    let email = "ola@example.org".parse().unwrap();
    CredentialCommand::Register(RegisterCredential {
        credential_id: CredentialId(Uuid::from_u128(3)),
        holder,
        email: Personal::new(Subject::from(MEMBER.id), Category::Identity, email),
        password_hash: hash("first"),
    })
}

fn change(current_password_verified: bool) -> CredentialCommand {
    CredentialCommand::ChangePassword(ChangePassword {
        password_hash: hash("second"),
        current_password_verified,
    })
}

fn invalidate() -> CredentialCommand {
    CredentialCommand::Invalidate(InvalidateCredential { invalidated_by: ADMIN })
}

fn given(commands: impl IntoIterator<Item = CredentialCommand>) -> Credential {
    let mut credential = Credential::default();
    for command in commands {
        for event in credential.decide(command).unwrap() {
            Aggregate::apply(&mut credential, event);
        }
    }
    credential
}

#[test]
fn mem_03_adm_02_rel_01_a_credential_is_registered_once_for_one_member_or_admin() {
    for holder in [MEMBER, ADMIN] {
        let credential = given([register(holder)]);
        assert_eq!(credential.holder(), Some(holder));
        for other in [MEMBER, ADMIN] {
            let again = credential.decide(register(other));
            assert_eq!(again, Err(CredentialError::AlreadyExists));
        }
    }
    let nobody = Credential::default().decide(register(Actor::SYSTEM));
    assert_eq!(nobody, Err(CredentialError::NoHolder));
}

#[test]
fn gst_02_a_guest_can_have_no_credential() {
    let guest = Actor::guest(GuestId(MEMBER.id));
    let linked = Credential::default().decide(register(guest));
    assert_eq!(linked, Err(CredentialError::HeldByGuest));
}

#[test]
fn crd_04_no_password_fits_an_invalidated_credential() {
    let mut credential = given([register(MEMBER)]);
    assert!(credential.is_valid() && credential.password_hash().is_some());
    for event in credential.decide(invalidate()).unwrap() {
        Aggregate::apply(&mut credential, event);
    }
    assert!(credential.exists() && !credential.is_valid());
    assert_eq!(credential.password_hash(), None);
    assert_eq!(credential.decide(change(true)), Err(CredentialError::Invalidated));
    assert_eq!(credential.decide(invalidate()), Ok(vec![]), "twice is once");
}

#[test]
fn crd_05_every_change_of_the_password_is_an_event() {
    let credential = given([register(MEMBER), change(true)]);
    assert_eq!(credential.password_hash(), hash("second").get());
    assert_eq!(credential.decide(change(true)).unwrap().len(), 1, "also where nothing differs");
}

#[test]
fn crd_08_changing_the_password_needs_the_current_one() {
    let credential = given([register(MEMBER)]);
    assert_eq!(credential.decide(change(false)), Err(CredentialError::CurrentPasswordWrong));
}

#[test]
fn crd_02_debug_shows_neither_address_nor_hash() {
    let shown = format!("{:?}", given([register(MEMBER)]));
    assert!(!shown.contains("example.org") && !shown.contains("argon2id"), "{shown}");
}

#[test]
fn rel_10_what_does_not_exist_is_not_found() {
    for command in [change(true), invalidate()] {
        assert_eq!(Credential::default().decide(command), Err(CredentialError::NotFound));
    }
}

const CONFIRMATION: EmailConfirmationId = EmailConfirmationId(Uuid::from_u128(5));

fn at(seconds: i64) -> DateTime<Utc> {
    DateTime::from_timestamp(seconds, 0).unwrap()
}

fn email(text: &str) -> Personal<Email> {
    Personal::new(Subject::from(MEMBER.id), Category::Identity, text.parse().unwrap())
}

fn register_to_confirm() -> CredentialCommand {
    let CredentialCommand::Register(register) = register(MEMBER) else { unreachable!() };
    CredentialCommand::RegisterToConfirm(RegisterToConfirm {
        register,
        confirmation_id: CONFIRMATION,
        expires_at: at(100),
        display_name: None,
    })
}

fn change_email(current_password_verified: bool) -> CredentialCommand {
    CredentialCommand::ChangeEmail(ChangeEmail {
        confirmation_id: CONFIRMATION,
        email: email("kari@example.org"),
        expires_at: at(100),
        current_password_verified,
    })
}

fn confirm(confirmation_id: EmailConfirmationId, seconds: i64) -> CredentialCommand {
    CredentialCommand::ConfirmEmail(ConfirmEmail { confirmation_id, now: at(seconds) })
}

fn reset() -> CredentialCommand {
    let reset_id = PasswordResetId(Uuid::from_u128(6));
    CredentialCommand::ResetPassword(ResetPassword { reset_id, password_hash: hash("third") })
}

#[test]
fn crd_09_no_password_fits_before_the_address_is_confirmed() {
    let credential = given([register_to_confirm()]);
    assert_eq!(credential.password_hash(), None);
    for command in [change(true), reset(), change_email(true)] {
        assert_eq!(credential.decide(command), Err(CredentialError::NotConfirmed));
    }
    let confirmed = given([register_to_confirm(), confirm(CONFIRMATION, 99)]);
    assert!(confirmed.password_hash().is_some() && confirmed.awaited().is_none());
}

#[test]
fn crd_10_another_address_needs_the_password_and_counts_once_it_is_confirmed() {
    let credential = given([register(MEMBER)]);
    let refused = credential.decide(change_email(false));
    assert_eq!(refused, Err(CredentialError::NotReauthenticated));
    let asked = given([register(MEMBER), change_email(true)]);
    assert_eq!(asked.email().unwrap().as_str(), "ola@example.org");
    assert!(asked.password_hash().is_some(), "it goes on being used meanwhile");
    let changed = given([register(MEMBER), change_email(true), confirm(CONFIRMATION, 0)]);
    assert_eq!(changed.email().unwrap().as_str(), "kari@example.org");
}

#[test]
fn crd_12_a_confirmation_counts_once_in_time_and_for_the_last_request() {
    let asked = given([register(MEMBER), change_email(true)]);
    let other = EmailConfirmationId(Uuid::from_u128(7));
    assert_eq!(asked.decide(confirm(other, 0)), Err(CredentialError::NotAwaited));
    let late = asked.decide(confirm(CONFIRMATION, 100));
    assert_eq!(late, Err(CredentialError::ConfirmationExpired));
    let used = given([register(MEMBER), change_email(true), confirm(CONFIRMATION, 0)]);
    assert_eq!(used.decide(confirm(CONFIRMATION, 0)), Err(CredentialError::NotAwaited));
}

#[test]
fn crd_10_a_new_password_takes_back_a_change_of_address_that_waits() {
    for command in [change(true), reset()] {
        let credential = given([register(MEMBER), change_email(true), command]);
        assert!(credential.awaited().is_none());
        let late = credential.decide(confirm(CONFIRMATION, 0));
        assert_eq!(late, Err(CredentialError::NotAwaited));
    }
}

#[test]
fn crd_04_crd_05_an_invalidated_credential_is_neither_reset_nor_confirmed() {
    let reset_once = given([register(MEMBER), reset()]);
    assert_eq!(reset_once.password_hash(), hash("third").get());
    let gone = given([register(MEMBER), change_email(true), invalidate()]);
    for command in [reset(), change_email(true), confirm(CONFIRMATION, 0)] {
        assert_eq!(gone.decide(command), Err(CredentialError::Invalidated));
    }
}

#[test]
fn crd_12_whatever_is_done_a_credential_stays_below_200_events_and_ends() {
    let reset = || {
        CredentialCommand::ResetPassword(ResetPassword {
            reset_id: PasswordResetId(Uuid::from_u128(7)),
            password_hash: hash("third"),
        })
    };
    let changed = exhausted(given([register(MEMBER)]), |_| vec![change(true)]);
    assert_eq!(changed.1, 100);
    let refused = changed.0.decide(change(true)).unwrap_err();
    assert_eq!((refused.rule(), refused.kind()), ("CRD-12", RefusalKind::Invalid));
    // Somebody with a stolen password has used it up; who reads the mail still gets it back.
    let (credential, resets) = exhausted(changed.0, |_| vec![reset()]);
    assert_eq!(resets, 90);
    assert_eq!(credential.decide(reset()), Err(CredentialError::ResetTooOften));
    assert_eq!(credential.decide(invalidate()).unwrap().len(), 1);
}
