//! What several commands need to know of an act of moderation.

use agora_domain::{
    Actor, Personal, PersonalCategory,
    compliance::subject_key::SubjectKey,
    content::{
        moderation::ModerationAction,
        moderation_appeal::{ModeratedKind, Moderation},
        post::Post,
    },
    ids::{CommunityId, MemberId, ModerationId},
    values::ModerationReason,
};
use agora_event_store::{RecordedEvent, read};
use agora_service::problem::Problem;
use serde::Deserialize;
use uuid::Uuid;

use crate::{App, decision::Decision, refusal::CommandError};

/// The reason of an act, as what it is about: the person whose thing it is. For one who is erased nothing
/// more can be sealed, and what was left can be moderated all the same: then it is the sender's own word.
pub async fn reason_about(
    person: Actor,
    reason: ModerationReason,
    decision: &mut Decision<'_>,
) -> Result<Personal<ModerationReason>, CommandError> {
    let content = PersonalCategory::Content;
    let keys = decision.load::<SubjectKey>(person.subject().as_str()).await?;
    let is_erased = keys.state.destroyed().contains(&content);
    let about = if is_erased { decision.actor()? } else { person };
    Ok(decision.personal(about, content, reason))
}

/// As [`reason_about`], where there is one.
pub async fn reason_for(
    person: Actor,
    reason: Option<ModerationReason>,
    decision: &mut Decision<'_>,
) -> Result<Option<Personal<ModerationReason>>, CommandError> {
    match reason {
        Some(reason) => reason_about(person, reason, decision).await.map(Some),
        None => Ok(None),
    }
}

/// What of the three events' fields tells the act; reasons stay sealed.
#[derive(Deserialize)]
#[expect(clippy::enum_variant_names, reason = "these are the stored names")]
enum Event {
    PostModerated(Fields),
    CommentModerated(Fields),
    CommunityModerated(Fields),
}

#[derive(Deserialize)]
struct Fields {
    action: ModerationAction,
    moderator: Actor,
    community_id: Option<CommunityId>,
    author: Option<Actor>,
    owner: Option<MemberId>,
}

/// The event that records an act; none where the id is of none. It never changes, so there is nothing
/// to guard.
pub async fn recorded(
    moderation_id: ModerationId,
    app: &App,
) -> Result<Option<RecordedEvent>, CommandError> {
    let failed = |error: sqlx::Error| {
        tracing::error!(%error, "cannot look an act of moderation up");
        CommandError::from(crate::refusal::unavailable())
    };
    let mut connection = app.log.pool().acquire().await.map_err(failed)?;
    let event = read::by_id(&mut connection, moderation_id.0).await.map_err(failed)?;
    Ok(event.filter(|event| event.event_type.ends_with("Moderated")))
}

/// Looks an act up in the log; nothing where the id is of none.
pub async fn look_up(
    moderation_id: ModerationId,
    decision: &mut Decision<'_>,
) -> Result<Option<Moderation>, CommandError> {
    let Some(event) = recorded(moderation_id, decision.app).await? else { return Ok(None) };
    let unreadable = |_| CommandError::from(Problem::internal());
    let thing_id: Uuid = event.aggregate_id.parse().map_err(|_| Problem::internal())?;
    let (kind, fields) = match serde_json::from_str(&event.payload).map_err(unreadable)? {
        Event::PostModerated(fields) => (ModeratedKind::Post, fields),
        Event::CommentModerated(fields) => (ModeratedKind::Comment, fields),
        Event::CommunityModerated(fields) => (ModeratedKind::Community, fields),
    };
    let affected = match (fields.author, fields.owner) {
        (Some(author), _) => author,
        (None, Some(owner)) => Actor::member(owner),
        // The first version did not say whose the post was.
        (None, None) => {
            let post = decision.load::<Post>(&event.aggregate_id).await?;
            post.state.author().ok_or_else(Problem::internal)?
        }
    };
    let community_id = match kind {
        ModeratedKind::Community => Some(CommunityId(thing_id)),
        ModeratedKind::Post | ModeratedKind::Comment => fields.community_id,
    };
    let Fields { action, moderator, .. } = fields;
    Ok(Some(Moderation {
        moderation_id,
        kind,
        thing_id,
        community_id,
        action,
        moderator,
        affected,
    }))
}
