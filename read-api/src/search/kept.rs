//! Answers of a moment ago, for searches that many ask for at once.
//!
//! What is kept is what the tables gave, still sealed. Of many who ask for the same at the same moment one
//! looks, and the others wait for it.

use std::time::Duration;

use moka::future::Cache;

use super::{Found, Ranked};
use crate::{
    error::ReadError,
    routes::search::{comments::CommentRow, communities::CommunityRow, posts::PostRow},
};

/// What is kept of each kind of search.
const BYTES_MAX: u64 = 16 << 20;
/// A row without its texts, about.
const ROW_BYTES: usize = 256;

/// The answers to searches.
pub struct KeptFound {
    pub(crate) communities: Kept<CommunityRow>,
    pub(crate) posts: Kept<PostRow>,
    pub(crate) comments: Kept<CommentRow>,
}

impl KeptFound {
    /// Keeps answers for so long.
    pub fn new(age_max: Duration) -> Self {
        Self {
            communities: Kept::new(age_max),
            posts: Kept::new(age_max),
            comments: Kept::new(age_max),
        }
    }

    /// Lets go of what is too old: by itself it would stay until somebody searches again, and what was
    /// searched for is nobody's business.
    pub async fn forget_old(&self) {
        self.communities.0.run_pending_tasks().await;
        self.posts.0.run_pending_tasks().await;
        self.comments.0.run_pending_tasks().await;
    }
}

/// Answers with rows of one kind, by what was asked for.
pub struct Kept<T: Ranked>(Cache<String, Found<T>>);

impl<T: Ranked> Kept<T> {
    fn new(age_max: Duration) -> Self {
        let weigh = |key: &String, found: &Found<T>| {
            let rows = found.rows.iter().map(|row| ROW_BYTES + row.bytes()).sum::<usize>();
            u32::try_from(key.len() + rows).unwrap_or(u32::MAX)
        };
        let cache = Cache::builder().weigher(weigh).max_capacity(BYTES_MAX).time_to_live(age_max);
        Self(cache.build())
    }

    /// What is kept under a key, or else what is found now.
    ///
    /// # Errors
    /// Where the database does not answer.
    pub(crate) async fn get<F>(&self, key: String, find: F) -> Result<Found<T>, ReadError>
    where
        F: Future<Output = Result<Found<T>, ReadError>>,
    {
        // Whoever waited for what cannot be found is told so, and does not look once more.
        self.0.try_get_with(key, find).await.map_err(|error| ReadError::clone(&error))
    }
}
