use cqrs_es::Aggregate;
use uuid::Uuid;

use super::*;
use crate::{
    ids::{AdminId, GuestId, MemberId},
    personal::{Category, Subject},
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
