//! What belongs to whoever asks.

use agora_domain::{content::vote::VoteState, identity::values::AdminScope};
use serde_json::{Value, json};

use crate::world::World;

#[tokio::test]
async fn esx_08_me_is_who_asks_and_is_not_kept_by_caches() {
    let world = World::new().await;
    let ada = world.member(Some("Ada")).await;
    let root = world.admin(&[AdminScope::Global]).await;
    world.project().await;
    let reply = world.get_as(&ada, "/v1/me").await;
    let me = reply.ok();
    assert_eq!((&me["kind"], &me["id"]), (&json!("member"), &json!(ada.id().to_string())));
    assert_eq!((&me["display_name"], &me["status"]), (&json!("Ada"), &json!("active")));
    assert_eq!(me["session_id"], ada.session.to_string());
    assert_eq!(reply.header("cache-control"), "no-store");
    assert!(!reply.header("etag").is_empty());
    let me = world.get_as(&root, "/v1/me").await.ok();
    assert_eq!((&me["kind"], &me["scopes"]), (&json!("admin"), &json!(["global"])));
}

#[tokio::test]
async fn crd_03_one_sees_what_one_logs_in_with_and_no_hash() {
    let world = World::new().await;
    let ada = world.member(None).await;
    let root = world.admin(&[AdminScope::Ops]).await;
    world.get_as(&ada, "/v1/me/credential").await.problem(404);
    world.project().await;
    let mut ids = Vec::new();
    for user in [&ada, &root] {
        let reply = world.get_as(user, "/v1/me/credential").await;
        let credential = reply.ok();
        assert_eq!(credential["email"], "somebody@example.org");
        assert_eq!(
            (&credential["status"], &credential["pending_email"]),
            (&json!("valid"), &Value::Null)
        );
        assert_eq!(reply.header("cache-control"), "no-store");
        assert!(!reply.header("etag").is_empty());
        assert!(!reply.body.contains("argon2id") && !reply.body.contains("hash"));
        ids.push(credential["id"].clone());
    }
    assert_ne!(ids[0], ids[1]);
    world.get("/v1/me/credential").await.problem(401);
}

#[tokio::test]
async fn ses_12_ses_01_one_sees_all_own_sessions_and_no_token() {
    let world = World::new().await;
    let ada = world.member(None).await;
    let again = world.log_in(ada.actor).await;
    let other = world.member(None).await;
    world.revoke(&ada).await;
    world.project().await;
    let reply = world.get_as(&again, "/v1/me/sessions").await;
    let list = reply.ok();
    let items = list["items"].as_array().unwrap();
    let ids: Vec<&str> = items.iter().map(|item| item["id"].as_str().unwrap()).collect();
    assert_eq!(ids, [again.session.to_string(), ada.session.to_string()]);
    assert_eq!((&items[0]["current"], &items[1]["current"]), (&json!(true), &json!(false)));
    assert_eq!(items[0]["revoked_at"], Value::Null);
    assert!(items[1]["revoked_at"].is_string());
    assert_eq!(items[1]["revoke_cause"], "logged_out");
    assert_eq!(
        (&items[0]["device_info"], &items[0]["ip_address"]),
        (&json!("Firefox"), &json!(crate::world::CLIENT))
    );
    for secret in [&ada.token, &again.token, &other.session.to_string()] {
        assert!(!reply.body.contains(secret.as_str()));
    }
    assert_eq!(reply.header("cache-control"), "no-store");
    let first = world.get_as(&again, "/v1/me/sessions?limit=1").await.ok();
    let next = first["next"].as_str().unwrap();
    let second = world.get_as(&again, &format!("/v1/me/sessions?limit=1&cursor={next}")).await.ok();
    assert_eq!(second["items"][0]["id"], ada.session.to_string());
    // A cursor is good for the list of whom it was given to.
    world.get_as(&other, &format!("/v1/me/sessions?cursor={next}")).await.problem(400);
}

#[tokio::test]
async fn ses_12_everybodys_sessions_end_here_at_once_too_and_the_table_says_so() {
    let world = World::new().await;
    let (admin, ada) = (world.admin(&[]).await, world.member(None).await);
    world.get_as(&ada, "/v1/categories").await.ok();
    let position = world.revoke_everybodys(admin.actor, Some(admin.session)).await;
    world.get_as(&ada, "/v1/me").await.problem(401);
    world.project().await;
    world.get_as(&admin, "/v1/me").await.ok();
    // Those of the next era are in, and see how the earlier ones ended.
    let again = world.log_in(ada.actor).await;
    world.project().await;
    let path = format!("/v1/me/sessions?min_position={position}");
    let list = world.get_as(&again, &path).await.ok();
    let ended: Vec<bool> =
        list["items"].as_array().unwrap().iter().map(|it| it["revoked_at"].is_string()).collect();
    assert_eq!(ended, [false, true]);
}

