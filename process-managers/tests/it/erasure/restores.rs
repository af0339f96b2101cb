//! The ledger: before a key goes, and after a backup was put back.

use agora_domain::identity::{admin::Admin, admin_roster::AdminRoster};
use agora_event_store::{
    erasures::{DoomedKey, End, Entry},
    vault::SubjectKey,
};
use agora_process_managers::erasure::reapply;

use super::*;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ddr_16_a_vault_that_was_put_back_shows_nothing_once_the_ledger_is_applied() {
    let scene = Scene::new("COMPLETE_DELETION", json!({})).await;
    let pool = &scene.story.database.pool;
    sqlx::query("CREATE TABLE public.backup AS SELECT * FROM vault.subject_keys")
        .execute(pool)
        .await
        .unwrap();
    let known = scene.readable().await;
    scene.erase().await;
    // The backup from before comes back, and with it every text.
    for statement in [
        "DELETE FROM vault.subject_keys",
        "INSERT INTO vault.subject_keys SELECT * FROM public.backup",
    ] {
        sqlx::query(statement).execute(pool).await.unwrap();
    }
    assert_eq!(scene.readable().await, known);
    let eraser = scene.eraser(0).await;
    assert_eq!(reapply(&eraser).await.unwrap().erasures, 1);
    assert_eq!(scene.readable().await, BTreeSet::new());
    assert_eq!(reapply(&eraser).await.unwrap().erasures, 1, "as often as one likes");
    let name = (scene.story.me.subject(), PersonalCategory::Identity);
    let vault = scene.story.database.vault();
    let found = vault.look_up(std::slice::from_ref(&name)).await.unwrap();
    assert!(matches!(found[&name], SubjectKey::Destroyed), "no key is made again either");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ddr_16_an_erased_admin_who_is_the_last_one_again_keeps_nobody_from_being_erased() {
    let scene = Scene::new("COMPLETE_DELETION", json!({})).await;
    let (me, admin) = (scene.story.me, scene.story.admin);
    let roster = json!({ "AdminRosterChanged": { "active": [admin.id] } });
    scene.story.say::<AdminRoster>(admin, AdminRoster::STREAM_ID, &[roster]).await;
    let eraser = scene.eraser(0).await;
    for subject in [admin, me] {
        let keys = PersonalCategory::ALL.iter().map(|it| DoomedKey { category: *it, key_id: None });
        let at = (0, chrono::Utc::now());
        let entry = Entry::new(Uuid::now_v7(), subject, End::Destroy, keys.collect(), true, at);
        eraser.ledger().append(&entry).unwrap();
    }
    let reapplied = reapply(&eraser).await.unwrap();
    assert_eq!((reapplied.erasures, reapplied.no_admin_is_left), (2, true));
    assert_eq!(scene.readable().await, BTreeSet::new());
    let vault = scene.story.database.vault();
    let name = (admin.subject(), PersonalCategory::Identity);
    let found = vault.look_up(std::slice::from_ref(&name)).await.unwrap();
    assert!(matches!(found[&name], SubjectKey::Destroyed));
    let closed = scene.story.log.load_fresh::<Admin>(&admin.id.to_string()).await.unwrap();
    assert!(closed.state.is_deleted() && !closed.state.is_active());
    assert!(reapply(&eraser).await.unwrap().no_admin_is_left, "as often as one likes");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ddr_16_a_line_that_went_with_its_machine_is_written_again_before_a_key_goes() {
    let scene = Scene::new("COMPLETE_DELETION", json!({})).await;
    let eraser = scene.eraser(0).await;
    let next = async || eraser.request(scene.deletion_id).await.unwrap().unwrap().next_store();
    while next().await != Some(ErasureStore::Keys) {
        eraser.advance(scene.deletion_id).await.unwrap();
    }
    fs::remove_file(eraser.ledger().path()).unwrap();
    // One that cannot be written stops it.
    fs::create_dir(eraser.ledger().path()).unwrap();
    assert!(eraser.advance(scene.deletion_id).await.is_err());
    assert_ne!(scene.readable().await, BTreeSet::new(), "nothing is destroyed without its line");
    let request = eraser.request(scene.deletion_id).await.unwrap().unwrap();
    let last = request.steps.last().unwrap();
    assert_eq!((last.store, last.result), (ErasureStore::Keys, StepResult::Failed));
    assert_eq!(request.status, DeletionStatus::Processing, "K18");
    fs::remove_dir(eraser.ledger().path()).unwrap();
    scene.erase().await;
    assert_eq!(eraser.ledger().read().unwrap().len(), 1);
    assert_eq!(scene.readable().await, BTreeSet::new());
}
