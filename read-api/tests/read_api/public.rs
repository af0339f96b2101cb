//! Categories, communities, posts and scores, as guests see them.

use agora_domain::{
    community::category::{Category, CategoryEvent},
    content::vote::VoteState,
};
use serde_json::{Value, json};

use crate::world::World;

fn names(list: &Value, field: &str) -> Vec<String> {
    let items = list["items"].as_array().unwrap();
    items.iter().map(|item| item[field].as_str().unwrap().to_owned()).collect()
}

/// All items of a list, a part at a time.
pub async fn walk(world: &World, path: &str, limit: usize) -> Vec<Value> {
    let separator = if path.contains('?') { '&' } else { '?' };
    let mut items = Vec::new();
    let mut cursor = String::new();
    loop {
        let list = world.get(&format!("{path}{separator}limit={limit}{cursor}")).await.ok();
        let part = list["items"].as_array().unwrap();
        assert!(part.len() <= limit, "parts are bounded");
        items.extend(part.iter().cloned());
        match list["next"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => return items,
        }
    }
}

#[tokio::test]
async fn cat_06_categories_come_in_display_order_without_the_retired() {
    let world = World::new().await;
    let ids = world.categories(&["Science", "Music", "Sports", "Gone_by"]).await;
    world
        .append::<Category>(
            agora_domain::Actor::SYSTEM,
            ids[3],
            vec![CategoryEvent::CategoryRetired {}],
        )
        .await;
    world.reorder(&[ids[2], ids[0], ids[1]]).await;
    world.project().await;
    let list = world.get("/v1/categories").await.ok();
    assert_eq!(names(&list, "name"), ["Sports", "Science", "Music"]);
    let orders: Vec<i64> = list["items"]
        .as_array()
        .unwrap()
        .iter()
        .map(|c| c["display_order"].as_i64().unwrap())
        .collect();
    assert_eq!(orders, [1, 2, 3]);
    assert_eq!(list["next"], Value::Null);
    let walked = walk(&world, "/v1/categories", 1).await;
    assert_eq!(walked, *list["items"].as_array().unwrap());
}

#[tokio::test]
async fn com_09_deleted_communities_and_their_posts_are_not_there() {
    let world = World::new().await;
    let owner = world.member(Some("Ada")).await;
    let category = world.categories(&["Science"]).await[0];
    let open = world.community(&owner, category, "Open_Space").await;
    let closed = world.community(&owner, category, "closed-one").await;
    let post = world.post(&owner, closed, "Soon gone").await;
    world.delete_community(&owner, closed).await;
    world.project().await;

    let list = world.get("/v1/communities").await.ok();
    assert_eq!(names(&list, "name"), ["Open_Space"]);
    let shown = world.get("/v1/communities/oPEN_sPACE").await.ok();
    assert_eq!(shown["id"], open.to_string());
    assert_eq!(shown["owner_id"], owner.id().to_string());
    assert_eq!(shown["deleted_at"], Value::Null);
    for path in [
        "/v1/communities/closed-one".to_owned(),
        "/v1/communities/closed-one/posts".into(),
        format!("/v1/posts/{post}"),
        format!("/v1/posts/{post}/score"),
    ] {
        world.get(&path).await.problem(404);
        world.get_as(&owner, &path).await.problem(404);
    }
    let of_category = world.get(&format!("/v1/communities?category_id={category}")).await.ok();
    assert_eq!(names(&of_category, "name"), ["Open_Space"]);
    let of_another = world.get(&format!("/v1/communities?category_id={}", owner.id())).await.ok();
    assert_eq!(of_another["items"], json!([]));
}

