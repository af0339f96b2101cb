//! Mails of somebody who is erased, in files.

use agora_domain::{
    compliance::{policy_version::PolicyVersion, processing_limit::ProcessingLimit},
    identity::{credential::Credential, password_reset::PasswordReset},
    process_managers::{mail::MailKind, policy_notices},
};

use super::*;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ddr_15_no_mail_in_a_file_is_left_whatever_it_was_about() {
    let scene = Scene::new("COMPLETE_DELETION", json!({})).await;
    let (story, me, admin) = (&scene.story, scene.story.me, scene.story.admin);
    let (is, by) =
        (json!({ "kind": "member", "id": me.id }), json!({ "kind": "admin", "id": admin.id }));
    let personal = |category: &str, value: &str| json!({ "$personal": { "subject": me.id, "category": category, "value": value } });
    let (limit_id, reset_id, version_id) = (Uuid::now_v7(), Uuid::now_v7(), Uuid::now_v7());
    let limit = json!({ "limit_id": limit_id, "principal": is, "limit_kind": "RESTRICTION",
        "ground": "ACCURACY_CONTESTED", "since": "2026-01-01T00:00:00Z",
        "ended_at": "2026-01-02T00:00:00Z" });
    let lifted = json!({ "RestrictionLifted": { "limit": limit, "lifted_by": by,
        "lifting_reason": personal("evidence", "mine-why") } });
    story.say::<ProcessingLimit>(admin, me, &[lifted]).await;
    let credential: String = sqlx::query_scalar(
        "SELECT aggregate_id FROM log.events WHERE event_type = 'CredentialRegistered'
         AND payload -> 'CredentialRegistered' -> 'holder' ->> 'id' = $1",
    )
    .bind(me.id.to_string())
    .fetch_one(&story.database.pool)
    .await
    .unwrap();
    let asked = json!({ "PasswordResetRequested": { "reset_id": reset_id, "email": null,
        "expires_at": "2030-01-01T00:00:00Z", "credential_id": credential, "requested_by": by } });
    story.say::<PasswordReset>(admin, reset_id, &[asked]).await;
    let hash = "$argon2id$v=19$m=19456,t=2,p=1$c29tZXNhbHRzb21lc2FsdA$\
                8Lh0vnQ2jdQxHjpzrHyxwvSB9xVJLqWTJKM5CYK5e1A";
    let reset = json!({ "PasswordReset": { "reset_id": reset_id,
        "password_hash": personal("credential", hash) } });
    story.say::<Credential>(me, credential, &[reset]).await;
    let policy = json!({ "version_id": version_id, "version_number": "v9",
        "effective_date": "2030-01-01T00:00:00Z", "policy_content": "What is stored.",
        "content_hash": "0a".repeat(32), "major_changes": ["Less."], "acceptance_required": false,
        "legal_review_status": "PUBLISHED", "authors": [by], "reviewed_by": by,
        "reviewed_at": "2026-01-01T00:00:00Z", "published_at": "2026-01-01T00:00:00Z",
        "notification_sent": false });
    let published = json!({ "PolicyPublished": { "policy": policy, "published_by": by } });
    story.say::<PolicyVersion>(admin, version_id, &[published]).await;

    let folder = scene.home.path().join("mail");
    let write = |id: Uuid| {
        let path = folder.join(format!("{id}.eml"));
        fs::write(&path, "To: <long-ago@example.org>\r\n\r\n").unwrap();
        path
    };
    let events = scene.events().await;
    let id_of = |kind: &str, stream: &str| {
        let is_it =
            |event: &&RecordedEvent| event.event_type == kind && event.aggregate_id == stream;
        events.iter().find(is_it).unwrap().event_id
    };
    let lifted = id_of("RestrictionLifted", &me.to_string());
    let asked = id_of("PasswordResetRequested", &reset_id.to_string());
    let published = id_of("PolicyPublished", &version_id.to_string());
    let gone = [
        write(MailKind::RestrictionLifted.mail_id(lifted)),
        write(MailKind::ResetPassword.mail_id(asked)),
        write(policy_notices::mail_id(published, me.id)),
    ];
    let theirs = write(policy_notices::mail_id(published, story.other.id));
    scene.erase().await;
    for path in gone {
        assert!(!path.exists(), "{path:?}");
    }
    assert!(theirs.exists(), "others' mails stay");
}
