//! What the projections of guests, their comments and votes, and service accounts make of the log.

use serde_json::{Value, json};

use crate::{
    scene::{Scene, time},
    story::*,
};

#[tokio::test]
async fn gst_01_gst_04_gst_05_a_guests_row_says_when_and_nothing_else() {
    let mut scene = Scene::new().await;
    scene.append([guest_seen(0), on_guest(0, "GuestActive")]).await;
    scene.project_in(1).await;
    let row = scene.row("SELECT * FROM guests").await;
    let expected = json!({ "id": id(GUEST, 0), "created_at": time(1), "updated_at": time(2),
        "deleted_at": null, "session_signature": "digest0", "sequence": 2 });
    assert_eq!(row, expected);
    scene.append([on_guest(0, "GuestForgotten"), guest_seen(1), on_guest(1, "GuestActive")]).await;
    scene.project().await;
    let row = scene.row("SELECT * FROM guests WHERE deleted_at IS NOT NULL").await;
    assert_eq!((&row["updated_at"], &row["deleted_at"]), (&time(2), &time(3)));
    let row = scene.row("SELECT * FROM guests WHERE deleted_at IS NULL").await;
    assert_eq!((&row["created_at"], &row["updated_at"]), (&time(4), &time(5)));
}

#[tokio::test]
async fn gst_06_guests_and_members_who_were_guests_are_counted_by_day() {
    let mut scene = Scene::new().await;
    let mut converted = member_registered(1);
    converted.metadata["was_guest"] = "true".into();
    scene.append([guest_seen(0), guest_seen(1), member_registered(0), converted]).await;
    scene.project_in(3).await;
    let row = scene.row("SELECT * FROM guest_conversion_counts").await;
    let day = Scene::at(1).date_naive().to_string();
    let expected = json!({ "day": day, "guests_first_seen": 2, "members_registered": 1 });
    assert_eq!(row, expected);
}

#[tokio::test]
async fn cmt_05_cvt_05_guests_stand_in_columns_of_their_own() {
    let mut scene = Scene::new().await;
    let comment = by_guest(comment_created(0, id(POST, 0), None, id(MEMBER, 0)), "author", 0);
    let cast = comment_vote(id(COMMENT, 0), id(MEMBER, 0), "upvote", "none");
    scene.append([comment, by_guest(cast, "voter", 1)]).await;
    scene.project().await;
    let row = scene.row("SELECT * FROM comments").await;
    assert_eq!(row["author_guestuser_id"], json!(id(GUEST, 0)));
    let others = (&row["author_memberuser_id"], &row["author_adminuser_id"]);
    assert_eq!(others, (&Value::Null, &Value::Null));
    let row = scene.row("SELECT * FROM comment_votes").await;
    assert_eq!(row["voter_guestuser_id"], json!(id(GUEST, 1)));
    assert_eq!(row["voter_memberuser_id"], Value::Null);
    assert_eq!(scene.row("SELECT score FROM comment_scores").await["score"], 1);
}

#[tokio::test]
async fn adm_07_a_service_accounts_row_says_which_key_lets_it_in() {
    let mut scene = Scene::new().await;
    scene.append([on_service_account(0, "ServiceAccountCreated", 1)]).await;
    scene.append([on_service_account(0, "ServiceAccountKeyRotated", 2)]).await;
    scene.project_in(1).await;
    let row = scene.row("SELECT * FROM service_accounts").await;
    let expected = json!({ "id": id(SERVICE_ACCOUNT, 0), "user_credential_id": id(9, 800),
        "key_id": id(15, 2), "key_issued_at": time(2), "created_at": time(1),
        "updated_at": time(2), "sequence": 2 });
    assert_eq!(row, expected);
    scene.append([on_service_account(0, "ServiceAccountKeyRevoked", 0)]).await;
    scene.project().await;
    let row = scene.row("SELECT * FROM service_accounts").await;
    assert_eq!((&row["key_id"], &row["key_issued_at"]), (&Value::Null, &Value::Null));
    assert_eq!((&row["created_at"], &row["updated_at"]), (&time(1), &time(3)));
    let audited = scene.rows("SELECT event_type FROM audit_log ORDER BY position").await;
    let types: Vec<_> = audited.iter().map(|row| row["event_type"].clone()).collect();
    let expected =
        ["service_account_created", "service_account_key_rotated", "service_account_key_revoked"];
    assert_eq!(types, expected);
}
