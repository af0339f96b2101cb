use agora_domain::{
    Actor, PersonalCategory,
    compliance::{
        deletion_request::Request,
        deletion_values::{
            BackupStatus, DeletionGround, DeletionScope, DeletionStatus, ErasureStep, ErasureStore,
        },
    },
    ids::{DeletionId, MemberId},
};
use tempfile::TempDir;
use uuid::Uuid;

use super::*;

fn request() -> Request {
    let at = DateTime::from_timestamp(1_000, 0).unwrap();
    let subject = Actor::member(MemberId(Uuid::from_u128(7)));
    Request {
        deletion_id: DeletionId(Uuid::from_u128(1)),
        subject,
        scope: DeletionScope::CompleteDeletion,
        data_categories: Vec::new(),
        legal_ground: DeletionGround::Objection,
        status: DeletionStatus::Processing,
        requested_by: subject,
        requested_at: at,
        due_at: at,
        is_extended: false,
        verification_required: false,
        verification_completed_at: None,
        verified_by: None,
        first_approval: None,
        reviewer_id: None,
        reviewed_at: None,
        retention: None,
        recipients: Vec::new(),
        backup_status: BackupStatus::Completed,
        backups_gone_at: None,
        processing_started_at: Some(at),
        steps: vec![ErasureStep {
            at,
            store: ErasureStore::Keys,
            categories: PersonalCategory::ALL.to_vec(),
            result: StepResult::Done,
            code: None,
            count: Some(1),
            key_ids: vec!["00112233445566778899aabbccddeeff".into()],
        }],
        last_at: at,
    }
}

fn certificate() -> Certificate {
    let home = TempDir::new().unwrap();
    let signer = Signer::of_home(home.path()).unwrap();
    let at = DateTime::from_timestamp(2_000, 0).unwrap();
    let certificate = signer.certify(&request(), 42, at).unwrap();
    // The same key the next time.
    let again = Signer::of_home(home.path()).unwrap().certify(&request(), 42, at).unwrap();
    assert_eq!(again, certificate);
    certificate
}

#[test]
fn ddr_17_a_certificate_names_what_went_and_nobody() {
    let Certificate { statement, public_key, signature } = certificate();
    assert!(verify(&statement, &public_key, &signature));
    assert!(statement.contains("00112233445566778899aabbccddeeff"));
    assert!(statement.contains(r#""log_position":42"#));
    assert!(!statement.contains(&Uuid::from_u128(7).to_string()), "not even the person's id");
}

#[test]
fn ddr_01_ddr_17_a_certificate_says_the_ground_whichever_it_was() {
    let home = TempDir::new().unwrap();
    let signer = Signer::of_home(home.path()).unwrap();
    let at = DateTime::from_timestamp(2_000, 0).unwrap();
    for ground in DeletionGround::ALL {
        let request = Request { legal_ground: *ground, ..request() };
        let Certificate { statement, public_key, signature } =
            signer.certify(&request, 42, at).unwrap();
        assert!(verify(&statement, &public_key, &signature));
        let statement: serde_json::Value = serde_json::from_str(&statement).unwrap();
        assert_eq!(statement["legal_ground"], ground.as_str());
    }
}

#[test]
fn ddr_17_a_certificate_that_was_altered_fails() {
    let Certificate { statement, public_key, signature } = certificate();
    for at in 0..statement.len() {
        let mut bytes = statement.as_bytes().to_vec();
        bytes[at] ^= 1;
        if let Ok(altered) = String::from_utf8(bytes) {
            assert!(!verify(&altered, &public_key, &signature), "{at}");
        }
    }
    let other = certificate();
    assert!(!verify(&statement, &other.public_key, &signature), "another key");
    assert!(!verify(&statement, &public_key, &other.signature), "another's signature");
    for broken in ["", "AAAA", "no base64"] {
        assert!(!verify(&statement, &public_key, broken));
        assert!(!verify(&statement, broken, &signature));
    }
}

#[test]
fn ddr_17_a_key_that_others_can_read_signs_nothing() {
    let home = TempDir::new().unwrap();
    Signer::of_home(home.path()).unwrap();
    let path = home.path().join(FILE_NAME);
    fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
    assert!(matches!(Signer::of_home(home.path()), Err(SignError::Exposed)));
}
