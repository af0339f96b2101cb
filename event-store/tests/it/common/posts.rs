//! Posts: events with personal values.

use agora_domain::{
    Actor, Decide, Personal, PersonalCategory, Subject,
    content::post::{CreatePost, EditPost, Post, PostCommand},
    ids::{CommunityId, MemberId, PostId},
    values::{Body, Title},
};
use agora_event_store::{
    EventLog, RecordedEvent, Unit, log::Draft, read, seal::SealError, testing::TestDatabase,
};
use uuid::Uuid;

use super::id;

pub const TITLE: &str = "A title that nobody may find";
pub const BODY: &str = "A body that nobody may find";
pub const ADDRESS: &str = "203.0.113.77";

/// An author with a post.
pub struct Written {
    pub post: String,
    pub author: Actor,
}

impl Written {
    pub fn subject(&self) -> Subject {
        self.author.subject()
    }
}

pub fn title(subject: &Subject, text: &str) -> Personal<Title> {
    Personal::new(subject.clone(), PersonalCategory::Content, text.parse().unwrap())
}

pub fn body(subject: &Subject, text: &str) -> Personal<Body> {
    Personal::new(subject.clone(), PersonalCategory::Content, text.parse().unwrap())
}

/// A decision's unit, as the command API makes it.
pub async fn drafted(
    log: &EventLog,
    post: &str,
    actor: Actor,
    command: PostCommand,
) -> Result<Unit, SealError> {
    let loaded = log.load::<Post>(post).await.unwrap();
    let events = loaded.state.decide(command).unwrap();
    let mut unit = Unit::default();
    let subject = actor.subject();
    let draft = Draft {
        loaded: &loaded,
        events,
        event_ids: &mut id,
        metadata: &format!(r#"{{"actor":"{actor}"}}"#),
        client_address: Some((&subject, ADDRESS)),
    };
    log.draft(&mut unit, draft).await?;
    Ok(unit)
}

pub async fn create(log: &EventLog) -> Written {
    let author = Actor::member(MemberId(id()));
    let post = PostId(id());
    let subject = author.subject();
    let create = PostCommand::Create(CreatePost {
        post_id: post,
        community_id: CommunityId(Uuid::from_u128(1)),
        author,
        title: title(&subject, TITLE),
        body: body(&subject, BODY),
        author_display_name: None,
        community_open: true,
        author_may_post: true,
    });
    let written = Written { post: post.to_string(), author };
    let unit = drafted(log, &written.post, author, create).await.unwrap();
    log.append(unit).await.unwrap();
    written
}

/// The unit of an edit.
pub async fn edit(log: &EventLog, written: &Written, text: &str) -> Result<Unit, SealError> {
    let edit = PostCommand::Edit(EditPost {
        editor: written.author,
        title: None,
        body: Some(body(&written.subject(), text)),
        reason: None,
    });
    drafted(log, &written.post, written.author, edit).await
}

/// The post's stream as it is stored.
pub async fn stored(database: &TestDatabase, post: &str) -> Vec<RecordedEvent> {
    let mut connection = database.pool.acquire().await.unwrap();
    read::stream(&mut connection, "post", post).await.unwrap()
}

/// A sealed field of an event.
pub fn field(event: &RecordedEvent, name: &str) -> String {
    let payload: serde_json::Value = serde_json::from_str(&event.payload).unwrap();
    payload[event.event_type.as_str()][name].as_str().unwrap().to_owned()
}
