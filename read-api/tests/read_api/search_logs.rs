//! The search log (E19): what is noted of a search, who may read it, and when it goes.

use agora_domain::identity::values::AdminScope;
use axum::http::Request;
use serde_json::Value;

use crate::world::{CLIENT, User, World};

async fn log(world: &World, auditor: &User, filter: &str) -> Vec<Value> {
    world.searches.flush().await;
    let list = world.get_as(auditor, &format!("/v1/search-logs?limit=100{filter}")).await.ok();
    list["items"].as_array().unwrap().clone()
}

async fn auditor(world: &World) -> User {
    world.admin(&[AdminScope::Auditor]).await
}

#[tokio::test]
async fn srl_01_srl_03_srl_07_every_search_is_noted_and_without_consent_nobody_is_named() {
    let world = World::new().await;
    let (ada, auditor) = (world.member(None).await, auditor(&world).await);
    world.project().await;
    world.get("/v1/search/posts?q=Rye%20bread").await.ok();
    world.get_as(&ada, "/v1/search/comments?q=spelt").await.ok();
    world.get_as(&auditor, "/v1/search/communities?q=oats").await.ok();
    // No search: a wrong one.
    world.get("/v1/search/posts?q=").await.problem(400);
    let found = log(&world, &auditor, "").await;
    let queries: Vec<_> = found.iter().map(|it| it["search_query"].as_str().unwrap()).collect();
    assert_eq!(queries, ["oats", "spelt", "Rye bread"], "the latest first");
    for record in &found {
        assert_eq!(
            (&record["member_user_id"], &record["admin_user_id"]),
            (&Value::Null, &Value::Null)
        );
        assert_eq!(record["ip_address"], "198.51.100.0", "of {CLIENT} only the network");
        assert!(record["created_at"].as_str().unwrap().ends_with('Z'));
    }
    assert_eq!(found[2]["target_scope"], "posts");
    assert_eq!(log(&world, &auditor, "&scope=comments").await.len(), 1);
    assert!(log(&world, &auditor, "&to=2026-01-01T00:00:00Z").await.is_empty());
    assert!(
        world.get_as(&ada, "/v1/me/searches").await.ok()["items"].as_array().unwrap().is_empty()
    );
    let stored: Vec<String> = sqlx::query_scalar("SELECT t::text FROM log.search_records t")
        .fetch_all(&world.database.pool)
        .await
        .unwrap();
    for row in stored {
        assert!(row.matches("sealed:v1:").count() == 2 && row.contains("day-"), "{row}");
        for clear in ["Rye", "spelt", "oats", "198.51", &ada.id().to_string()] {
            assert!(!row.contains(clear), "{clear}: {row}");
        }
    }
}

#[tokio::test]
async fn srl_02_srl_05_with_consent_a_search_is_its_searchers_and_goes_with_them() {
    let world = World::new().await.where_all_consent();
    let (ada, bob) = (world.member(None).await, world.member(None).await);
    let auditor = auditor(&world).await;
    world.project().await;
    let get = Request::get("/v1/search/posts?q=rye").header("user-agent", "Lynx/2.9");
    world.send(get.header("authorization", format!("Bearer {}", ada.token))).await.ok();
    world.get_as(&bob, "/v1/search/posts?q=spelt").await.ok();
    world.get_as(&auditor, "/v1/search/posts?q=oats").await.ok();
    world.get("/v1/search/posts?q=nobody").await.ok();
    world.searches.flush().await;
    let own = world.get_as(&ada, "/v1/me/searches").await.ok();
    assert_eq!(own["items"].as_array().unwrap().len(), 1, "nobody else's: {own}");
    let record = &own["items"][0];
    assert_eq!(record["search_query"], "rye");
    assert_eq!(
        (&record["ip_address"], &record["user_agent"]),
        (&CLIENT.into(), &"Lynx/2.9".into())
    );
    assert_eq!(record["member_user_id"], ada.id().to_string());
    let all = log(&world, &auditor, "").await;
    assert_eq!(all[1]["admin_user_id"], auditor.id().to_string());
    assert_eq!(
        (&all[0]["member_user_id"], &all[0]["ip_address"]),
        (&Value::Null, &"198.51.100.0".into())
    );
    let of_bob = log(&world, &auditor, &format!("&actor=member:{}", bob.id())).await;
    assert_eq!(of_bob[0]["search_query"], "spelt");
    assert_eq!(of_bob.len(), 1);

    world.erase(&ada).await;
    let gone: i64 = sqlx::query_scalar("SELECT log.forget_searches($1)")
        .bind(ada.id())
        .fetch_one(&world.database.pool)
        .await
        .unwrap();
    assert_eq!(gone, 1, "srl_06");
    assert_eq!(log(&world, &auditor, "").await.len(), 3);
}

