//! Full-text search: what is found, in which order, and what is not.

use agora_domain::{
    Actor, Personal, PersonalCategory,
    community::community::{Community, CommunityEvent},
    content::post::{Post, PostEvent},
    ids::{CommunityId, PostId},
};
use agora_service::clock;
use serde_json::Value;

use crate::world::{User, World};

impl World {
    async fn post_of(
        &self,
        author: &User,
        community_id: CommunityId,
        texts: (&str, &str),
    ) -> PostId {
        let post_id = PostId(clock::new_id());
        let created = PostEvent::PostCreated {
            post_id,
            community_id,
            author: author.actor,
            title: personal(author, texts.0),
            body: personal(author, texts.1),
            author_display_name: None,
        };
        self.append::<Post>(author.actor, post_id, vec![created]).await;
        post_id
    }

    /// What is found, by one property.
    async fn found(&self, path: &str, property: &str) -> Vec<String> {
        let list = self.get(path).await.ok();
        let items = list["items"].as_array().unwrap();
        items.iter().map(|item| item[property].as_str().unwrap().to_owned()).collect()
    }

    async fn titles(&self, query: &str) -> Vec<String> {
        self.found(&format!("/v1/search/posts?q={query}"), "title_html").await
    }
}

fn personal<T: std::str::FromStr<Err: std::fmt::Debug>>(author: &User, text: &str) -> Personal<T> {
    Personal::new(author.actor.subject(), PersonalCategory::Content, text.parse().unwrap())
}

fn sorted(mut texts: Vec<String>) -> Vec<String> {
    texts.sort();
    texts
}

#[tokio::test]
async fn com_11_communities_are_found_by_name_and_by_description() {
    let world = World::new().await;
    let ada = world.member(None).await;
    let bakers = world.community_of(&ada, "bread-baking").await;
    let updated = CommunityEvent::CommunityUpdated {
        description: Some("All about <sourdough> & rye".parse().unwrap()),
        logo_uri: None,
        banner_uri: None,
    };
    world.append::<Community>(ada.actor, bakers, vec![updated]).await;
    world.project().await;
    for query in
        ["bread", "baking", "bread-baking", "BREAD", "sourdough", "rye", "brea", "rye+bread"]
    {
        let names = world.found(&format!("/v1/search/communities?q={query}"), "name").await;
        assert_eq!(names, ["bread-baking"], "{query}");
    }
    let list = world.get("/v1/search/communities?q=rye").await.ok();
    let html = list["items"][0]["description_html"].as_str().unwrap();
    assert!(
        html.contains("&amp; <mark>rye</mark>") && html.contains("&lt;sourdough&gt;"),
        "{html}"
    );
    for query in ["birds", "ake", "rye+-bread"] {
        let names = world.found(&format!("/v1/search/communities?q={query}"), "name").await;
        assert!(names.is_empty(), "{query}");
    }
    world.delete_community(&ada, bakers).await;
    world.project().await;
    assert!(world.found("/v1/search/communities?q=bread", "name").await.is_empty(), "com_09");
}

#[tokio::test]
async fn pst_10_posts_are_found_by_title_and_by_body_and_titles_count_more() {
    let world = World::new().await;
    let ada = world.member(None).await;
    let community = world.community_of(&ada, "bread-baking").await;
    world
        .post_of(&ada, community, ("Blåbærsyltetøy", "Kokt med <i>sukker</i> og én sitron."))
        .await;
    world
        .post_of(&ada, community, ("First sourdough", "It rose & fell; see https://x.test/a."))
        .await;
    world
        .post_of(&ada, community, ("An older try", "The first loaf was no sourdough at all."))
        .await;
    world.project().await;
    assert_eq!(
        world.titles("sourdough").await,
        ["First <mark>sourdough</mark>", "An older try"],
        "by rank"
    );
    assert_eq!(world.titles("bl%C3%A5b").await, ["<mark>Blåbærsyltetøy</mark>"], "what begins so");
    assert_eq!(world.titles("%22first+loaf%22").await, ["An older try"], "a phrase");
    assert_eq!(world.titles("sukker+or+loaf").await.len(), 2);
    assert_eq!(world.titles("first+-loaf").await, ["<mark>First</mark> sourdough"]);
    assert!(world.titles("%22loaf+first%22").await.is_empty());
    assert!(world.titles("!!!").await.is_empty());
    let list = world.get("/v1/search/posts?q=fell").await;
    let post = list.ok()["items"][0].clone();
    assert_eq!(post["body_html"], "It rose &amp; <mark>fell</mark>; see https://x.test/a.");
    assert_eq!(post["community_name"], "bread-baking");
    assert_eq!(post["author_memberuser_id"], ada.id().to_string());
    assert!(!list.body.contains("sealed:"));
    let within = |name: &str| format!("/v1/search/posts?q=sourdough&community={name}");
    assert_eq!(world.found(&within("Bread-Baking"), "id").await.len(), 2);
    assert!(world.found(&within("birdwatching"), "id").await.is_empty());
}

