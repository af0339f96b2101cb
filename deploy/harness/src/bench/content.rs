//! Made-up content in bulk: posts with comments and votes, as events of the domain, sealed as
//! commands seal them, written through the appender into the stack's own log.
//!
//! What it is like: few communities have most posts, few posts have most comments and votes, and few
//! words make most of the texts. Half of the comments answer others. A chunk's comments and votes
//! are mixed, as those of many people are.

use std::sync::Arc;

use agora_domain::{
    Actor, Decide, Personal, PersonalCategory,
    content::{
        comment::{Comment, CommentEvent},
        comment_vote::{CommentVote, CommentVoteEvent},
        post::{Post, PostEvent},
        post_vote::{PostVote, PostVoteEvent},
        vote::VoteState,
    },
    identity::member::{Member, MemberEvent},
    ids::{CommentId, CommentVoteId, CommunityId, CredentialId, MemberId, PostId, PostVoteId},
};
use agora_event_store::{Appended, EventLog, Loaded, StreamName, Unit, log::Draft};
use tokio::{sync::mpsc, task::JoinHandle};
use uuid::Uuid;

use super::{Failure, event};
use crate::{progress::Progress, random::Random};

/// Different words in all texts. The first are in most, the last in few.
pub(super) const WORDS: usize = 20_000;
/// Accounts that write and vote, and by that the most votes that one post can get.
const AUTHORS: usize = 400;
/// Posts whose comments and votes are mixed. More would need more memory.
const CHUNK: usize = 1_000;
/// Events that are appended together.
const UNIT: usize = 1_024;
const COMMENTS_MAX: usize = 1_000;
/// From so many comments on, a post counts as one that is read much.
const MANY_COMMENTS: usize = 20;

/// A community that posts are written in.
#[derive(Clone)]
pub(super) struct Place {
    pub(super) id: CommunityId,
    pub(super) name: String,
}

/// How much comes with a post, on average.
#[derive(Clone, Copy)]
pub(super) struct Mix {
    pub(super) comments: f64,
    /// Half of them on the post, half on its comments.
    pub(super) votes: f64,
}

/// What has been written so far.
pub(super) struct Content {
    mix: Mix,
    random: Random,
    authors: Vec<Actor>,
    pub(super) places: Vec<Place>,
    pub(super) posts: Vec<PostId>,
    /// Those of them with many comments.
    pub(super) busy: Vec<PostId>,
    pub(super) comments: usize,
    pub(super) votes: usize,
}

/// A post or a comment of a chunk, for those who answer it or vote on it.
#[derive(Clone, Copy)]
struct Made<Id> {
    id: Id,
    author: usize,
}

enum Target {
    Post(PostId),
    Comment(CommentId),
}

struct Ballot {
    voter: usize,
    target: Target,
    says: VoteState,
}

impl Content {
    /// Nothing but the authors' accounts.
    pub(super) async fn begin(
        log: &EventLog,
        places: Vec<Place>,
        mix: Mix,
    ) -> Result<Self, Failure> {
        let authors: Vec<_> = (0..AUTHORS).map(|_| Actor::member(MemberId(event::id()))).collect();
        let mut units = Units::begin(log);
        for (number, author) in authors.iter().enumerate() {
            let registered = MemberEvent::MemberRegistered {
                member_id: MemberId(author.id),
                credential_id: CredentialId(event::id()),
                display_name: Some(name(*author, number)),
            };
            units.add::<Member>(*author, "register-member", author.id, registered).await?;
        }
        units.finish().await?;
        let (posts, busy) = (Vec::new(), Vec::new());
        let random = Random(0x6167_6f72_6122);
        Ok(Self { mix, random, authors, places, posts, busy, comments: 0, votes: 0 })
    }

    /// Goes on until there are so many posts.
    pub(super) async fn grow(&mut self, log: &EventLog, posts: usize) -> Result<(), Failure> {
        let missing = posts.saturating_sub(self.posts.len());
        let progress = Progress::new("posts with comments and votes", missing);
        let mut units = Units::begin(log);
        for first in (0..missing).step_by(CHUNK) {
            let size = CHUNK.min(missing - first);
            self.chunk(&mut units, size).await?;
            (0..size).for_each(|_| progress.tick());
        }
        units.finish().await?;
        progress.finish();
        Ok(())
    }