#[tokio::test]
async fn srl_01_turning_the_page_is_no_other_search() {
    let world = World::new().await;
    let ada = world.member(None).await;
    let community = world.community_of(&ada, "bread-baking").await;
    for number in 0..3 {
        world.post(&ada, community, &format!("Loaf number {number}")).await;
    }
    world.project().await;
    let first = world.get("/v1/search/posts?q=loaf&limit=1").await.ok();
    let next = first["next"].as_str().unwrap();
    world.get(&format!("/v1/search/posts?q=loaf&limit=1&cursor={next}")).await.ok();
    assert_eq!(log(&world, &auditor(&world).await, "").await.len(), 1);
}

#[tokio::test]
async fn srl_04_srl_06_what_is_older_than_the_retention_leaves_every_list() {
    let world = World::new().await;
    let auditor = auditor(&world).await;
    world.get("/v1/search/posts?q=rye").await.ok();
    assert_eq!(log(&world, &auditor, "").await.len(), 1);
    let day = |days: i32| {
        format!(
            "INSERT INTO log.search_records (id, created_at, target_scope, query_key, searcher_key)
             VALUES (gen_random_uuid(), now() - interval '{days} days', 'posts', '', '')"
        )
    };
    // A day of long ago with a partition of its own, and others in the default one.
    let old = "CREATE TABLE log.search_records_20200101 PARTITION OF log.search_records
               FOR VALUES FROM ('2020-01-01') TO ('2020-01-02')";
    for statement in [old, &day(89), &day(91), "SELECT log.keep_search_records(90)"] {
        sqlx::query(statement).execute(&world.database.pool).await.unwrap();
    }
    assert_eq!(log(&world, &auditor, "").await.len(), 2, "of now, and of 89 days ago");
    let dropped: Option<String> =
        sqlx::query_scalar("SELECT to_regclass('log.search_records_20200101')::text")
            .fetch_one(&world.database.pool)
            .await
            .unwrap();
    assert_eq!(dropped, None);
    sqlx::query("SELECT log.keep_search_records(50)").execute(&world.database.pool).await.unwrap();
    assert_eq!(log(&world, &auditor, "").await.len(), 1);
    for statement in [
        "UPDATE log.search_records SET target_scope = 'comments'",
        "UPDATE log.search_records SET created_at = now()",
    ] {
        sqlx::query(statement).execute(&world.database.pool).await.unwrap_err();
    }
    for statement in
        ["DELETE FROM log.search_records", "UPDATE log.search_records SET deleted_at = now()"]
    {
        sqlx::query(statement).execute(&world.reads).await.unwrap_err();
    }
}

#[tokio::test]
async fn aud_09_reading_the_search_log_is_itself_recorded() {
    let world = World::new().await;
    let root = world.admin(&[AdminScope::Global]).await;
    for path in ["/v1/search-logs", "/v1/analytics/search-trends"] {
        world.get_as(&root, path).await.ok();
    }
    let reads = world.security_records().await;
    let read: Vec<_> =
        reads.iter().filter(|it| it.0 == "audit_read").map(|it| it.2.as_str()).collect();
    assert_eq!(read, ["/v1/search-logs", "/v1/analytics/search-trends"]);
}

#[tokio::test]
async fn trends_show_only_what_five_different_searchers_searched_for() {
    let world = World::new().await;
    let root = world.admin(&[AdminScope::Global]).await;
    for number in 0..5 {
        let query = if number % 2 == 0 { "Rye%20%20Bread" } else { "rye+bread" };
        let get = || Request::get(format!("/v1/search/posts?q={query}"));
        // Two from each network.
        world.send_from(&format!("203.0.{number}.7"), get()).await.ok();
        world.send_from(&format!("203.0.{number}.9"), get()).await.ok();
    }
    for _ in 0..20 {
        world.get("/v1/search/posts?q=my+own+name").await.ok();
    }
    world.searches.flush().await;
    let trends = |query: &'static str| {
        let (world, root) = (&world, &root);
        async move {
            let path = format!("/v1/analytics/search-trends{query}");
            world.get_as(root, &path).await.ok()["items"].as_array().unwrap().clone()
        }
    };
    let shown = trends("").await;
    assert_eq!(shown.len(), 1, "{shown:?}");
    assert_eq!((&shown[0]["query"], &shown[0]["searches"]), (&"rye bread".into(), &10.into()));
    assert_eq!(trends("?scope=comments&days=1").await.len(), 0);
    assert_eq!(trends("?scope=posts&days=1&limit=1").await.len(), 1);
}