#[tokio::test]
async fn pst_08_com_09_cmt_06_what_is_deleted_is_not_found_until_it_is_restored() {
    let world = World::new().await;
    let ada = world.member(None).await;
    let community = world.community_of(&ada, "bread-baking").await;
    let post = world.post_of(&ada, community, ("Starters and more", "Feed them every day.")).await;
    let comment = world.comment(&ada, post, None, "Mine eats rye flour.").await;
    world.edit_post(&ada, post, "Leaven and more").await;
    world.project().await;
    let comments = async || world.found("/v1/search/comments?q=rye", "body_html").await;
    assert!(world.titles("starters").await.is_empty(), "an edit replaces the words");
    assert_eq!(world.titles("leaven").await.len(), 1);
    assert_eq!(comments().await, ["Mine eats <mark>rye</mark> flour."]);

    world.delete_post(&ada, post).await;
    world.project().await;
    assert!(world.titles("leaven").await.is_empty());
    assert!(comments().await.is_empty(), "nor what was said about it");
    let restored = PostEvent::PostRestored { restored_by: ada.actor };
    world.append::<Post>(ada.actor, post, vec![restored]).await;
    world.delete_community(&ada, community).await;
    world.project().await;
    assert!(world.titles("leaven").await.is_empty());
    assert!(comments().await.is_empty());
    let restored = CommunityEvent::CommunityRestored { restored_by: Actor::SYSTEM };
    world.append::<Community>(Actor::SYSTEM, community, vec![restored]).await;
    world.project().await;
    assert_eq!((world.titles("leaven").await.len(), comments().await.len()), (1, 1));
    world.delete_comment(&ada, comment).await;
    world.project().await;
    assert!(comments().await.is_empty());
}

#[tokio::test]
async fn what_is_erased_is_not_found() {
    let world = World::new().await;
    let (ada, bob) = (world.member(None).await, world.member(None).await);
    let community = world.community_of(&ada, "bread-baking").await;
    let post = world.post_of(&ada, community, ("Rye and spelt", "Both rise slowly.")).await;
    world.comment(&bob, post, None, "Spelt is my favourite.").await;
    world.project().await;
    world.erase(&bob).await;
    // Still in the index, and shown to nobody.
    assert!(world.found("/v1/search/comments?q=spelt", "id").await.is_empty());
    world.erase(&ada).await;
    world.post_of(&world.member(None).await, community, ("Rye alone", "Rises slowly.")).await;
    world.project().await;
    assert_eq!(world.titles("rye").await, ["<mark>Rye</mark> alone"]);
}

