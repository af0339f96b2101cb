//! `create-post`: writes a post in a community.

use agora_domain::{
    PersonalCategory,
    community::{community::Community, membership::Membership},
    content::post::{CreatePost as Create, Post, PostCommand},
    ids::{CommunityId, PostId},
    site::settings,
    values::{AuthorDisplayName, Body, Title},
};
use serde::Deserialize;
use serde_json::{Value, json};
use utoipa::ToSchema;

use crate::{
    Command,
    decision::{Decision, Done},
    fields::{Field, WrongFields},
    refusal::CommandError,
};

/// Writes a post.
pub struct CreatePost {
    community_id: CommunityId,
    title: Title,
    body: Body,
    author_display_name: Option<AuthorDisplayName>,
}

/// The body of `create-post`.
#[derive(Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct CreatePostBody {
    #[schema(value_type = Uuid, required)]
    #[serde(default)]
    community_id: Field<CommunityId>,
    /// One line.
    #[schema(value_type = String, required, min_length = 5, max_length = 120)]
    #[serde(default)]
    title: Field<Title>,
    /// Plain text with line breaks.
    #[schema(value_type = String, required, min_length = 10, max_length = 10_000)]
    #[serde(default)]
    body: Field<Body>,
    /// Shown as the author's name; empty or absent is shown as `Anonymous`.
    #[schema(value_type = Option<String>, max_length = 32)]
    #[serde(default)]
    author_display_name: Field<AuthorDisplayName>,
}

impl Command for CreatePost {
    const NAME: &'static str = "create-post";
    const SUMMARY: &'static str = "Write a post in a community";
    const RULES: &'static [&'static str] = &[
        "PST-01", "PST-02", "PST-03", "PST-04", "PST-05", "PST-06", "PST-07", "PST-13", "MEM-05",
        "ESX-04",
    ];
    type Body = CreatePostBody;

    fn parse(body: CreatePostBody, wrong: &mut WrongFields) -> Option<Self> {
        let community_id = wrong.required("/community_id", body.community_id);
        let title = wrong.required("/title", body.title);
        let text = wrong.required("/body", body.body);
        let author_display_name = wrong.optional("/author_display_name", body.author_display_name);
        Some(Self {
            community_id: community_id?,
            title: title?,
            body: text?,
            author_display_name: author_display_name?,
        })
    }

    async fn decide(&self, decision: &mut Decision<'_>) -> Result<Done, CommandError> {
        let author = decision.actor()?;
        decision.fits(&settings::MAX_POST_LENGTH, self.body.as_str(), "PST-02").await?;
        let community = decision.load::<Community>(self.community_id.to_string()).await?;
        // Admins are never members of a community, and may post in all of them.
        let author_may_post = match author.as_member() {
            None => author.is_admin(),
            Some(_) if !decision.flag(&settings::POSTING_REQUIRES_MEMBERSHIP).await? => true,
            Some(member) => {
                let membership = Membership::stream_id(self.community_id, member);
                decision.load::<Membership>(membership).await?.state.is_member()
            }
        };
        let post_id: PostId = decision.new_id();
        let content = PersonalCategory::Content;
        let create = Create {
            post_id,
            community_id: self.community_id,
            author,
            title: decision.personal(author, content, self.title.clone()),
            body: decision.personal(author, content, self.body.clone()),
            author_display_name: self
                .author_display_name
                .clone()
                .map(|name| decision.personal(author, PersonalCategory::Identity, name)),
            community_open: community.state.is_open(),
            author_may_post,
        };
        let post = decision.begin::<Post>(post_id);
        decision.decide_on_target(&post, PostCommand::Create(create)).await?;
        Ok(Done::of::<Post>(post_id))
    }

    fn example() -> Value {
        json!({
            "community_id": "01970000-0000-7000-8000-000000000001",
            "title": "Which kernel do you run?",
            "body": "Mine is 6.12, and I have no reason to change it.",
            "author_display_name": "Ola",
        })
    }
}
