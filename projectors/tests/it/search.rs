//! The search tables: the only ones that are made of opened texts.

use agora_domain::{
    Actor, Decide, Personal, PersonalCategory,
    content::{
        comment::{Comment, CommentEvent},
        post::{Post, PostEvent},
    },
    ids::{CommentId, CommunityId, MemberId, PostId},
};
use agora_event_store::{Appended, EventLog, Opener, Unit, Vault, log::Draft};
use agora_projectors::{
    databases::Databases,
    projections,
    rebuild::{self, RebuildError},
    runner::applier::{Applier, Origin, Outcome},
    search,
};
use agora_service::clock::new_id;
use indicatif::ProgressBar;
use serde_json::json;
use sqlx::postgres::PgPoolOptions;

use crate::scene::Scene;

/// A scene whose events are sealed.
struct Desk {
    scene: Scene,
    log: EventLog,
}

impl Desk {
    async fn new() -> Self {
        let scene = Scene::new().await;
        let log = scene.db.log().await;
        Self { scene, log }
    }

    async fn write<A: Decide>(&self, id: impl ToString, by: Actor, events: Vec<A::Event>) {
        let loaded = self.log.load_fresh::<A>(&id.to_string()).await.unwrap();
        let metadata = json!({ "actor": by.to_string(), "command_name": "test" }).to_string();
        let mut unit = Unit::default();
        let draft = Draft {
            loaded: &loaded,
            events,
            event_ids: &mut new_id,
            metadata: &metadata,
            client_address: None,
        };
        self.log.draft(&mut unit, draft).await.unwrap();
        assert!(matches!(self.log.append(unit).await.unwrap(), Appended::Now(_)));
    }

    async fn post(&self, by: Actor, title: &str, body: &str) -> PostId {
        let post_id = PostId(new_id());
        let created = PostEvent::PostCreated {
            post_id,
            community_id: CommunityId(new_id()),
            author: by,
            title: personal(by, title),
            body: personal(by, body),
            author_display_name: None,
        };
        self.write::<Post>(post_id, by, vec![created]).await;
        post_id
    }

    async fn edit(&self, by: Actor, post: PostId, title: &str, body: &str) {
        let (title, body) = (personal(by, title), personal(by, body));
        self.write::<Post>(post, by, vec![PostEvent::PostEdited { editor: by, title, body }]).await;
    }

    async fn comment(&self, by: Actor, post_id: PostId, body: &str) -> CommentId {
        let comment_id = CommentId(new_id());
        let created = CommentEvent::CommentCreated {
            comment_id,
            post_id,
            community_id: CommunityId(new_id()),
            parent_comment_id: None,
            depth: 0,
            author: by,
            body: personal(by, body),
            display_name: None,
        };
        self.write::<Comment>(comment_id, by, vec![created]).await;
        comment_id
    }

    async fn words(&self, table: &str) -> Vec<String> {
        let statement = format!("SELECT words::text FROM read.{table} ORDER BY id");
        sqlx::query_scalar(&statement).fetch_all(&self.scene.db.pool).await.unwrap()
    }

    async fn destroy(&self, actor: Actor) {
        self.scene.db.vault().destroy(&actor.subject(), &PersonalCategory::ALL).await.unwrap();
    }

    async fn rebuild(&self, verify: bool) -> Vec<Result<rebuild::Swapped, RebuildError>> {
        let (databases, bar) = (self.scene.connect(), ProgressBar::hidden());
        let chosen = search::personal();
        let rebuilt = rebuild::run(&databases, &chosen, verify, &bar).await.unwrap();
        rebuilt.into_iter().map(|one| one.result).collect()
    }
}

fn somebody() -> Actor {
    Actor::member(MemberId(new_id()))
}

fn personal<T: std::str::FromStr<Err: std::fmt::Debug>>(by: Actor, text: &str) -> Personal<T> {
    Personal::new(by.subject(), PersonalCategory::Content, text.parse().unwrap())
}

