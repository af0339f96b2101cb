//! Erasures, carried out: what is left of a person that was everywhere, at whatever step the process is
//! killed, and after a backup was put back.

mod mails;
mod restores;

use std::{collections::BTreeSet, fs, path::PathBuf, time::Duration};

use agora_command_api::{App, Settings};
use agora_domain::{
    Actor, PersonalCategory,
    compliance::{
        deletion_request::DeletionRequest,
        deletion_values::{DeletionStatus, ErasureStore, StepResult},
        subject_erasures::SubjectErasures,
    },
    content::post::Post,
    identity::member::Member,
    ids::DeletionId,
};
use agora_event_store::{
    Opener, RecordedEvent, Unit, log::Draft, read, security::SecurityLog, testing::eventually,
};
use agora_process_managers::{
    erasure::{Eraser, ErasureArgs, Progress, certificate},
    processes::erasure::Erasure,
    runner,
};
use agora_projectors::{databases::Databases, projections, rebuild, search_rewrites};
use agora_service::objects::Objects;
use indicatif::ProgressBar;
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use crate::subject_story::{Story, project};

/// A person in everything, whose erasure is approved, among projectors that run.
struct Scene {
    story: Story,
    home: TempDir,
    deletion_id: DeletionId,
    projecting: tokio::task::JoinHandle<()>,
}

impl Drop for Scene {
    fn drop(&mut self) {
        self.projecting.abort();
    }
}

fn arguments(backup_days: u16) -> ErasureArgs {
    ErasureArgs {
        backup_days,
        erasure_mail_seconds: 0,
        erasure_cache_seconds: 0,
        erasure_search_seconds: 30,
    }
}

impl Scene {
    async fn new(scope: &str, more: Value) -> Self {
        let story = Story::new().await;
        let home = TempDir::new().unwrap();
        let deletion_id = DeletionId(Uuid::now_v7());
        let scene = Self::begin(story, home, deletion_id);
        scene.approve(scope, more).await;
        scene.write_files();
        scene
    }

