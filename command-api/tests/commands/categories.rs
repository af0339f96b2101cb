//! CAT: categories and their order.

use agora_domain::community::category_order::CategoryOrder;
use serde_json::{Value, json};

use crate::common::{Person, World, unique, unknown_id};

async fn order(world: &World) -> Vec<String> {
    let order = world.app.log.load_fresh::<CategoryOrder>(CategoryOrder::STREAM_ID).await.unwrap();
    order.state.order().iter().map(ToString::to_string).collect()
}

async fn create(world: &World, admin: &Person, body: Value) -> crate::common::Answer {
    world.send(admin, "create-category", body).await
}

#[tokio::test]
async fn cat_01_cat_02_a_name_has_5_to_32_characters_of_its_alphabet() {
    let world = World::new().await;
    let admin = world.admin(&[]).await;
    for (name, rule) in [
        ("four".to_owned(), "CAT-01"),
        ("x".repeat(33), "CAT-01"),
        ("has space".to_owned(), "CAT-02"),
        ("has.dot".to_owned(), "CAT-02"),
        ("blåbær".to_owned(), "CAT-02"),
        ("rocket🚀".to_owned(), "CAT-02"),
        ("and/or".to_owned(), "CAT-02"),
    ] {
        create(&world, &admin, json!({ "name": name })).await.refused(422, rule);
    }
    for name in ["five5".to_owned(), "x".repeat(32), "A-b_C-0".to_owned()] {
        let made = create(&world, &admin, json!({ "name": name })).await;
        assert_eq!(made.events(), ["CategoryCreated", "CategoriesReordered"]);
    }
}

#[tokio::test]
async fn cat_03_a_name_is_unique_whatever_its_case() {
    let world = World::new().await;
    let admin = world.admin(&[]).await;
    create(&world, &admin, json!({ "name": "news-tech" })).await.accepted();
    let before = world.head().await;
    create(&world, &admin, json!({ "name": "News-Tech" })).await.refused(422, "CAT-03");
    assert_eq!(world.head().await, before);
}

#[tokio::test]
async fn cat_04_no_command_changes_a_name() {
    let world = World::new().await;
    let admin = world.admin(&[]).await;
    let category_id = world.category(&admin).await;
    let before = world.head().await;
    for name in [json!("another-name"), Value::Null, json!(5)] {
        let body = json!({ "category_id": category_id, "description": "x", "name": name });
        let answer = world.send(&admin, "describe-category", body).await;
        answer.refused(422, "CAT-04");
        assert_eq!(answer.wrong_fields(), [("/name", Some("CAT-04"))]);
    }
    assert_eq!(world.head().await, before);
}

#[tokio::test]
async fn cat_05_a_description_has_at_most_200_characters_and_may_be_absent() {
    let world = World::new().await;
    let admin = world.admin(&[]).await;
    let body = |length: usize| json!({ "name": unique("name"), "description": "å".repeat(length) });
    create(&world, &admin, body(201)).await.refused(422, "CAT-05");
    let category_id = create(&world, &admin, body(200)).await.id();
    let describe = |description: Value| {
        let body = json!({ "category_id": category_id, "description": description });
        world.send(&admin, "describe-category", body)
    };
    describe("å".repeat(201).into()).await.refused(422, "CAT-05");
    assert_eq!(describe("Something else.".into()).await.events(), ["CategoryDescribed"]);
    assert!(describe("Something else.".into()).await.events().is_empty());
    assert_eq!(describe(Value::Null).await.events(), ["CategoryDescribed"]);
    let body = json!({ "category_id": unknown_id(), "description": "x" });
    world.send(&admin, "describe-category", body).await.refused(404, "REL-10");
}

#[tokio::test]
async fn cat_06_a_place_is_a_whole_number_from_1() {
    let world = World::new().await;
    let admin = world.admin(&[]).await;
    for place in [json!(0), json!(-1), json!(i64::MIN), json!(4_294_967_296_i64)] {
        let body = json!({ "name": "category", "display_order": place });
        create(&world, &admin, body).await.refused(422, "CAT-06");
    }
    for place in [json!("1"), json!(1.5), json!(1e300), json!([1])] {
        let body = json!({ "name": "category", "display_order": place });
        create(&world, &admin, body).await.problem(400);
    }
}

