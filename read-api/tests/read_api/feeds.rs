//! The orders of feeds (docs/ranking.md): exact, as of any time, and whole while votes come.

use std::{cmp::Reverse, collections::HashSet};

use agora_domain::{
    content::{
        ranking::{Ranking, controversy, heat},
        vote::VoteState,
    },
    ids::{CommunityId, PostId},
};
use chrono::{DateTime, TimeDelta, Utc};
use serde_json::{Value, json};

use crate::{
    public::walk,
    world::{User, World},
};

/// A post with votes and an age as they would come in years.
#[derive(Clone, Copy)]
struct Aged {
    id: PostId,
    community: CommunityId,
    created_at: DateTime<Utc>,
    upvotes: i64,
    downvotes: i64,
}

impl Aged {
    const fn score(&self) -> i64 {
        self.upvotes - self.downvotes
    }

    fn heat(&self, as_of: DateTime<Utc>) -> f64 {
        let micros = (as_of - self.created_at).num_microseconds().unwrap();
        heat(self.score(), micros as f64 / 3_600_000_000.0)
    }
}

/// What tests call chance, the same each time.
struct Dice(u64);

impl Dice {
    fn below(&mut self, end: u64) -> u64 {
        self.0 =
            self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % end
    }
}

const AS_OF: &str = "2026-11-20T12:00:00Z";

fn as_of() -> DateTime<Utc> {
    AS_OF.parse().unwrap()
}

/// Posts of two communities, with the votes and ages of a year before `end` written into the read
/// tables.
async fn aged(
    world: &World,
    communities: [CommunityId; 2],
    owner: &User,
    count: u64,
    end: DateTime<Utc>,
) -> Vec<Aged> {
    let mut dice = Dice(7);
    let mut posts = Vec::new();
    for number in 0..count {
        let community = communities[usize::from(dice.below(3) == 0)];
        let id = world.post(owner, community, &format!("Post number {number}")).await;
        let minutes = match number % 3 {
            0 => dice.below(600),
            1 => dice.below(8 * 24 * 60),
            _ => dice.below(400 * 24 * 60),
        };
        // A third lies exactly on the hour, so that there are ties.
        let minutes = if dice.below(3) == 0 { minutes / 60 * 60 } else { minutes };
        let created_at = end - TimeDelta::minutes(i64::try_from(minutes).unwrap());
        let most = [2, 6, 60, 3_000][usize::try_from(dice.below(4)).unwrap()];
        let upvotes = i64::try_from(dice.below(most)).unwrap();
        let downvotes = i64::try_from(dice.below(most / 2 + 1)).unwrap();
        posts.push(Aged { id, community, created_at, upvotes, downvotes });
    }
    world.project().await;
    let mut tx = world.database.pool.begin().await.unwrap();
    sqlx::query("DELETE FROM read.post_ranks").execute(&mut *tx).await.unwrap();
    for post in &posts {
        sqlx::query(
            "WITH p AS (UPDATE read.posts SET created_at = $2 WHERE id = $1)
             UPDATE read.post_scores SET created_at = $2, score = $3, upvotes = $4, downvotes = $5
             WHERE post_id = $1",
        )
        .bind(post.id.0)
        .bind(post.created_at)
        .bind(post.score())
        .bind(post.upvotes)
        .bind(post.downvotes)
        .execute(&mut *tx)
        .await
        .unwrap();
        for ranking in [Ranking::Top, Ranking::Hot, Ranking::Controversial] {
            sqlx::query("INSERT INTO read.post_ranks VALUES ($1, $2, $3, $4, $5)")
                .bind(post.community.0)
                .bind(ranking.number())
                .bind(ranking.level(post.upvotes, post.downvotes))
                .bind(post.created_at)
                .bind(post.id.0)
                .execute(&mut *tx)
                .await
                .unwrap();
        }
    }
    tx.commit().await.unwrap();
    posts
}

fn ids(posts: &[Value]) -> Vec<String> {
    posts.iter().map(|post| post["id"].as_str().unwrap().to_owned()).collect()
}