#[tokio::test]
async fn pst_10_words_of_title_and_body_are_indexed_and_replaced_by_an_edit() {
    let mut tables = Vec::new();
    for size in [100, 2, 1] {
        let desk = Desk::new().await;
        let (ada, bob) = (somebody(), somebody());
        let post = desk.post(ada, "First loaf", "It rose and fell.").await;
        desk.comment(bob, post, "Rye needs time").await;
        desk.edit(ada, post, "Second loaf", "It rose at last.").await;
        let hidden = PostEvent::PostDeleted { deleted_by: ada };
        let shown = PostEvent::PostRestored { restored_by: ada };
        desk.write::<Post>(post, ada, vec![hidden.clone()]).await;
        desk.write::<Post>(post, ada, vec![shown]).await;
        desk.scene.project_in(size).await;
        let row = desk.scene.row("SELECT subject, is_deleted FROM post_search").await;
        assert_eq!(row, json!({ "subject": ada.id, "is_deleted": false }));
        tables.push((desk.words("post_search").await, desk.words("comment_search").await));
        desk.write::<Post>(post, ada, vec![hidden]).await;
        desk.scene.project().await;
        let row = desk.scene.row("SELECT is_deleted FROM post_search").await;
        assert_eq!(row["is_deleted"], true);
        for result in desk.rebuild(true).await {
            assert!(result.unwrap().verified_rows.unwrap() > 0, "esx_01");
        }
    }
    // As Postgres' documentation of to_tsvector and setweight has it, by hand.
    let post = "'at':5B 'it':3B 'last':6B 'loaf':2A 'rose':4B 'second':1A";
    assert_eq!(tables[0], (vec![post.to_owned()], vec!["'needs':2 'rye':1 'time':3".to_owned()]));
    assert!(tables.iter().all(|table| *table == tables[0]), "esx_02");
}

#[tokio::test]
async fn a_forgotten_subjects_words_are_gone_and_no_rebuild_brings_them_back() {
    let desk = Desk::new().await;
    let (ada, bob) = (somebody(), somebody());
    let post = desk.post(ada, "Secret recipe", "Nobody knows it.").await;
    desk.post(bob, "Open recipe", "Everybody knows it.").await;
    desk.comment(ada, post, "Hidden opinion").await;
    desk.scene.project().await;
    let databases = desk.scene.connect();
    let early = search::forget(ada.subject().as_str(), &databases).await;
    assert!(matches!(early, Err(search::Unforgotten::KeyIsThere)), "it would come back");

    desk.destroy(ada).await;
    // Until it is forgotten, a rebuild tells what must go.
    let before = desk.rebuild(true).await;
    assert!(
        before.iter().all(|it| matches!(it, Err(RebuildError::Differs(rows)) if rows.len() == 1))
    );
    assert_eq!(search::forget(ada.subject().as_str(), &databases).await.unwrap(), 2);
    assert_eq!(
        search::forget(ada.subject().as_str(), &databases).await.unwrap(),
        0,
        "twice is once"
    );
    let words = desk.words("post_search").await;
    assert!(words[0].is_empty() && words[1].contains("recipe"), "{words:?}");
    assert_eq!(desk.words("comment_search").await, [""]);
    for result in desk.rebuild(true).await {
        result.unwrap();
    }
    assert_eq!(desk.words("post_search").await, words);
    let restored = PostEvent::PostRestored { restored_by: bob };
    desk.write::<Post>(post, bob, vec![restored]).await;
    desk.scene.project().await;
    assert_eq!(desk.words("post_search").await, words);
}

/// The projector knows the key, and somebody else destroys it: no cache opens what is erased.
#[tokio::test]
async fn a_key_that_was_destroyed_elsewhere_opens_nothing() {
    let desk = Desk::new().await;
    let ada = somebody();
    let mut applier = desk.scene.applier().await;
    for erased in [false, true] {
        desk.post(ada, "Some title", "And a body too.").await;
        if erased {
            desk.destroy(ada).await;
        }
        let events = applier.read_log(10).await.unwrap();
        assert_eq!(applier.apply(&events, Origin::Log).await.unwrap(), Outcome::Applied);
    }
    let words = desk.words("post_search").await;
    assert_eq!((words[0].is_empty(), words[1].is_empty()), (false, true));
}

/// An erasure that waits for what somebody holds.
async fn forgetting(desk: &Desk, person: Actor) -> tokio::task::JoinHandle<i64> {
    let databases = desk.scene.connect();
    let forgetting = tokio::spawn({
        let subject = person.subject().as_str().to_owned();
        async move { search::forget(&subject, &databases).await.unwrap() }
    });
    tokio::time::sleep(std::time::Duration::from_millis(200)).await;
    assert!(!forgetting.is_finished());
    forgetting
}