#[tokio::test]
async fn esx_06_every_match_is_listed_once_however_many_there_are_and_whatever_comes_meanwhile() {
    let world = World::new().await;
    let ada = world.member(None).await;
    let community = world.community_of(&ada, "bread-baking").await;
    for number in 0..430 {
        // Ranks differ, and many are equal.
        let body = format!("Number {number}. {}", "rye ".repeat(1 + number % 7));
        world.post_of(&ada, community, ("Another loaf", &body)).await;
    }
    world.project().await;
    let mut seen: Vec<Value> = Vec::new();
    let mut path = "/v1/search/posts?q=rye&limit=90".to_owned();
    let mut parts = 0;
    loop {
        let list = world.get(&path).await.ok();
        seen.extend(list["items"].as_array().unwrap().iter().cloned());
        parts += 1;
        world.post_of(&ada, community, ("A new loaf", "rye rye rye rye rye rye rye rye")).await;
        world.project().await;
        match list["next"].as_str() {
            Some(next) => path = format!("/v1/search/posts?q=rye&limit=90&cursor={next}"),
            None => break,
        }
    }
    let ids: std::collections::HashSet<String> =
        seen.iter().map(|post| post["id"].to_string()).collect();
    assert_eq!((seen.len(), ids.len()), (430, 430));
    assert_eq!(parts, 3 + 3 + 1, "windows of 200 in parts of 90");
    let ranks: Vec<i64> = seen.iter().map(|post| post["rank"].as_i64().unwrap()).collect();
    assert!(ranks[..200].is_sorted_by(|one, next| one >= next), "a window is sorted by rank");
}

#[tokio::test]
async fn esx_06_esx_07_a_search_waits_and_its_cursor_is_good_for_it_alone() {
    let world = World::new().await;
    let ada = world.member(None).await;
    let community = world.community_of(&ada, "bread-baking").await;
    for _ in 0..3 {
        world.post_of(&ada, community, ("Another loaf", "Made of rye and oats.")).await;
    }
    let head = world.project().await;
    let list = world.get(&format!("/v1/search/posts?q=rye&limit=1&min_position={head}")).await;
    assert_eq!(list.position(), head);
    let list = list.ok();
    let next = list["next"].as_str().unwrap();
    for other in ["posts?q=oats", "posts?q=rye&community=bread-baking", "comments?q=rye"] {
        world.get(&format!("/v1/search/{other}&cursor={next}")).await.problem(400);
    }
    let ahead = head + 1;
    let stale = world.get(&format!("/v1/search/posts?q=rye&min_position={ahead}&wait_ms=0")).await;
    assert_eq!(stale.problem(503)["rule"], "ESX-07");
    world.get("/v1/search/posts").await.problem(400);
    assert_eq!(sorted(world.titles("rye").await).len(), 3);
}

/// Common words, rare words, several, none: never the whole table.
#[tokio::test]
async fn no_search_scans_a_table() {
    let world = World::new().await;
    sqlx::raw_sql(
        "INSERT INTO read.post_search
         SELECT ('01930000-0000-7000-8000-' || lpad(to_hex(n), 12, '0'))::uuid,
                md5((n % 50)::text)::uuid, 'somebody',
                to_tsvector('simple', 'common word' || n % 7 || ' often' || n % 300 || ' rare' || n),
                n % 20 = 0
         FROM generate_series(1, 40000) n;
         ANALYZE read.post_search",
    )
    .execute(&world.database.pool)
    .await
    .unwrap();
    for query in [
        "'common'",
        "'rare77'",
        "'rar':*",
        "'often5'",
        "'common' & 'rare9'",
        "'nothing'",
        "'common' & 'word1'",
    ] {
        for (from, within) in [
            ("", ""),
            ("", "AND s.community_id = (SELECT md5('7')::uuid)"),
            ("", "AND s.id < '01930000-0000-7000-8000-000000000100'"),
        ] {
            let plan: Vec<String> = sqlx::query_scalar(&format!(
                "EXPLAIN SELECT s.id, s.words FROM read.post_search s {from}
                 WHERE s.words @@ $1::text::tsquery AND NOT s.is_deleted
                   AND s.id < 'ffffffff-ffff-ffff-ffff-ffffffffffff' {within}
                 ORDER BY s.id DESC LIMIT 200"
            ))
            .persistent(false)
            .bind(query)
            .fetch_all(&world.reads)
            .await
            .unwrap();
            assert!(!plan.iter().any(|line| line.contains("Seq Scan on post_search")), "{plan:#?}");
        }
    }
}
