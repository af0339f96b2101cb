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

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU64, Ordering};

    use agora_service::problem::Problem;

    use super::*;
    use crate::search::{Window, Words};

    #[derive(Default)]
    struct Looks(AtomicU64);

    impl Looks {
        /// Finds nothing, at a position that says which look it was.
        async fn find(&self) -> Result<Found<PostRow>, ReadError> {
            let position = self.0.fetch_add(1, Ordering::Relaxed) + 1;
            tokio::time::sleep(Duration::from_millis(20)).await;
            let (ranks, ids) = (Vec::new(), Vec::new());
            let window = Window { newest: None, oldest: None, matches: 0, ranks, ids };
            let words = Words::of("'rye'", "simple".to_owned());
            Ok(Found { position, words, rows: Vec::new(), window })
        }
    }

    #[tokio::test]
    async fn esx_07_an_answer_serves_who_asks_for_the_same_and_no_longer_than_it_may() {
        let (kept, looks) = (Kept::<PostRow>::new(Duration::from_millis(200)), Looks::default());
        let ask = async |key: &str| kept.get(key.to_owned(), looks.find()).await.unwrap().position;
        assert_eq!(tokio::join!(ask("rye"), ask("rye")), (1, 1), "one looks, both are answered");
        assert_eq!((ask("rye").await, ask("oats").await), (1, 2));
        tokio::time::sleep(Duration::from_millis(250)).await;
        assert_eq!(ask("rye").await, 3);
        let never = Kept::<PostRow>::new(Duration::ZERO);
        never.get("rye".to_owned(), looks.find()).await.unwrap();
        assert_eq!(never.get("rye".to_owned(), looks.find()).await.unwrap().position, 5);
    }

    #[tokio::test]
    async fn esx_07_what_failed_is_told_to_all_who_waited_and_tried_again_by_the_next() {
        let (kept, looks) = (Kept::<PostRow>::new(Duration::from_secs(1)), Looks::default());
        let fail = async || {
            let look = async {
                looks.find().await?;
                Err(ReadError::from(Problem::internal()))
            };
            kept.get("rye".to_owned(), look).await.is_err()
        };
        assert_eq!(tokio::join!(fail(), fail()), (true, true));
        assert_eq!(looks.0.load(Ordering::Relaxed), 1, "only one has looked");
        assert_eq!(kept.get("rye".to_owned(), looks.find()).await.unwrap().position, 2);
    }

    #[tokio::test]
    async fn srl_07_what_is_too_old_is_let_go_of_without_another_search() {
        let (all, looks) = (KeptFound::new(Duration::from_millis(50)), Looks::default());
        all.posts.get("rye".to_owned(), looks.find()).await.unwrap();
        tokio::time::sleep(Duration::from_millis(100)).await;
        all.forget_old().await;
        assert_eq!(all.posts.0.entry_count(), 0);
    }
}