#[tokio::test]
async fn pst_11_pvt_04_a_feed_is_sorted_by_age_or_score() {
    let world = World::new().await;
    let owner = world.member(Some("Ada")).await;
    let community = world.community_of(&owner, "rustaceans").await;
    let mut posts = Vec::new();
    for number in 0..7 {
        posts.push(world.post(&owner, community, &format!("Post number {number}")).await);
    }
    for (post, state) in [(posts[2], VoteState::Upvote), (posts[4], VoteState::Downvote)] {
        for _ in 0..2 {
            let voter = world.member(None).await;
            world.vote(&voter, post, state).await;
        }
    }
    let undecided = world.member(None).await;
    world.vote(&undecided, posts[5], VoteState::Upvote).await;
    world.vote(&undecided, posts[5], VoteState::None).await;
    world.project().await;

    let newest = walk(&world, "/v1/communities/rustaceans/posts", 3).await;
    let titles: Vec<&str> = newest.iter().map(|post| post["title"].as_str().unwrap()).collect();
    let expected: Vec<String> =
        (0..7).rev().map(|number| format!("Post number {number}")).collect();
    assert_eq!(titles, expected);

    let top = walk(&world, "/v1/communities/RUSTACEANS/posts?sort=top", 2).await;
    let scores: Vec<i64> = top.iter().map(|post| post["score"].as_i64().unwrap()).collect();
    assert_eq!(scores, [2, 0, 0, 0, 0, 0, -2]);
    assert_eq!(top[0]["id"], posts[2].to_string());
    assert_eq!((&top[6]["upvotes"], &top[6]["downvotes"]), (&json!(0), &json!(2)));
    let ids: std::collections::HashSet<_> = top.iter().map(|post| post["id"].to_string()).collect();
    assert_eq!(ids.len(), 7, "no post twice, none left out");

    let score = world.get(&format!("/v1/posts/{}/score", posts[5])).await.ok();
    assert_eq!(score["score"], 0, "a vote taken back counts nothing");
    assert_eq!((&score["upvotes"], &score["downvotes"]), (&json!(0), &json!(0)));
}

#[tokio::test]
async fn esx_06_a_list_stays_whole_while_it_grows_and_its_parts_are_bounded() {
    let world = World::new().await;
    let owner = world.member(None).await;
    let community = world.community_of(&owner, "rustaceans").await;
    for number in 0..4 {
        world.post(&owner, community, &format!("Post number {number}")).await;
    }
    world.project().await;
    let path = "/v1/communities/rustaceans/posts";
    let first = world.get(&format!("{path}?limit=2")).await.ok();
    world.post(&owner, community, "Written meanwhile").await;
    world.project().await;
    let cursor = first["next"].as_str().unwrap();
    // Another instance, or the same after a restart, takes the cursor as well.
    let other = world.another_instance();
    let second = other.get(&format!("{path}?limit=2&cursor={cursor}")).await.ok();
    let titles = [names(&first, "title"), names(&second, "title")].concat();
    assert_eq!(titles, ["Post number 3", "Post number 2", "Post number 1", "Post number 0"]);
    assert_eq!(second["next"], Value::Null);
}

#[tokio::test]
async fn mem_02_pst_07_without_a_name_the_author_is_anonymous() {
    let world = World::new().await;
    let owner = world.member(Some("")).await;
    let community = world.community_of(&owner, "rustaceans").await;
    let named = world.post_named(&owner, community, "With a name", Some("Ada")).await;
    let empty = world.post_named(&owner, community, "With an empty one", Some("")).await;
    let without = world.post(&owner, community, "Without one").await;
    world.project().await;
    for (post, name) in [(named, "Ada"), (empty, "Anonymous"), (without, "Anonymous")] {
        let shown = world.get(&format!("/v1/posts/{post}")).await.ok();
        assert_eq!(shown["author_display_name"], name);
    }
    let me = world.get_as(&owner, "/v1/me").await.ok();
    assert_eq!(me["display_name"], "Anonymous");
}