    fn begin(story: Story, home: TempDir, deletion_id: DeletionId) -> Self {
        let databases = Databases {
            log: story.database.connect_as("agora_projector"),
            opener: Opener::new(story.database.vault()),
        };
        let url = story.database.url_as("agora_projector");
        let projecting = tokio::spawn(async move {
            loop {
                search_rewrites::rewrite(&databases).await.unwrap();
                follow(&url, &databases.opener).await;
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        });
        Self { story, home, deletion_id, projecting }
    }

    async fn approve(&self, scope: &str, more: Value) {
        let (story, at) = (&self.story, "2026-01-05T00:00:00Z");
        let is = |actor: Actor| json!({ "kind": actor.kind.as_str(), "id": actor.id });
        let id = self.deletion_id;
        let mut requested = json!({ "deletion_id": id, "subject": is(story.me),
            "deletion_scope": scope, "legal_ground": "OBJECTION", "requested_by": is(story.me),
            "requested_at": at, "due_at": "2026-02-05T00:00:00Z",
            "verification_required": false });
        for (name, value) in more.as_object().unwrap() {
            requested[name] = value.clone();
        }
        let reviewed = json!({ "reviewer_id": is(story.admin), "review_started_at": at });
        let approved = json!({ "reviewer_id": is(story.admin), "approved_at": at });
        let events = [
            json!({ "DeletionRequested": requested }),
            json!({ "DeletionReviewStarted": reviewed }),
            json!({ "DeletionApproved": approved }),
        ];
        story.say::<DeletionRequest>(story.admin, id, &events).await;
        let open = json!({ "SubjectErasuresChanged": { "subject": is(story.me), "open": id,
                           "is_erased": false } });
        story.say::<SubjectErasures>(story.admin, story.me, &[open]).await;
    }

    fn export_file(&self) -> PathBuf {
        let folder = format!("objects/exports/subject_data/{}", self.story.job_id);
        self.home.path().join(folder).join("data.zip")
    }

    /// A file of the person's export, a mail to it, and one to somebody else.
    fn write_files(&self) {
        let (file, mail) = (self.export_file(), self.home.path().join("mail"));
        fs::create_dir_all(file.parent().unwrap()).unwrap();
        fs::write(file, "mine-title").unwrap();
        fs::create_dir_all(&mail).unwrap();
        for (name, to) in [("1", "mine-second@example.org"), ("2", "theirs-second@example.org")] {
            let text = format!("From: a@b.example\r\nTo: {to}\r\n\r\nTo: nobody\r\n");
            fs::write(mail.join(format!("{name}.eml")), text).unwrap();
        }
    }

    async fn app(&self) -> App {
        let log = self.story.database.log().await;
        let security = SecurityLog::start(log.pool().clone(), self.story.database.vault(), None);
        App::new(log, security, Settings::default())
    }

    /// Another process, that knows nothing of what those before it did.
    async fn eraser(&self, backup_days: u16) -> Eraser {
        let home = self.home.path().to_owned();
        let objects = Objects::in_folder(home.join("objects"));
        Eraser::new(self.app().await, objects, home, arguments(backup_days))
    }

    async fn erase(&self) {
        let progress = self.eraser(0).await.run(self.deletion_id).await.unwrap();
        assert_eq!(progress, Progress::Ended);
    }

    async fn events(&self) -> Vec<RecordedEvent> {
        let mut connection = self.story.database.pool.acquire().await.unwrap();
        read::range(&mut connection, 0, 10_000).await.unwrap()
    }

    /// Every personal value of the person that can be opened, by a process that knows no key yet.
    async fn readable(&self) -> BTreeSet<String> {
        let opener = Opener::new(self.story.database.vault());
        let events = self.events().await;
        let opened = opener.open_events(&events.iter().collect::<Vec<_>>()).await.unwrap();
        let mut values = BTreeSet::new();
        for event in opened {
            let payload = serde_json::from_str(&event.payload).unwrap();
            collect(&payload, &self.story.me.id.to_string(), &mut values);
        }
        values
    }

    /// Everything that stands in the databases, as text.
    async fn dump(&self) -> String {
        let pool = &self.story.database.pool;
        let tables: Vec<String> = sqlx::query_scalar(
            "SELECT format('%I.%I', n.nspname, c.relname)
             FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
             WHERE c.relkind = 'r' AND n.nspname IN ('log', 'read', 'read_build', 'search', 'process',
                                                     'vault')
             ORDER BY 1",
        )
        .fetch_all(pool)
        .await
        .unwrap();
        let mut dump = String::new();
        for table in tables {
            let statement =
                format!("SELECT coalesce(string_agg(t::text, E'\\n'), '') FROM {table} t");
            let text: String = sqlx::query_scalar(&statement).fetch_one(pool).await.unwrap();
            dump.push_str(&text);
        }
        dump
    }

    async fn wrong_hashes(&self) -> i64 {
        sqlx::query_scalar(
            "SELECT count(*) FROM log.events e WHERE entry_hash <> log.entry_hash(event_id,
                 aggregate_type, aggregate_id, sequence, event_type, event_version, payload::text,
                 metadata::text, log.rfc3339_micros(recorded_at))",
        )
        .fetch_one(&self.story.database.pool)
        .await
        .unwrap()
    }

    async fn title(&self, app: &App) -> Option<String> {
        let id: String = sqlx::query_scalar(
            "SELECT aggregate_id FROM log.events
             WHERE event_type = 'PostCreated' AND payload->'PostCreated'->'author'->>'id' = $1",
        )
        .bind(self.story.me.id.to_string())
        .fetch_one(&self.story.database.pool)
        .await
        .unwrap();
        let post = app.log.load::<Post>(&id).await.unwrap();
        let text = serde_json::to_value(&*post.state).unwrap();
        let mut values = BTreeSet::new();
        collect(&text, &self.story.me.id.to_string(), &mut values);
        values.into_iter().find(|value| value.contains("title"))
    }
}

/// Applies what is new, as projectors do.
async fn follow(url: &str, opener: &Opener) {
    use agora_projectors::{
        checkpoints,
        runner::applier::{Applier, Origin},
    };
    use sqlx::ConnectOptions;
    let options = checkpoints::live(url.parse().unwrap());
    let connection = options.connect().await.unwrap();
    let mut applier = Applier::open(connection, opener.clone()).await.unwrap();
    let head = applier.head().await.unwrap();
    applier.check_history(head).await.unwrap();
    loop {
        let events = applier.read_log(2_000).await.unwrap();
        if events.is_empty() {
            break applier.flush().await.unwrap();
        }
        applier.apply(&events, Origin::Log).await.unwrap();
    }
}

