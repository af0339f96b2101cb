//! `report-content`: anybody says that a post or a comment is illegal or breaks the terms (DSA Art. 16).

use agora_domain::{
    PersonalCategory,
    content::{
        comment::Comment,
        content_notice::{
            ContentNotice, ContentNoticeCommand, NoticeGround, NoticeTarget,
            ReportContent as Report,
        },
        moderation_appeal::ModeratedKind,
    },
    ids::{CommentId, PostId},
    values::NoticeText,
};
use agora_service::problem::Problem;
use serde::Deserialize;
use serde_json::{Value, json};
use utoipa::ToSchema;

use super::cast_vote::{TargetBody, TargetKind};
use crate::{
    App, Command,
    decision::{Decision, Done},
    execute::Caller,
    fields::{Field, Object, WrongFields},
    guests, posts,
    refusal::{CommandError, no_such},
};

/// Gives a notice.
pub struct ReportContent {
    kind: TargetKind,
    id: PostId,
    ground: NoticeGround,
    explanation: NoticeText,
}

/// The body of `report-content`.
#[derive(Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ReportContentBody {
    #[schema(value_type = TargetBody, required)]
    #[serde(default)]
    target: Field<Object<TargetBody>>,
    #[schema(value_type = String, required, pattern = "^(ILLEGAL_CONTENT|BREAKS_TERMS)$")]
    #[serde(default)]
    ground: Field<NoticeGround>,
    /// Why: what is illegal about it, or which terms it breaks.
    #[schema(value_type = String, required, min_length = 1, max_length = 2_000)]
    #[serde(default)]
    explanation: Field<NoticeText>,
}

impl Command for ReportContent {
    const NAME: &'static str = "report-content";
    const SUMMARY: &'static str = "Give notice of a post or a comment that is illegal or breaks the terms: an admin decides, and its reason stands with the notice";
    const RULES: &'static [&'static str] = &["LAW-10", "CMT-09", "REL-10", "ESX-03", "ESX-04"];
    type Body = ReportContentBody;

    fn parse(body: ReportContentBody, wrong: &mut WrongFields) -> Option<Self> {
        let target = wrong.required("/target", body.target);
        let (kind, id) = target.map_or((None, None), |Object(target)| target.parse(wrong));
        let ground = wrong.required("/ground", body.ground);
        let explanation = wrong.required("/explanation", body.explanation);
        Some(Self { kind: kind?, id: id?, ground: ground?, explanation: explanation? })
    }

    async fn prepare(&mut self, app: &App, caller: &Caller) -> Result<(), Problem> {
        guests::throttle(app, caller, "CMT-09")
    }

    fn queue(&self, caller: &Caller) -> Option<String> {
        Some(ContentNotice::id_of(self.id.0, caller.actor()?).to_string())
    }

    async fn decide(&self, decision: &mut Decision<'_>) -> Result<Done, CommandError> {
        let notifier = decision.actor()?;
        let about = self.look_up(decision).await?;
        guests::note_activity(decision).await?;
        let notice_id = ContentNotice::id_of(about.thing_id, notifier);
        let notice = decision.load::<ContentNotice>(notice_id.to_string()).await?;
        let content = PersonalCategory::Content;
        let explanation = decision.personal(notifier, content, self.explanation.clone());
        let report = Report { notice_id, about, notifier, ground: self.ground, explanation };
        decision.decide_on_target(&notice, ContentNoticeCommand::Report(report)).await?;
        Ok(Done::of::<ContentNotice>(notice_id))
    }

    fn example() -> Value {
        json!({
            "target": { "kind": "post", "id": "01970000-0000-7000-8000-000000000001" },
            "ground": "ILLEGAL_CONTENT",
            "explanation": "It offers protected birds for sale.",
        })
    }
}

impl ReportContent {
    /// What can be seen can be reported.
    async fn look_up(&self, decision: &mut Decision<'_>) -> Result<NoticeTarget, CommandError> {
        match self.kind {
            TargetKind::Post => {
                let post = posts::look_at(self.id, decision).await?;
                let post = post.filter(|post| post.is_open).ok_or_else(|| no_such("post"))?;
                let (community_id, author) = (post.community_id, post.author);
                let thing_id = self.id.0;
                Ok(NoticeTarget { kind: ModeratedKind::Post, thing_id, community_id, author })
            }
            TargetKind::Comment => {
                let id = CommentId(self.id.0);
                let comment = decision.load::<Comment>(id.to_string()).await?;
                let state = &comment.state;
                let (Some(author), Some(post_id), false) =
                    (state.author(), state.post_id(), state.is_deleted())
                else {
                    return Err(no_such("comment"));
                };
                let post = posts::look_at(post_id, decision).await?;
                let post = post.filter(|post| post.is_open).ok_or_else(|| no_such("comment"))?;
                let community_id = post.community_id;
                let kind = ModeratedKind::Comment;
                Ok(NoticeTarget { kind, thing_id: id.0, community_id, author })
            }
        }
    }
}