fn sorted<K: PartialOrd>(posts: &[Aged], key: impl Fn(&Aged) -> K) -> Vec<String> {
    let mut posts = posts.to_vec();
    posts.sort_by(|one, other| {
        let keys = key(other).partial_cmp(&key(one)).unwrap();
        keys.then(other.created_at.cmp(&one.created_at)).then(other.id.cmp(&one.id))
    });
    posts.iter().map(|post| post.id.to_string()).collect()
}

async fn walk_as(world: &World, user: &User, path: &str) -> Vec<Value> {
    let (mut items, mut cursor) = (Vec::new(), String::new());
    loop {
        let list = world.get_as(user, &format!("{path}&limit=11{cursor}")).await.ok();
        items.extend(list["items"].as_array().unwrap().iter().cloned());
        match list["next"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => return items,
        }
    }
}

#[tokio::test]
async fn pst_14_msh_06_every_order_is_exact_as_of_any_time() {
    let world = World::new().await;
    let (owner, reader) = (world.member(None).await, world.member(None).await);
    let category = world.categories(&["Science"]).await[0];
    let communities = [
        world.community(&owner, category, "rustaceans").await,
        world.community(&owner, category, "gardeners").await,
    ];
    for community in communities {
        world.join(&reader, community).await;
    }
    let all = aged(&world, communities, &owner, 240, as_of()).await;
    let first: Vec<Aged> =
        all.iter().filter(|post| post.community == communities[0]).copied().collect();

    let feed = "/v1/communities/rustaceans/posts";
    for (days, window) in [
        (1, "&window=day"),
        (7, "&window=week"),
        (30, "&window=month"),
        (365, "&window=year"),
        (9_999, ""),
    ] {
        let since = as_of() - TimeDelta::days(days);
        let of = |posts: &[Aged]| -> Vec<Aged> {
            posts.iter().filter(|post| post.created_at > since).copied().collect()
        };
        for (sort, posts, home) in [
            ("top", of(&first), false),
            ("controversial", of(&first), false),
            ("top", of(&all), true),
            ("controversial", of(&all), true),
        ] {
            let expected = if sort == "top" {
                sorted(&posts, Aged::score)
            } else {
                sorted(&posts, |post| controversy(post.upvotes, post.downvotes))
            };
            let query = format!("?sort={sort}{window}&as_of={AS_OF}");
            let found = if home {
                walk_as(&world, &reader, &format!("/v1/me/feed{query}")).await
            } else {
                walk(&world, &format!("{feed}{query}"), 7).await
            };
            assert_eq!(ids(&found), expected, "{query}, home: {home}");
        }
    }
    for hours in [0, 5, 100, 24 * 9, -24 * 3] {
        let then = as_of() + TimeDelta::hours(hours);
        let text = then.format("%Y-%m-%dT%H:%M:%SZ");
        let of = |posts: &[Aged]| -> Vec<Aged> {
            posts.iter().filter(|post| post.created_at <= then).copied().collect()
        };
        let found = walk(&world, &format!("{feed}?sort=hot&as_of={text}"), 7).await;
        assert_eq!(ids(&found), sorted(&of(&first), |post| post.heat(then)), "{text}");
        let found = walk_as(&world, &reader, &format!("/v1/me/feed?sort=hot&as_of={text}")).await;
        assert_eq!(ids(&found), sorted(&of(&all), |post| post.heat(then)), "home, {text}");
        let found = walk(&world, &format!("{feed}?as_of={text}"), 50).await;
        assert_eq!(ids(&found), sorted(&of(&first), |_| 0), "new, {text}");
    }
    // Whoever reads a part can compute the order again.
    let part = world.get(&format!("{feed}?sort=hot&as_of={AS_OF}&limit=5")).await.ok();
    assert_eq!(part["as_of"], "2026-11-20T12:00:00.000000Z");
    let heats = part["items"].as_array().unwrap().iter().map(|post| {
        let created_at: DateTime<Utc> = post["created_at"].as_str().unwrap().parse().unwrap();
        let hours = (as_of() - created_at).num_seconds() as f64 / 3_600.0;
        heat(post["score"].as_i64().unwrap(), hours)
    });
    assert!(heats.is_sorted_by(|one, next| one >= next));
}