fn collect(value: &Value, subject: &str, values: &mut BTreeSet<String>) {
    match value {
        Value::Object(fields) => match fields.get("$personal") {
            Some(personal) if personal["subject"] == subject => {
                if let Some(text) = personal["value"].as_str() {
                    values.insert(text.to_owned());
                }
            }
            Some(_) => {}
            None => fields.values().for_each(|field| collect(field, subject, values)),
        },
        Value::Array(items) => items.iter().for_each(|item| collect(item, subject, values)),
        _ => {}
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ddr_14_ddr_15_nothing_is_left_of_a_person_that_was_everywhere() {
    let scene = Scene::new("COMPLETE_DELETION", json!({})).await;
    let (story, home) = (&scene.story, scene.home.path());
    let known = scene.readable().await;
    assert!(known.len() > 20, "the person was everywhere: {known:?}");
    let before = scene.dump().await;
    assert!(before.contains("'mine-title'"), "words of the person's can be found before");
    // A process that holds keys and states from before.
    let elsewhere = scene.app().await;
    assert_eq!(scene.title(&elsewhere).await.as_deref(), Some("mine-title"));

    scene.erase().await;

    assert_eq!(scene.readable().await, BTreeSet::new());
    let after = scene.dump().await;
    for text in &known {
        assert!(!after.contains(text.as_str()), "{text}");
        for word in text.split([' ', '=', '@']).filter(|word| word.starts_with("mine-")) {
            assert!(!after.contains(&format!("'{word}'")), "{word} is in no index");
        }
    }
    assert!(after.contains("'theirs-title'"), "others' words are");
    assert!(!scene.export_file().exists());
    assert!(!home.join("mail/1.eml").exists());
    assert!(home.join("mail/2.eml").exists(), "others' mails stay");
    // Nobody logs in, by whatever.
    let member = story.log.load_fresh::<Member>(&story.me.id.to_string()).await.unwrap();
    assert!(!member.state.may_log_in());
    let searches: i64 =
        sqlx::query_scalar("SELECT count(*) FROM log.search_records WHERE member_user_id = $1")
            .bind(story.me.id)
            .fetch_one(&story.database.pool)
            .await
            .unwrap();
    assert_eq!(searches, 0);
    // The other process has let go of what it held.
    elsewhere.log.catch_up().await;
    assert_eq!(scene.title(&elsewhere).await, None);
    assert_eq!(scene.wrong_hashes().await, 0, "nothing in the log was changed");
    project(&story.database).await;
    let databases = Databases {
        log: story.database.connect_as("agora_projector"),
        opener: Opener::new(story.database.vault()),
    };
    let bar = ProgressBar::hidden();
    for rebuilt in rebuild::run(&databases, projections::ALL, true, &bar).await.unwrap() {
        rebuilt.result.unwrap();
    }
    assert_eq!(scene.readable().await, BTreeSet::new());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ddr_09_ddr_14_killed_at_every_step_it_ends_as_if_it_had_not_been() {
    let scene = Scene::new("COMPLETE_DELETION", json!({})).await;
    let id = scene.deletion_id;
    assert_eq!(scene.eraser(0).await.advance(id).await.unwrap(), Progress::Going);
    for store in ErasureStore::ALL {
        // Done, and killed before it was said.
        let killed = scene.eraser(0).await;
        let request = killed.request(id).await.unwrap().unwrap();
        assert_eq!(request.next_store(), Some(*store));
        killed.perform(&request, *store).await.unwrap();
        drop(killed);
        let resumed = scene.eraser(0).await;
        assert_eq!(resumed.advance(id).await.unwrap(), Progress::Going, "{store:?}");
        let request = resumed.request(id).await.unwrap().unwrap();
        assert_eq!(request.steps.last().unwrap().store, *store);
        assert_eq!(request.steps.last().unwrap().result, StepResult::Done);
    }
    scene.erase().await;
    let request = scene.eraser(0).await.request(id).await.unwrap().unwrap();
    assert_eq!(request.status, DeletionStatus::Completed);
    assert_eq!(request.steps.len(), ErasureStore::ALL.len(), "each is said once");
    assert_eq!(scene.readable().await, BTreeSet::new());
    assert_eq!(scene.eraser(0).await.ledger().read().unwrap().len(), 1);
    let destroyed: i64 = sqlx::query_scalar(
        "SELECT count(*) FROM log.events WHERE event_type = 'SubjectKeyDestroyed'",
    )
    .fetch_one(&scene.story.database.pool)
    .await
    .unwrap();
    assert_eq!(destroyed, 1);
    // What was destroyed has its name in the log, and in the certificate.
    assert!(request.key_ids().len() >= 4);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ddr_17_the_certificate_can_be_checked_and_names_nobody() {
    let scene = Scene::new("COMPLETE_DELETION", json!({})).await;
    scene.erase().await;
    let events = scene.events().await;
    let issued = events.iter().find(|event| event.event_type == "ErasureCertificateIssued");
    let payload: Value = serde_json::from_str(&issued.unwrap().payload).unwrap();
    let field = |name: &str| payload["ErasureCertificateIssued"][name].as_str().unwrap().to_owned();
    let (statement, key, signature) = (field("statement"), field("public_key"), field("signature"));
    assert!(certificate::verify(&statement, &key, &signature));
    assert!(!certificate::verify(&statement.replace("COMPLETE", "PARTIAL"), &key, &signature));
    assert!(!statement.contains(&scene.story.me.id.to_string()));
    let told: Value = serde_json::from_str(&statement).unwrap();
    assert_eq!(told["stores"].as_array().unwrap().len(), ErasureStore::ALL.len());
    let position = told["log_position"].as_u64().unwrap();
    let at = events.iter().find(|event| event.position == position).unwrap();
    assert_eq!(at.event_type, "SubjectKeyDestroyed");
    let log = &scene.story.log;
    let erasures = log.load_fresh::<SubjectErasures>(&scene.story.me.to_string()).await.unwrap();
    assert!(erasures.state.is_erased() && erasures.state.open().is_none());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ddr_19_anonymization_keeps_what_was_written_and_cuts_who_wrote_it() {
    let scene = Scene::new("ANONYMIZATION", json!({})).await;
    scene.erase().await;
    let left = scene.readable().await;
    assert!(left.contains("mine-title") && left.contains("mine-comment now"));
    for gone in
        ["mine-name", "mine-name-then", "mine-first@example.org", "mine-device", "192.0.2.77"]
    {
        assert!(!left.contains(gone), "{gone}");
    }
    assert!(scene.dump().await.contains("'mine-title'"), "it is still found");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ddr_19_a_partial_deletion_takes_what_is_named_and_the_account_goes_on() {
    let more = json!({ "data_categories": ["content"] });
    let scene = Scene::new("PARTIAL_DELETION", more).await;
    let story = &scene.story;
    scene.erase().await;
    let left = scene.readable().await;
    assert!(!left.contains("mine-title") && left.contains("mine-name"), "{left:?}");
    assert!(!scene.dump().await.contains("'mine-title'"));
    let member = story.log.load_fresh::<Member>(&story.me.id.to_string()).await.unwrap();
    assert!(member.state.may_log_in());
    // It writes again, under another key.
    story.log.catch_up().await;
    let (post, is) = (Uuid::now_v7(), json!({ "kind": "member", "id": story.me.id }));
    let says = |text: &str| json!({ "$personal": { "subject": story.me.id, "category": "content", "value": text } });
    let created = json!({ "PostCreated": { "post_id": post, "community_id": Uuid::now_v7(),
        "author": is, "title": says("mine-again"), "body": says("mine-again too") } });
    story.say::<Post>(story.me, post, &[created]).await;
    let left = scene.readable().await;
    assert!(left.contains("mine-again") && !left.contains("mine-title"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ddr_10_ddr_12_it_is_not_completed_before_backups_are_gone() {
    let scene = Scene::new("COMPLETE_DELETION", json!({})).await;
    let eraser = scene.eraser(7).await;
    let Progress::WaitsUntil(gone_at) = eraser.run(scene.deletion_id).await.unwrap() else {
        panic!("it waits for the backups")
    };
    assert!(gone_at > chrono::Utc::now() + chrono::TimeDelta::days(6));
    let request = eraser.request(scene.deletion_id).await.unwrap().unwrap();
    assert_eq!(request.status, DeletionStatus::Processing);
    assert_eq!(scene.readable().await, BTreeSet::new(), "but erased it is");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ddr_10_who_says_that_backups_are_going_does_not_say_that_they_are_gone() {
    let scene = Scene::new("COMPLETE_DELETION", json!({})).await;
    let (eraser, id) = (scene.eraser(7).await, scene.deletion_id);
    let request = async || eraser.request(id).await.unwrap().unwrap();
    while !request().await.is_done(ErasureStore::Keys) {
        eraser.advance(id).await.unwrap();
    }
    let updated = json!({ "BackupErasureUpdated": { "backup_deletion_status": "IN_PROGRESS",
                          "updated_at": chrono::Utc::now() } });
    scene.story.say::<DeletionRequest>(scene.story.admin, id, &[updated]).await;
    let Progress::WaitsUntil(gone_at) = eraser.run(id).await.unwrap() else {
        panic!("it waits for the backups")
    };
    let keys_gone_at = request().await.keys_gone_at().unwrap();
    assert_eq!(gone_at, keys_gone_at + chrono::TimeDelta::days(7));
}

/// By their names: a mail may have gone to an address that nobody knows any more.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ddr_14_the_process_erases_what_is_approved_by_itself() {
    let scene = Scene::new("COMPLETE_DELETION", json!({})).await;
    let eraser = std::sync::Arc::new(scene.eraser(0).await);
    let stop = CancellationToken::new();
    let app = scene.app().await;
    let running = tokio::spawn(runner::run(Erasure { eraser }, app, stop.clone()));
    let eraser = scene.eraser(0).await;
    eventually("it is completed", || async {
        let request = eraser.request(scene.deletion_id).await.unwrap().unwrap();
        request.status == DeletionStatus::Completed
    })
    .await;
    stop.cancel();
    running.await.unwrap();
    assert_eq!(scene.readable().await, BTreeSet::new());
}

/// Killed once a key is replaced, before the log says so: nothing that is written after that is lost.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ddr_14_ddr_19_nobody_goes_on_writing_with_a_key_that_was_replaced() {
    let more = json!({ "data_categories": ["content"] });
    let scene = Scene::new("PARTIAL_DELETION", more).await;
    let (me, pool) = (scene.story.me, &scene.story.database.pool);
    let killed = scene.eraser(0).await;
    let id = scene.deletion_id;
    let next = async || killed.request(id).await.unwrap().unwrap().next_store();
    while next().await != Some(ErasureStore::Keys) {
        killed.advance(id).await.unwrap();
    }
    for statement in [
        "CREATE FUNCTION public.killed() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS $$
         BEGIN
             IF EXISTS (SELECT FROM vault.destroyed_keys WHERE subject = NEW.aggregate_id) THEN
                 RAISE EXCEPTION 'killed';
             END IF;
             RETURN NEW;
         END $$",
        "CREATE TRIGGER killed BEFORE INSERT ON log.events FOR EACH ROW
         WHEN (NEW.event_type = 'SubjectKeyDestroyed') EXECUTE FUNCTION public.killed()",
    ] {
        sqlx::query(statement).execute(pool).await.unwrap();
    }
    // A process that holds the key of before.
    let elsewhere = scene.app().await;
    let name = [(me.subject(), PersonalCategory::Content)];
    elsewhere.log.vault().find(&name).await.unwrap();
    let request = killed.request(id).await.unwrap().unwrap();
    assert!(killed.perform(&request, ErasureStore::Keys).await.is_err());
    assert!(!scene.readable().await.contains("mine-title"), "the key is gone by now");

    let is = json!({ "kind": "member", "id": me.id });
    let post = Uuid::now_v7();
    let says = |text: &str| json!({ "$personal": { "subject": me.id, "category": "content", "value": text } });
    let created = json!({ "PostCreated": { "post_id": post, "community_id": Uuid::now_v7(),
        "author": is, "title": says("mine-again"), "body": says("mine-again too") } });
    // As every command: refused where the guard has moved, and sealed anew.
    for _ in 0..3 {
        let loaded = elsewhere.log.load::<Post>(&post.to_string()).await.unwrap();
        let draft = Draft {
            loaded: &loaded,
            events: vec![serde_json::from_value(created.clone()).unwrap()],
            event_ids: &mut Uuid::now_v7,
            metadata: r#"{"actor":"system:00000000-0000-0000-0000-000000000000"}"#,
            client_address: None,
        };
        let mut unit = Unit::default();
        elsewhere.log.draft(&mut unit, draft).await.unwrap();
        if elsewhere.log.append(unit).await.is_ok() {
            break;
        }
    }
    let left = scene.readable().await;
    assert!(left.contains("mine-again too"), "{left:?}");
    sqlx::query("DROP TRIGGER killed ON log.events").execute(pool).await.unwrap();
    scene.erase().await;
    let left = scene.readable().await;
    assert!(left.contains("mine-again too") && !left.contains("mine-title"));
}