#[tokio::test]
async fn pvt_10_one_sees_own_votes_and_nobody_elses() {
    let world = World::new().await;
    let author = world.member(None).await;
    let community = world.community_of(&author, "rustaceans").await;
    let (ada, bob) = (world.member(None).await, world.member(None).await);
    let root = world.admin(&[]).await;
    let first = world.post(&author, community, "First post").await;
    let second = world.post(&author, community, "Second post").await;
    world.vote(&ada, first, VoteState::Upvote).await;
    world.vote(&ada, second, VoteState::Downvote).await;
    world.vote(&ada, first, VoteState::None).await;
    world.vote(&bob, first, VoteState::Downvote).await;
    world.vote(&root, first, VoteState::Upvote).await;
    world.project().await;
    let votes = world.get_as(&ada, "/v1/me/votes").await.ok();
    let seen: Vec<(String, &str)> = votes["items"]
        .as_array()
        .unwrap()
        .iter()
        .map(|vote| {
            assert_eq!(vote["voter_memberuser_id"], ada.id().to_string());
            assert_eq!(vote["voter_adminuser_id"], Value::Null);
            (vote["community_platform_post_id"].to_string(), vote["vote_state"].as_str().unwrap())
        })
        .collect();
    assert_eq!(seen, [(format!("\"{second}\""), "downvote"), (format!("\"{first}\""), "none")]);
    let votes = world.get_as(&root, "/v1/me/votes").await.ok();
    assert_eq!(votes["items"].as_array().unwrap().len(), 1);
    assert_eq!(votes["items"][0]["voter_adminuser_id"], root.id().to_string());
    let post = world.get(&format!("/v1/posts/{first}")).await;
    post.ok();
    for voter in [&ada, &bob, &root] {
        assert!(!post.body.contains(&voter.id().to_string()), "a post does not tell who voted");
    }
    world.get("/v1/me/votes").await.problem(401);
}

#[tokio::test]
async fn msh_03_one_sees_own_memberships() {
    let world = World::new().await;
    let owner = world.member(None).await;
    let ada = world.member(None).await;
    let category = world.categories(&["Science"]).await[0];
    for name in ["first-one", "second-one", "third-one"] {
        let community = world.community(&owner, category, name).await;
        if name != "second-one" {
            world.join(&ada, community).await;
        }
    }
    world.project().await;
    let list = world.get_as(&ada, "/v1/me/memberships").await.ok();
    let items = list["items"].as_array().unwrap();
    let names: Vec<&str> =
        items.iter().map(|item| item["community_name"].as_str().unwrap()).collect();
    assert_eq!(names, ["third-one", "first-one"]);
    assert!(items.iter().all(|item| item["memberuser_id"] == ada.id().to_string()));
    assert!(items.iter().all(|item| item["joined_at"].is_string()));
}

#[tokio::test]
async fn msh_06_pst_11_the_home_feed_shows_posts_of_joined_communities() {
    let world = World::new().await;
    let owner = world.member(Some("Ada")).await;
    let ada = world.member(None).await;
    let category = world.categories(&["Science"]).await[0];
    let mut communities = Vec::new();
    for name in ["first-one", "second-one", "third-one", "deleted-one"] {
        communities.push(world.community(&owner, category, name).await);
    }
    for number in 0..12 {
        world.post(&owner, communities[number % 4], &format!("Post number {number}")).await;
    }
    for joined in [0, 2, 3] {
        world.join(&ada, communities[joined]).await;
    }
    let gone = world.post(&owner, communities[0], "Deleted post").await;
    world.delete_post(&owner, gone).await;
    world.delete_community(&owner, communities[3]).await;
    world.project().await;
    let mut titles = Vec::new();
    let mut cursor = String::new();
    loop {
        let list = world.get_as(&ada, &format!("/v1/me/feed?limit=4{cursor}")).await.ok();
        for post in list["items"].as_array().unwrap() {
            assert!(["first-one", "third-one"].contains(&post["community_name"].as_str().unwrap()));
            titles.push(post["title"].as_str().unwrap().to_owned());
        }
        match list["next"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => break,
        }
    }
    let expected: Vec<String> =
        [10, 8, 6, 4, 2, 0].iter().map(|number| format!("Post number {number}")).collect();
    assert_eq!(titles, expected);
}

#[tokio::test]
async fn rec_02_rec_04_rec_06_recent_communities_need_no_membership_and_skip_the_deleted() {
    let world = World::new().await;
    let owner = world.member(None).await;
    let ada = world.member(None).await;
    let category = world.categories(&["Science"]).await[0];
    let mut communities = Vec::new();
    for name in ["first-one", "second-one", "third-one"] {
        communities.push(world.community(&owner, category, name).await);
    }
    world.visit(&ada, &[communities[2], communities[1], communities[0]]).await;
    world.project().await;
    let ranks = |list: &Value| -> Vec<(i64, String)> {
        let items = list["items"].as_array().unwrap().iter();
        items
            .map(|item| {
                let name = item["community_name"].as_str().unwrap().to_owned();
                (item["recent_rank"].as_i64().unwrap(), name)
            })
            .collect()
    };
    let rank = |rank, name: &str| (rank, name.to_owned());
    let list = world.get_as(&ada, "/v1/me/recent-communities").await.ok();
    assert_eq!(ranks(&list), [rank(1, "third-one"), rank(2, "second-one"), rank(3, "first-one")]);
    let memberships = world.get_as(&ada, "/v1/me/memberships").await.ok();
    assert_eq!(memberships["items"], json!([]), "visiting is not joining");
    world.delete_community(&owner, communities[1]).await;
    world.project().await;
    let list = world.get_as(&ada, "/v1/me/recent-communities").await.ok();
    assert_eq!(ranks(&list), [rank(1, "third-one"), rank(2, "first-one")]);
    let part = world.get_as(&ada, "/v1/me/recent-communities?limit=1").await.ok();
    let next = part["next"].as_str().unwrap();
    let rest =
        world.get_as(&ada, &format!("/v1/me/recent-communities?limit=1&cursor={next}")).await.ok();
    assert_eq!((ranks(&rest), &rest["next"]), (vec![rank(2, "first-one")], &Value::Null));
}
