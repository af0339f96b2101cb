//! What several commands need to know of a post.

use agora_domain::{Actor, community::community::Community, content::post::Post, ids::PostId};

use crate::{
    decision::Decision,
    refusal::{CommandError, no_such},
};

/// A post's author, and whether the post and its community are there for everybody.
pub async fn look_at(
    post_id: PostId,
    decision: &mut Decision<'_>,
) -> Result<(Actor, bool), CommandError> {
    let post = decision.load::<Post>(post_id.to_string()).await?;
    let (Some(author), Some(community_id)) = (post.state.author(), post.state.community_id())
    else {
        return Err(no_such("post"));
    };
    let community = decision.load::<Community>(community_id.to_string()).await?;
    Ok((author, !post.state.is_deleted() && community.state.is_open()))
}