#[tokio::test]
async fn an_erasure_waits_for_whoever_may_have_opened_a_text_before() {
    let desk = Desk::new().await;
    let ada = somebody();
    desk.post(ada, "Some title", "And a body too.").await;
    desk.scene.project().await;
    // A projector in the middle of a batch.
    let mut batch = desk.scene.db.pool.begin().await.unwrap();
    sqlx::query("LOCK TABLE read.post_search IN ROW EXCLUSIVE MODE")
        .execute(&mut *batch)
        .await
        .unwrap();
    desk.destroy(ada).await;
    let forgetting = forgetting(&desk, ada).await;
    sqlx::query(
        "INSERT INTO read.post_search
         VALUES (gen_random_uuid(), gen_random_uuid(), $1, to_tsvector('late'), false)",
    )
    .bind(ada.subject().as_str())
    .execute(&mut *batch)
    .await
    .unwrap();
    batch.commit().await.unwrap();
    assert_eq!(forgetting.await.unwrap(), 2);
}

/// As at the end of a rebuild, which has opened the text before its key went.
#[tokio::test]
async fn ddr_14_words_in_a_table_that_takes_its_place_meanwhile_are_taken_out() {
    let desk = Desk::new().await;
    let ada = somebody();
    desk.post(ada, "Some title", "And a body too.").await;
    desk.scene.project().await;
    sqlx::raw_sql(
        "CREATE TABLE read_build.post_search (LIKE read.post_search INCLUDING ALL);
         INSERT INTO read_build.post_search SELECT * FROM read.post_search",
    )
    .execute(&desk.scene.db.pool)
    .await
    .unwrap();
    let mut swap = desk.scene.db.pool.begin().await.unwrap();
    sqlx::raw_sql(
        "DROP TABLE read.post_search; ALTER TABLE read_build.post_search SET SCHEMA read",
    )
    .execute(&mut *swap)
    .await
    .unwrap();
    desk.destroy(ada).await;
    let forgetting = forgetting(&desk, ada).await;
    swap.commit().await.unwrap();
    assert_eq!(forgetting.await.unwrap(), 1);
    assert_eq!(desk.words("post_search").await, [""]);
}

#[tokio::test]
async fn while_the_vault_is_away_only_the_search_tables_wait() {
    let desk = Desk::new().await;
    let ada = somebody();
    desk.post(ada, "Some title", "And a body too.").await;
    let away = PgPoolOptions::new()
        .acquire_timeout(std::time::Duration::from_millis(100))
        .connect_lazy("postgres://nobody@127.0.0.1:1/nowhere")
        .unwrap();
    let opener =
        Opener::new(Vault::new(away, agora_event_store::testing::TestDatabase::master_keys()));
    let mut applier = Applier::open(desk.scene.connection().await, opener.clone()).await.unwrap();
    let events = applier.read_log(10).await.unwrap();
    assert_eq!(applier.apply(&events, Origin::Log).await.unwrap(), Outcome::Applied);
    assert!(!applier.has_laggards(), "the vault is left alone for a while");
    applier.flush().await.unwrap();
    assert_eq!((desk.scene.served("posts").await, desk.scene.served("post_search").await), (1, 0));
    let state = "SELECT state FROM read.checkpoints WHERE projection = 'post_search'";
    assert_eq!(desk.scene.row(state).await["state"], "catching_up");
    applier.close().await;

    let databases = Databases { log: desk.scene.connect().log, opener };
    let chosen = [projections::find("post_search").unwrap()];
    let rebuilt = rebuild::run(&databases, &chosen, false, &ProgressBar::hidden()).await.unwrap();
    assert!(matches!(rebuilt[0].result, Err(RebuildError::Vault(_))));

    // It is back.
    desk.scene.project().await;
    assert_eq!(desk.scene.served("post_search").await, 1);
    assert_eq!(desk.words("post_search").await.len(), 1);
}

#[tokio::test]
async fn another_language_needs_a_rebuild_and_no_code() {
    let desk = Desk::new().await;
    desk.post(somebody(), "Running loaves", "They were running.").await;
    desk.scene.project().await;
    let pool = &desk.scene.db.pool;
    let set = |language: &str| format!("UPDATE search.settings SET language = '{language}'");
    sqlx::query(&set("klingon")).execute(pool).await.unwrap_err();
    sqlx::query(&set("english")).execute(pool).await.unwrap();
    for result in desk.rebuild(false).await {
        result.unwrap();
    }
    assert_eq!(desk.words("post_search").await, ["'loav':2A 'run':1A,5B"]);
}