    async fn chunk(&mut self, units: &mut Units, size: usize) -> Result<(), Failure> {
        let mut posts = Vec::with_capacity(size);
        let mut answers = Vec::new();
        for number in 0..size {
            let place = self.random.zipf(self.places.len());
            let post = self.post(units, self.places[place].id).await?;
            let comments = self.random.skewed(self.mix.comments, COMMENTS_MAX);
            answers.extend(std::iter::repeat_n(number, comments));
            self.posts.push(post.id);
            if comments >= MANY_COMMENTS {
                self.busy.push(post.id);
            }
            posts.push((post, self.places[place].id));
        }
        self.random.shuffle(&mut answers);
        let mut threads: Vec<Vec<(Made<CommentId>, u32)>> = vec![Vec::new(); size];
        for number in answers {
            let (post, place) = posts[number];
            let comment = self.comment(units, post.id, place, &threads[number]).await?;
            threads[number].push(comment);
        }
        let on_post = self.mix.votes / 2.0;
        let on_comment = self.mix.votes / 2.0 / self.mix.comments.max(0.1);
        let mut ballots = Vec::new();
        for (post, _) in &posts {
            self.ballots(&mut ballots, on_post, post.author, || Target::Post(post.id));
        }
        for (comment, _) in threads.iter().flatten() {
            self.ballots(&mut ballots, on_comment, comment.author, || Target::Comment(comment.id));
        }
        self.random.shuffle(&mut ballots);
        self.comments += threads.iter().map(Vec::len).sum::<usize>();
        self.votes += ballots.len();
        for ballot in ballots {
            self.vote(units, ballot).await?;
        }
        Ok(())
    }

    async fn post(
        &mut self,
        units: &mut Units,
        community_id: CommunityId,
    ) -> Result<Made<PostId>, Failure> {
        let author = self.random.below(AUTHORS);
        let by = self.authors[author];
        let id = PostId(event::id());
        let created = PostEvent::PostCreated {
            post_id: id,
            community_id,
            author: by,
            title: personal(by, PersonalCategory::Content, &self.text(3, 9)),
            body: personal(by, PersonalCategory::Content, &self.text(10, 60)),
            author_display_name: Some(name(by, author)),
        };
        units.add::<Post>(by, "create-post", id, created).await?;
        Ok(Made { id, author })
    }

    /// Half of the comments answer one of those before.
    async fn comment(
        &mut self,
        units: &mut Units,
        post_id: PostId,
        community_id: CommunityId,
        before: &[(Made<CommentId>, u32)],
    ) -> Result<(Made<CommentId>, u32), Failure> {
        let author = self.random.below(AUTHORS);
        let by = self.authors[author];
        let id = CommentId(event::id());
        let parent = (!before.is_empty() && self.random.below(2) == 0)
            .then(|| before[self.random.below(before.len())]);
        let depth = parent.map_or(0, |(_, depth)| depth + 1);
        let created = CommentEvent::CommentCreated {
            comment_id: id,
            post_id,
            community_id,
            parent_comment_id: parent.map(|(comment, _)| comment.id),
            depth,
            author: by,
            body: personal(by, PersonalCategory::Content, &self.text(5, 25)),
            display_name: Some(name(by, author)),
        };
        units.add::<Comment>(by, "create-comment", id, created).await?;
        Ok((Made { id, author }, depth))
    }

    /// Votes of different voters, none of them the author.
    fn ballots(
        &mut self,
        ballots: &mut Vec<Ballot>,
        mean: f64,
        author: usize,
        target: impl Fn() -> Target,
    ) {
        let count = self.random.skewed(mean, AUTHORS - 1);
        let first = self.random.below(AUTHORS - 1);
        let liked = 0.5 + self.random.share() / 2.0;
        for number in 0..count {
            let voter = (author + 1 + (first + number) % (AUTHORS - 1)) % AUTHORS;
            let likes = self.random.share() < liked;
            let says = if likes { VoteState::Upvote } else { VoteState::Downvote };
            ballots.push(Ballot { voter, target: target(), says });
        }
    }

    async fn vote(&self, units: &mut Units, ballot: Ballot) -> Result<(), Failure> {
        let Ballot { voter, target, says: vote_state } = ballot;
        let (voter, previous) = (self.authors[voter], VoteState::None);
        match target {
            Target::Post(post_id) => {
                let id = PostVoteId(event::id());
                let cast = PostVoteEvent::PostVoteCast { id, post_id, voter, vote_state, previous };
                let stream = PostVote::stream_id(post_id, voter);
                units.add::<PostVote>(voter, "cast-vote", stream, cast).await
            }
            Target::Comment(comment_id) => {
                let id = CommentVoteId(event::id());
                let cast = CommentVoteEvent::CommentVoteCast {
                    id,
                    comment_id,
                    voter,
                    vote_state,
                    previous,
                };
                let stream = CommentVote::stream_id(comment_id, voter);
                units.add::<CommentVote>(voter, "cast-vote", stream, cast).await
            }
        }
    }

