//! Two instances on one database: what one has accepted, the other holds to at the next request.

use serde_json::{Value, json};

use crate::common::{Answer, Person, Settled, World, actor_json};

/// A vote: no events where it is what it was.
fn vote(post_id: &str, vote_state: &str) -> Value {
    json!({ "target": { "kind": "post", "id": post_id }, "vote_state": vote_state })
}

struct Pair {
    a: World,
    b: World,
    settled: Settled,
    voter: Person,
    post_id: String,
}

impl Pair {
    /// Both instances know the voter, and the voter has voted up.
    async fn new() -> Self {
        let a = World::new().await;
        let b = a.twin().await;
        let settled = a.settled().await;
        let post_id = a.post(&settled.owner, &settled.community_id).await;
        let voter = a.member().await;
        a.send(&voter, "cast-vote", vote(&post_id, "upvote")).await.accepted();
        let noop = b.send(&voter, "cast-vote", vote(&post_id, "upvote")).await;
        assert!(noop.events().is_empty());
        Self { a, b, settled, voter, post_id }
    }

    /// At B: a command that would change something, and one that would not.
    async fn at_b(&self, vote_state: &str) -> Answer {
        self.b.send(&self.voter, "cast-vote", vote(&self.post_id, vote_state)).await
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ses_04_a_logout_at_one_instance_holds_at_the_other_at_once() {
    for state in ["upvote", "downvote"] {
        let pair = Pair::new().await;
        pair.a.send(&pair.voter, "log-out", json!({})).await.accepted();
        let before = pair.a.head().await;
        pair.at_b(state).await.refused(401, "SES-04");
        assert_eq!(pair.a.head().await, before, "{state}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ses_06_a_forced_logout_at_one_instance_holds_at_the_other_at_once() {
    for state in ["upvote", "downvote"] {
        let pair = Pair::new().await;
        let body = json!({ "principal": actor_json(pair.voter.actor) });
        pair.a.send(&pair.settled.admin, "revoke-all-sessions", body).await.accepted();
        pair.at_b(state).await.refused(401, "SES-04");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn mem_05_a_suspension_at_one_instance_holds_at_the_other_at_once() {
    for state in ["upvote", "downvote"] {
        let pair = Pair::new().await;
        let body = json!({ "member_id": pair.voter.id() });
        pair.a.send(&pair.settled.admin, "suspend-member", body).await.accepted();
        let before = pair.a.head().await;
        pair.at_b(state).await.refused(401, "SES-04");
        let voter = pair.a.log_in(&pair.voter).await;
        let vote = vote(&pair.post_id, state);
        pair.b.send(&voter, "cast-vote", vote).await.refused(403, "MEM-05");
        assert_eq!(pair.a.events_after(before).await.len(), 2, "only the login's");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn adm_04_adm_06_what_an_admin_may_is_the_same_at_both_at_once() {
    let pair = Pair::new().await;
    let (a, b) = (&pair.a, &pair.b);
    let second = a.admin(&[]).await;
    let description =
        |text: &str| json!({ "category_id": pair.settled.category_id, "description": text });
    b.send(&second, "describe-category", description("one")).await.accepted();
    let grant = json!({ "admin_id": second.id(), "scope": "auditor" });
    a.send(&pair.settled.admin, "grant-admin-scope", grant).await.accepted();
    b.send(&second, "describe-category", description("two")).await.refused(403, "ROL-01");
    let grant = json!({ "admin_id": second.id(), "scope": "legal" });
    a.send(&pair.settled.admin, "grant-admin-scope", grant).await.accepted();
    b.send(&second, "describe-category", description("two")).await.accepted();
    let suspend = json!({ "admin_id": second.id() });
    a.send(&pair.settled.admin, "suspend-admin", suspend).await.accepted();
    b.send(&second, "describe-category", description("two")).await.refused(401, "SES-04");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn pst_08_com_09_what_is_deleted_at_one_instance_is_so_at_the_other() {
    let pair = Pair::new().await;
    let (a, b) = (&pair.a, &pair.b);
    a.send(&pair.settled.owner, "delete-post", json!({ "post_id": pair.post_id })).await.accepted();
    pair.at_b("upvote").await.refused(410, "PVT-08");
    a.send(&pair.settled.owner, "restore-post", json!({ "post_id": pair.post_id }))
        .await
        .accepted();
    pair.at_b("downvote").await.accepted();
    let community = json!({ "community_id": pair.settled.community_id });
    let reasoned = json!({ "community_id": pair.settled.community_id, "reason": "Spam." });
    a.send(&pair.settled.admin, "delete-community", reasoned).await.accepted();
    pair.at_b("downvote").await.refused(410, "PVT-08");
    b.send(&pair.voter, "join-community", community).await.refused(404, "MSH-04");
}

/// What changes nothing of the right to act must not get in the way of a command.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_change_of_name_at_one_instance_does_not_hinder_votes_at_the_other() {
    let pair = Pair::new().await;
    let names = async {
        for number in 0..20 {
            let body = json!({ "display_name": format!("Name {number}") });
            pair.a.send(&pair.voter, "change-display-name", body).await.accepted();
        }
    };
    let votes = async {
        for number in 0..40 {
            pair.at_b(if number % 2 == 0 { "downvote" } else { "upvote" }).await.accepted();
        }
    };
    let begun = std::time::Instant::now();
    tokio::join!(names, votes);
    assert!(begun.elapsed().as_secs() < 10, "{:?}", begun.elapsed());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_post_made_at_one_instance_is_voted_on_at_the_other_at_once() {
    let pair = Pair::new().await;
    for _ in 0..20 {
        let post_id = pair.a.post(&pair.settled.owner, &pair.settled.community_id).await;
        let answer = pair.b.send(&pair.voter, "cast-vote", vote(&post_id, "upvote")).await;
        assert_eq!(answer.events(), ["PostVoteCast"]);
    }
}