#[tokio::test]
async fn pst_14_msh_06_a_home_feed_that_is_asked_for_often_is_as_exact() {
    let world = World::new().await;
    let (owner, reader) = (world.member(None).await, world.member(None).await);
    let category = world.categories(&["Science"]).await[0];
    let communities = [
        world.community(&owner, category, "rustaceans").await,
        world.community(&owner, category, "gardeners").await,
    ];
    for community in communities {
        world.join(&reader, community).await;
    }
    world.project().await;
    let now = world_time(&world, "/v1/communities/rustaceans/posts").await;
    let all = aged(&world, communities, &owner, 240, now).await;
    let mut hottest = String::new();
    // First all are found together, then each apart, then none.
    for ask in 0..4 {
        let part = world.get_as(&reader, "/v1/me/feed?sort=hot").await.ok();
        let as_of: DateTime<Utc> = part["as_of"].as_str().unwrap().parse().unwrap();
        let found = ids(part["items"].as_array().unwrap());
        assert_eq!(found, sorted(&all, |post| post.heat(as_of))[..20], "the {ask}th time");
        hottest = found.into_iter().next().unwrap();
    }
    // The second part goes on below the first.
    let walked = walk_as(&world, &reader, "/v1/me/feed?sort=hot").await;
    assert_eq!(walked.len(), all.len());
    // What one has written is there, and what was deleted is not, however lately the rest was found.
    let fresh = world.post(&reader, communities[1], "A post of a moment ago").await;
    world.delete_post(&owner, hottest.parse().unwrap()).await;
    let position = world.project().await;
    let path = format!("/v1/me/feed?sort=hot&min_position={position}");
    let reply = world.get_as(&reader, &path).await;
    assert!(reply.position() >= position);
    let found = ids(reply.ok()["items"].as_array().unwrap());
    assert!(found.contains(&fresh.to_string()) && !found.contains(&hottest), "{found:?}");
}

#[tokio::test]
async fn pst_14_a_walk_is_whole_while_votes_come() {
    let world = World::new().await;
    let owner = world.member(None).await;
    let community = world.community_of(&owner, "rustaceans").await;
    let mut posts = Vec::new();
    for number in 0..12 {
        posts.push(world.post(&owner, community, &format!("Post number {number}")).await);
    }
    let voters = [world.member(None).await, world.member(None).await, world.member(None).await];
    for (post, votes) in posts.iter().zip([3, 3, 2, 2, 2, 1, 1, 1, 0, 0, 0, 0]) {
        for voter in &voters[..votes] {
            world.vote(voter, *post, VoteState::Upvote).await;
        }
    }
    world.project().await;
    for sort in ["top", "hot", "controversial"] {
        let (mut seen, mut moved) = (Vec::new(), HashSet::new());
        let mut cursor = String::new();
        for part in 0.. {
            let path = format!("/v1/communities/rustaceans/posts?sort={sort}&limit=3{cursor}");
            let list = world.get(&path).await.ok();
            seen.extend(ids(list["items"].as_array().unwrap()));
            let Some(next) = list["next"].as_str() else { break };
            cursor = format!("&cursor={next}");
            // What was shown falls past the place, what was not rises above it.
            let fallen: PostId = seen[0].parse().unwrap();
            let risen = *posts.iter().rfind(|post| !seen.contains(&post.to_string())).unwrap();
            moved.insert(risen.to_string());
            for voter in &voters {
                let states = if part % 2 == 0 {
                    (VoteState::Downvote, VoteState::Upvote)
                } else {
                    (VoteState::None, VoteState::Downvote)
                };
                world.vote(voter, fallen, states.0).await;
                world.vote(voter, risen, states.1).await;
            }
            world.project().await;
        }
        let unique: HashSet<&String> = seen.iter().collect();
        assert_eq!(unique.len(), seen.len(), "{sort}: no post twice");
        for post in &posts {
            let post = post.to_string();
            assert!(seen.contains(&post) || moved.contains(&post), "{sort}: none is missing");
        }
    }
}