    fn text(&mut self, least: usize, most: usize) -> String {
        let count = least + self.random.below(most - least + 1);
        let words: Vec<_> = (0..count).map(|_| word(self.random.zipf(WORDS))).collect();
        words.join(" ")
    }
}

/// The word of a rank: three syllables, so that no word begins another, and no English one is hit.
pub(super) fn word(rank: usize) -> String {
    const CONSONANTS: &[u8; 16] = b"bcdfghjklmnprtvz";
    const VOWELS: &[u8; 4] = b"aiou";
    const SYLLABLES: usize = CONSONANTS.len() * VOWELS.len();
    // Neighbours in rank are not neighbours in the alphabet: the factor is odd.
    let mut rest = rank.wrapping_mul(94_201) % SYLLABLES.pow(3);
    let mut word = String::with_capacity(6);
    for _ in 0..3 {
        let syllable = rest % SYLLABLES;
        word.push(CONSONANTS[syllable / VOWELS.len()].into());
        word.push(VOWELS[syllable % VOWELS.len()].into());
        rest /= SYLLABLES;
    }
    word
}

fn name<T: std::str::FromStr<Err: std::fmt::Debug>>(of: Actor, number: usize) -> Personal<T> {
    personal(of, PersonalCategory::Identity, &format!("Member {number}"))
}

fn personal<T: std::str::FromStr<Err: std::fmt::Debug>>(
    of: Actor,
    category: PersonalCategory,
    text: &str,
) -> Personal<T> {
    let value = text.parse().expect("made-up texts keep the rules of length and alphabet");
    Personal::new(of.subject(), category, value)
}

/// Drafts here, appends on a task beside it. Two full units wait at most.
struct Units {
    log: EventLog,
    unit: Unit,
    full: mpsc::Sender<Unit>,
    appending: JoinHandle<Result<(), Failure>>,
}

impl Units {
    fn begin(log: &EventLog) -> Self {
        let (full, mut units) = mpsc::channel::<Unit>(2);
        let appending = tokio::spawn({
            let log = log.clone();
            async move {
                while let Some(unit) = units.recv().await {
                    if !matches!(log.append(unit).await?, Appended::Now(_)) {
                        return Err("new content was in the log already".into());
                    }
                }
                Ok(())
            }
        });
        Self { log: log.clone(), unit: Unit::default(), full, appending }
    }

    /// The first event of a stream, as the command would have written it.
    async fn add<A: Decide>(
        &mut self,
        by: Actor,
        command: &str,
        id: impl ToString,
        event: A::Event,
    ) -> Result<(), Failure> {
        let loaded = Loaded::<A> {
            stream: StreamName::new(A::TYPE, id.to_string()),
            state: Arc::new(A::default()),
            sequence: 0,
            known: 0,
            presumed: false,
        };
        let subject = by.subject();
        let draft = Draft {
            loaded: &loaded,
            events: vec![event],
            event_ids: &mut event::id,
            metadata: &metadata(by, command, event::id()),
            client_address: Some((&subject, "192.0.2.7")),
        };
        self.log.draft(&mut self.unit, draft).await?;
        if self.unit.events.len() >= UNIT {
            self.send().await;
        }
        Ok(())
    }

    async fn send(&mut self) {
        // Where the other side is gone, its error is told by `finish`.
        let _ = self.full.send(std::mem::take(&mut self.unit)).await;
    }

    async fn finish(mut self) -> Result<(), Failure> {
        if !self.unit.events.is_empty() {
            self.send().await;
        }
        drop(self.full);
        self.appending.await?
    }
}

fn metadata(by: Actor, command: &str, id: Uuid) -> String {
    format!(
        r#"{{"actor":"{by}","command":"{id}","command_name":"{command}","session":"{}"}}"#,
        by.id
    )
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn each_rank_has_a_word_of_its_own() {
        let words: HashSet<_> = (0..WORDS).map(word).collect();
        assert_eq!(words.len(), WORDS);
    }
}