#[tokio::test]
async fn com_16_what_was_erased_is_shown_as_erased() {
    let world = World::new().await;
    let owner = world.member(Some("Ada")).await;
    let community = world.community_of(&owner, "rustaceans").await;
    let post = world.post_named(&owner, community, "Soon erased", Some("Ada")).await;
    world.project().await;
    let path = format!("/v1/posts/{post}");
    let before = world.get(&path).await.ok();
    assert_eq!((&before["title"], &before["erased"]), (&json!("Soon erased"), &json!(false)));
    world.erase(&owner).await;
    let after = world.another_instance().get(&path).await.ok();
    assert_eq!((&after["title"], &after["body"]), (&Value::Null, &Value::Null));
    assert_eq!(
        (&after["author_display_name"], &after["erased"]),
        (&json!("Anonymous"), &json!(true))
    );
    assert_eq!(after["author_memberuser_id"], owner.id().to_string(), "the opaque id stays");
}

#[tokio::test]
async fn pst_08_pst_15_a_deleted_post_is_there_for_its_author_only() {
    let world = World::new().await;
    let author = world.member(Some("Ada")).await;
    let other = world.member(Some("Bob")).await;
    let community = world.community_of(&author, "rustaceans").await;
    let post = world.post(&author, community, "Soon deleted").await;
    world.delete_post(&author, post).await;
    world.project().await;
    let path = format!("/v1/posts/{post}");
    for path in [path.clone(), format!("{path}/score")] {
        world.get(&path).await.problem(404);
        world.get_as(&other, &path).await.problem(404);
    }
    let mine = world.get_as(&author, &path).await.ok();
    assert_eq!(mine["title"], "Soon deleted");
    assert!(mine["deleted_at"].is_string());
    world.get_as(&author, &format!("{path}/score")).await.ok();
    let feed = world.get("/v1/communities/rustaceans/posts").await.ok();
    assert_eq!(feed["items"], json!([]));
    let top = world.get("/v1/communities/rustaceans/posts?sort=top").await.ok();
    assert_eq!(top["items"], json!([]));
}

#[tokio::test]
async fn esx_08_single_objects_have_a_tag_and_are_not_sent_twice() {
    let world = World::new().await;
    let owner = world.member(None).await;
    let community = world.community_of(&owner, "rustaceans").await;
    let post = world.post(&owner, community, "With a tag").await;
    world.project().await;
    for path in [
        "/v1/communities/rustaceans".to_owned(),
        format!("/v1/posts/{post}"),
        format!("/v1/posts/{post}/score"),
    ] {
        let first = world.get(&path).await;
        first.ok();
        assert_eq!(first.header("cache-control"), "no-cache");
        let tag = first.header("etag").to_owned();
        let request = || axum::http::Request::get(&path);
        let again = world.send(request().header("if-none-match", &tag)).await;
        assert_eq!((again.status.as_u16(), again.body.as_str()), (304, ""));
        assert_eq!(again.header("etag"), tag);
        assert!(again.position() > 0);
        world.send(request().header("if-none-match", "\"other\"")).await.ok();
    }
    let path = format!("/v1/posts/{post}/score");
    let before = world.get(&path).await.header("etag").to_owned();
    let voter = world.member(None).await;
    world.vote(&voter, post, VoteState::Upvote).await;
    world.project().await;
    let request = axum::http::Request::get(&path).header("if-none-match", &before);
    assert_eq!(world.send(request).await.ok()["score"], 1);
    assert_eq!(world.get_as(&owner, &path).await.header("cache-control"), "no-store");
}

#[tokio::test]
async fn esx_15_times_are_utc_with_microseconds() {
    let world = World::new().await;
    world.categories(&["Science"]).await;
    world.project().await;
    let list = world.get("/v1/categories").await.ok();
    let time = list["items"][0]["created_at"].as_str().unwrap();
    assert_eq!((time.len(), time.ends_with('Z')), ("2026-01-31T12:00:00.000000Z".len(), true));
    chrono::DateTime::parse_from_rfc3339(time).unwrap();
}
