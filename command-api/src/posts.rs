//! What several commands need to know of a post.

use agora_domain::{
    Actor,
    community::community::Community,
    content::post::Post,
    ids::{CommunityId, PostId},
};

use crate::{decision::Decision, refusal::CommandError};

/// A post as those see it who comment or vote.
pub struct Seen {
    pub author: Actor,
    pub community_id: CommunityId,
    /// Whether the post and its community are there for everybody.
    pub is_open: bool,
}

/// Looks at a post and its community, with a guard on both; nothing where there is no such post.
pub async fn look_at(
    post_id: PostId,
    decision: &mut Decision<'_>,
) -> Result<Option<Seen>, CommandError> {
    let post = decision.load::<Post>(post_id.to_string()).await?;
    let (Some(author), Some(community_id)) = (post.state.author(), post.state.community_id())
    else {
        return Ok(None);
    };
    let community = decision.load::<Community>(community_id.to_string()).await?;
    let is_open = !post.state.is_deleted() && community.state.is_open();
    Ok(Some(Seen { author, community_id, is_open }))
}