#[tokio::test]
async fn pst_14_windows_and_as_of_are_told_apart_and_checked() {
    let world = World::new().await;
    let owner = world.member(None).await;
    let community = world.community_of(&owner, "rustaceans").await;
    for number in 0..3 {
        world.post(&owner, community, &format!("Post number {number}")).await;
    }
    world.project().await;
    let feed = "/v1/communities/rustaceans/posts";
    for wrong in ["sort=new&window=day", "window=all", "sort=hot&window=week"] {
        let problem = world.get(&format!("{feed}?{wrong}")).await.problem(400);
        assert_eq!(problem["errors"][0]["pointer"], "/query/window", "{wrong}");
    }
    // A cursor belongs to its order, its window and its time.
    let first = world.get(&format!("{feed}?sort=top&window=day&limit=1")).await.ok();
    let next = first["next"].as_str().unwrap();
    for other in ["sort=top", "sort=top&window=week", "sort=controversial&window=day", "sort=hot"] {
        world.get(&format!("{feed}?{other}&cursor={next}")).await.problem(400);
    }
    let other = format!("{feed}?sort=top&window=day&as_of=2027-01-01T00:00:00Z&cursor={next}");
    world.get(&other).await.problem(400);
    // The walk keeps the time that it began at.
    let second = world.get(&format!("{feed}?sort=top&window=day&limit=1&cursor={next}")).await.ok();
    assert_eq!(second["as_of"], first["as_of"]);
    // Before the first post there was nothing; with any offset, at any time.
    for then in ["2020-01-01T00:00:00Z", "0000-01-01T00:00:00Z", "2020-01-01T00:00:00%2B05:00"] {
        for sort in ["new", "top", "hot", "controversial"] {
            let list = world.get(&format!("{feed}?sort={sort}&as_of={then}")).await.ok();
            assert_eq!((&list["items"], &list["next"]), (&json!([]), &Value::Null));
        }
    }
    for sort in ["new", "top", "hot", "controversial"] {
        let list = world.get(&format!("{feed}?sort={sort}&as_of=9999-12-31T23:59:59Z")).await.ok();
        assert_eq!(list["items"].as_array().unwrap().len(), 3, "{sort}");
    }
}

#[tokio::test]
async fn cmt_11_comments_are_hot_by_score_and_age() {
    let world = World::new().await;
    let owner = world.member(None).await;
    let community = world.community_of(&owner, "rustaceans").await;
    let post = world.post(&owner, community, "A post of the past").await;
    let mut comments = Vec::new();
    for number in 0..9 {
        comments.push(world.comment(&owner, post, None, &format!("Comment {number}")).await);
    }
    let voters = [world.member(None).await, world.member(None).await];
    for (comment, votes) in [(2, 2), (5, 1), (6, 2)] {
        for voter in &voters[..votes] {
            world.vote_on_comment(voter, comments[comment], VoteState::Upvote).await;
        }
    }
    world.project().await;
    let path = format!("/v1/posts/{post}/comments?sort=hot");
    let mut votes = [0; 9];
    (votes[2], votes[5], votes[6]) = (2, 1, 2);
    let mut expected: Vec<usize> = (0..9).collect();
    // Their ages differ by milliseconds, which weighs less than a vote.
    expected.sort_by_key(|index| Reverse((votes[*index], *index)));
    let expected: Vec<String> = expected.iter().map(|index| comments[*index].to_string()).collect();
    assert_eq!(ids(&walk(&world, &path, 2).await), expected);
    // After a week all are cold, and go by age.
    let later = (world_time(&world, &path).await + TimeDelta::days(8)).format("%Y-%m-%dT%H:%M:%SZ");
    let cold = ids(&walk(&world, &format!("{path}&as_of={later}"), 2).await);
    let newest: Vec<String> = comments.iter().rev().map(ToString::to_string).collect();
    assert_eq!(cold, newest);
}

async fn world_time(world: &World, path: &str) -> DateTime<Utc> {
    world.get(path).await.ok()["as_of"].as_str().unwrap().parse().unwrap()
}