#[tokio::test]
async fn cat_07_the_order_has_no_gaps_after_create_reorder_and_retire() {
    let world = World::new().await;
    let admin = world.admin(&[]).await;
    let at = |place: Value| json!({ "name": unique("name"), "display_order": place });
    let first = create(&world, &admin, at(json!(1))).await.id();
    let last = create(&world, &admin, at(Value::Null)).await.id();
    let middle = create(&world, &admin, at(json!(2))).await.id();
    let beyond = create(&world, &admin, at(json!(99))).await.id();
    assert_eq!(order(&world).await, [&*first, &middle, &last, &beyond]);
    let reorder =
        |order: Value| world.send(&admin, "reorder-categories", json!({ "order": order }));
    let moved = reorder(json!([last, first, beyond, middle])).await;
    assert_eq!(moved.events(), ["CategoriesReordered"]);
    assert!(reorder(json!([last, first, beyond, middle])).await.events().is_empty());
    for wrong in [
        json!([]),
        json!([last, first, beyond]),
        json!([last, first, beyond, middle, middle]),
        json!([last, first, beyond, last]),
        json!([last, first, beyond, unknown_id()]),
    ] {
        reorder(wrong).await.refused(422, "CAT-07");
    }
    let malformed = reorder(json!([last, "x", 5, null])).await;
    malformed.problem(400);
    assert_eq!(
        malformed.wrong_fields(),
        [("/order/1", None), ("/order/2", None), ("/order/3", None)]
    );
    let body = json!({ "category_id": first });
    let retired = world.send(&admin, "retire-category", body.clone()).await;
    assert_eq!(retired.events(), ["CategoryRetired", "CategoriesReordered"]);
    assert!(world.send(&admin, "retire-category", body).await.events().is_empty());
    assert_eq!(order(&world).await, [&*last, &beyond, &middle]);
    let body = json!({ "category_id": unknown_id() });
    world.send(&admin, "retire-category", body).await.refused(404, "REL-10");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn cat_07_creates_at_once_keep_the_order_whole() {
    let world = World::new().await;
    let twin = world.twin().await;
    let admin = world.admin(&[]).await;
    let creates = (0..20).map(|number| {
        let instance = if number % 2 == 0 { &world } else { &twin };
        create(instance, &admin, json!({ "name": format!("name-{number}"), "display_order": 1 }))
    });
    let mut made: Vec<String> =
        futures::future::join_all(creates).await.iter().map(crate::common::Answer::id).collect();
    let mut placed = order(&world).await;
    made.sort();
    placed.sort();
    assert_eq!(made, placed);
}

#[tokio::test]
async fn cat_08_a_community_needs_a_category_that_is_offered() {
    let world = World::new().await;
    let settled = world.settled().await;
    let body = json!({ "category_id": settled.category_id });
    world.send(&settled.admin, "retire-category", body).await.accepted();
    for category_id in [settled.category_id, unknown_id(), settled.community_id] {
        let body = json!({ "name": unique("community"), "category_id": category_id });
        world.send(&settled.owner, "create-community", body).await.refused(422, "COM-05");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn cat_09_of_creates_at_once_with_names_equal_up_to_case_one_succeeds() {
    let world = World::new().await;
    let twin = world.twin().await;
    let admin = world.admin(&[]).await;
    for round in 0..5 {
        let creates = ["news", "News", "NEWS", "nEwS"].into_iter().enumerate().map(|(at, name)| {
            let instance = if at % 2 == 0 { &world } else { &twin };
            create(instance, &admin, json!({ "name": format!("{name}-{round}") }))
        });
        let answers = futures::future::join_all(creates).await;
        assert_eq!(answers.iter().filter(|answer| answer.status == 200).count(), 1);
        for refused in answers.iter().filter(|answer| answer.status != 200) {
            refused.refused(422, "CAT-03");
        }
    }
}
