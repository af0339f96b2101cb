//! What each projection makes of the log, row by row.

use serde_json::{Value, json};
use uuid::Uuid;

use crate::{
    scene::{Scene, fact, time},
    story::*,
};

#[tokio::test]
async fn pvt_02_a_voter_has_one_row_a_post_whose_created_at_stays() {
    let mut scene = Scene::new().await;
    let (post, voter) = (id(POST, 0), id(MEMBER, 1));
    scene.append([post_created(0, id(COMMUNITY, 0), id(MEMBER, 0))]).await;
    scene.append([vote(post, voter, "upvote", "none")]).await;
    scene.project().await;
    scene
        .append([vote(post, voter, "downvote", "upvote"), vote(post, voter, "none", "downvote")])
        .await;
    scene.project().await;
    let row = scene.row("SELECT * FROM post_votes").await;
    assert_eq!(row["voter_memberuser_id"], json!(voter));
    assert_eq!(row["voter_adminuser_id"], Value::Null);
    assert_eq!(row["community_platform_post_id"], json!(post));
    assert_eq!(row["vote_state"], "none");
    assert_eq!((&row["created_at"], &row["updated_at"]), (&time(2), &time(4)));
}

#[tokio::test]
async fn pvt_04_pvt_05_a_score_is_upvotes_minus_downvotes_after_every_toggle() {
    let mut scene = Scene::new().await;
    let post = id(POST, 0);
    scene.append([post_created(0, id(COMMUNITY, 7), id(MEMBER, 0))]).await;
    let toggles = [
        (1, "upvote", "none", (1, 1, 0)),
        (2, "upvote", "none", (2, 2, 0)),
        (1, "downvote", "upvote", (0, 1, 1)),
        (1, "none", "downvote", (1, 1, 0)),
        (3, "downvote", "none", (0, 1, 1)),
    ];
    for (voter, state, previous, (score, upvotes, downvotes)) in toggles {
        scene.append([vote(post, id(MEMBER, voter), state, previous)]).await;
        scene.project().await;
        let row = scene.row("SELECT * FROM post_scores").await;
        assert_eq!(
            (&row["score"], &row["upvotes"], &row["downvotes"]),
            (&json!(score), &json!(upvotes), &json!(downvotes))
        );
        assert_eq!(row["community_id"], json!(id(COMMUNITY, 7)));
        assert_eq!(row["updated_at"], time(scene.head()));
    }
}

#[tokio::test]
async fn pst_14_ranks_follow_scores_whatever_comes_in_one_batch() {
    let community = id(COMMUNITY, 0);
    let one = |number, state, previous| vote(id(POST, 0), id(MEMBER, number), state, previous);
    let story = || -> Vec<_> {
        let mut story = vec![post_created(0, community, id(MEMBER, 0))];
        story.extend((1..=40).map(|number| one(number, "upvote", "none")));
        story.push(on_post(0, "PostDeleted"));
        story.push(on_post(0, "PostRestored"));
        story.extend((1..=3).map(|number| one(number, "downvote", "upvote")));
        story.push(post_created(1, community, id(MEMBER, 0)));
        story.push(on_post(1, "PostDeleted"));
        story.push(on_post(0, "PostDeleted"));
        story.push(on_post(0, "PostDeleted"));
        story.push(one(4, "none", "upvote"));
        story.push(on_post(0, "PostRestored"));
        story
    };
    let all = "SELECT ranking, level, created_at, post_id, community_id FROM post_ranks
               ORDER BY post_id, ranking";
    // 36 up, 3 down: a score of 33, and 4 × 3 ÷ 36 × log2 39 = 1.7 quarters.
    let expected: Vec<Value> = [(1, 33 / 2 * 2), (2, 32), (3, 1)]
        .map(|(ranking, level)| {
            json!({ "ranking": ranking, "level": level, "created_at": time(1),
                "post_id": id(POST, 0), "community_id": community })
        })
        .to_vec();
    for batch in [1, 2, 5, 1_000] {
        let mut scene = Scene::new().await;
        scene.append(story()).await;
        scene.project_in(batch).await;
        assert_eq!(scene.rows(all).await, expected, "in batches of {batch}");
        let score = scene.row("SELECT upvotes, downvotes FROM post_scores WHERE score > 0").await;
        assert_eq!(score, json!({ "upvotes": 36, "downvotes": 3 }));
    }
    // A vote on what is hidden, which no command casts, does not show it.
    let mut scene = Scene::new().await;
    scene.append(story()).await;
    scene.append([on_post(0, "PostDeleted")]).await;
    scene.project().await;
    scene.append([one(5, "none", "upvote"), one(6, "none", "upvote")]).await;
    scene.project().await;
    assert!(scene.rows(all).await.is_empty());
}

#[tokio::test]
async fn msh_02_msh_03_joining_again_is_a_new_row_and_the_count_rises_by_one() {
    let mut scene = Scene::new().await;
    let (community, member) = (id(COMMUNITY, 0), id(MEMBER, 1));
    scene.append([community_created(0, id(MEMBER, 0))]).await;
    scene
        .append([
            joined(id(7, 1), community, member, "CommunityJoined"),
            joined(id(7, 1), community, member, "CommunityLeft"),
            joined(id(7, 2), community, member, "CommunityJoined"),
        ])
        .await;
    scene.project_in(1).await;
    let row = scene.row("SELECT * FROM memberships").await;
    assert_eq!(
        row,
        json!({ "id": id(7, 2), "community_id": community, "memberuser_id": member,
            "joined_at": time(4) })
    );
    let count = scene.row("SELECT member_count FROM communities").await;
    assert_eq!(count["member_count"], 1);
}

#[tokio::test]
async fn cat_06_cat_07_categories_stand_in_a_gap_free_order() {
    let mut scene = Scene::new().await;
    scene.append((0..3).map(category_created)).await;
    scene.append([reordered(&[2, 0, 1])]).await;
    scene.project_in(2).await;
    let order = "SELECT name, display_order FROM categories WHERE retired_at IS NULL
                 ORDER BY display_order";
    let expect = |names: [&str; 3], length: usize| -> Vec<Value> {
        (1..)
            .zip(names)
            .take(length)
            .map(|(at, name)| json!({"name": name, "display_order": at}))
            .collect()
    };
    let names = ["category-2", "category-0", "category-1"];
    assert_eq!(scene.rows(order).await, expect(names, 3));
    scene
        .append([
            fact("category", id(CATEGORY, 0), "CategoryRetired", json!({})),
            reordered(&[2, 1]),
        ])
        .await;
    scene.project().await;
    let names = ["category-2", "category-1", ""];
    assert_eq!(scene.rows(order).await, expect(names, 2));
    let retired = scene.row("SELECT * FROM categories WHERE retired_at IS NOT NULL").await;
    assert_eq!((&retired["retired_at"], &retired["updated_at"]), (&time(5), &time(5)));
    assert_eq!((&retired["created_at"], &retired["sequence"]), (&time(1), &json!(2)));
}

#[tokio::test]
async fn com_09_a_deleted_community_keeps_its_row() {
    let mut scene = Scene::new().await;
    scene.append([community_created(0, id(MEMBER, 3))]).await;
    scene.append([on_community(0, "CommunityUpdated"), on_community(0, "CommunityDeleted")]).await;
    scene.project().await;
    let row = scene.row("SELECT * FROM communities").await;
    assert_eq!((&row["name"], &row["owner_id"]), (&json!("Community0"), &json!(id(MEMBER, 3))));
    assert_eq!((&row["description"], &row["banner_uri"]), (&json!("new"), &Value::Null));
    assert_eq!((&row["created_at"], &row["updated_at"]), (&time(1), &time(2)));
    assert_eq!((&row["deleted_at"], &row["sequence"]), (&time(3), &json!(3)));
    scene.append([on_community(0, "CommunityRestored")]).await;
    scene.project().await;
    assert_eq!(scene.row("SELECT * FROM communities").await["deleted_at"], Value::Null);
}

#[tokio::test]
async fn pst_08_deletion_is_soft_and_restorable() {
    let mut scene = Scene::new().await;
    scene
        .append([post_created(0, id(COMMUNITY, 0), id(MEMBER, 0)), on_post(0, "PostEdited")])
        .await;
    scene.append([on_post(0, "PostDeleted"), on_post(0, "PostModerated")]).await;
    scene.project_in(1).await;
    let row = scene.row("SELECT * FROM posts").await;
    assert_eq!(row["title"], sealed("content", "new title"), "sealed as it stands in the event");
    assert_eq!((&row["created_at"], &row["deleted_at"]), (&time(1), &time(3)));
    assert_eq!((&row["updated_at"], &row["sequence"]), (&time(4), &json!(4)));
    assert_eq!(row["author_memberuser_id"], json!(id(MEMBER, 0)));
    scene.append([on_post(0, "PostRestored")]).await;
    scene.project().await;
    assert_eq!(scene.row("SELECT * FROM posts").await["deleted_at"], Value::Null);
}

#[tokio::test]
async fn ses_14_revoked_at_keeps_the_first_time() {
    let mut scene = Scene::new().await;
    scene.append([session_issued(0, member(id(MEMBER, 4)))]).await;
    scene.append([session_revoked(0, "logged_out"), session_revoked(0, "revoked")]).await;
    scene.project().await;
    scene.append([session_revoked(0, "expired")]).await;
    scene.project().await;
    let row = scene.row("SELECT * FROM sessions").await;
    assert_eq!((&row["revoked_at"], &row["revoke_cause"]), (&time(2), &json!("logged_out")));
    assert_eq!((&row["user_kind"], &row["user_id"]), (&json!("member"), &json!(id(MEMBER, 4))));
    assert_eq!((&row["created_at"], &row["ip_address"]), (&time(1), &Value::Null));
    assert_eq!(row["device_info"], sealed("network", "device"));
}

#[tokio::test]
async fn ses_12_everybodys_end_reaches_what_was_open_before_it_and_nothing_after() {
    let mut scene = Scene::new().await;
    let by = json!({ "kind": "admin", "id": id(ADMIN, 0) });
    let everybodys = |era: u64, kept: Value| {
        fact(
            "session_era",
            "all",
            "AllSessionsRevoked",
            json!({ "era": era, "revoked_by": by, "kept": kept }),
        )
        .by(&format!("admin:{}", id(ADMIN, 0)))
    };
    let of = |number| session_issued(number, member(id(MEMBER, number)));
    // One batch, so that its order counts.
    scene.append([of(0), of(1), of(2), session_revoked(0, "logged_out")]).await;
    scene.append([everybodys(1, json!(id(SESSION, 1))), of(3)]).await;
    scene.project().await;
    let ended = async |scene: &Scene| {
        let rows = scene.rows("SELECT * FROM sessions ORDER BY id").await;
        rows.iter().map(|row| row["revoke_cause"].clone()).collect::<Vec<_>>()
    };
    let (out, revoked) = (json!("logged_out"), json!("revoked"));
    let expected = [out.clone(), Value::Null, revoked.clone(), Value::Null];
    assert_eq!(ended(&scene).await, expected);
    scene.append([everybodys(2, Value::Null)]).await;
    scene.project().await;
    assert_eq!(ended(&scene).await, [out, revoked.clone(), revoked.clone(), revoked]);
    let entry = scene.row("SELECT * FROM audit_log ORDER BY position DESC LIMIT 1").await;
    assert_eq!(entry["event_type"], "all_sessions_revoked");
    assert_eq!(entry["actor_adminuser_id"], json!(id(ADMIN, 0)));
}

async fn recent(scene: &Scene) -> Vec<(Value, Value)> {
    scene.project().await;
    scene
        .rows("SELECT * FROM recent_communities WHERE recent_rank IS NOT NULL ORDER BY recent_rank")
        .await
        .into_iter()
        .map(|row| (row["recent_rank"].clone(), row["community_id"].clone()))
        .collect()
}

fn ranked(communities: &[usize]) -> Vec<(Value, Value)> {
    (1..).zip(communities).map(|(rank, c)| (json!(rank), json!(id(COMMUNITY, *c)))).collect()
}

fn list(communities: &[usize]) -> Vec<(Uuid, Uuid)> {
    communities.iter().map(|number| (id(8, *number), id(COMMUNITY, *number))).collect()
}

#[tokio::test]
async fn rec_01_rec_02_rec_05_rec_07_the_last_five_have_ranks_from_one() {
    let mut scene = Scene::new().await;
    scene.append([visited(id(MEMBER, 0), &list(&[5, 4, 3, 2, 1]))]).await;
    assert_eq!(recent(&scene).await, ranked(&[5, 4, 3, 2, 1]));
    scene.append([visited(id(MEMBER, 0), &list(&[6, 5, 4, 3, 2]))]).await;
    assert_eq!(recent(&scene).await, ranked(&[6, 5, 4, 3, 2]));
    scene.append([visited(id(MEMBER, 0), &list(&[3, 6, 5, 4, 2]))]).await;
    assert_eq!(recent(&scene).await, ranked(&[3, 6, 5, 4, 2]));
    let entry = scene.row("SELECT * FROM recent_communities WHERE recent_rank = 1").await;
    assert_eq!(entry["id"], json!(id(8, 3)), "an entry keeps its id while it is listed");
}

#[tokio::test]
async fn rec_06_a_deleted_community_leaves_the_list_and_the_others_close_up() {
    let mut scene = Scene::new().await;
    scene.append([visited(id(MEMBER, 0), &list(&[3, 2, 1]))]).await;
    scene.project().await;
    scene.append([on_community(2, "CommunityDeleted")]).await;
    assert_eq!(recent(&scene).await, ranked(&[3, 1]));
    scene.append([visited(id(MEMBER, 0), &list(&[4, 3, 2, 1]))]).await;
    assert_eq!(recent(&scene).await, ranked(&[4, 3, 1]));
    scene.append([on_community(2, "CommunityRestored")]).await;
    assert_eq!(recent(&scene).await, ranked(&[4, 3, 2, 1]));
}

#[tokio::test]
async fn mem_04_mem_07_a_members_status_follows_its_events() {
    let mut scene = Scene::new().await;
    scene.append([member_registered(0)]).await;
    for (event, status) in [
        ("MemberSuspended", "suspended"),
        ("MemberReinstated", "active"),
        ("MemberDeletionPending", "pending_deletion"),
        ("MemberDeletionRejected", "active"),
        ("MemberDeleted", "deleted"),
    ] {
        scene.append([fact("member", id(MEMBER, 0), event, json!({}))]).await;
        scene.project().await;
        let row = scene.row("SELECT * FROM members").await;
        assert_eq!((&row["status"], &row["updated_at"]), (&json!(status), &time(scene.head())));
        let deleted = if status == "deleted" { time(scene.head()) } else { Value::Null };
        assert_eq!(row["deleted_at"], deleted);
        assert_eq!(row["display_name"], sealed("identity", "name0"));
    }
}

#[tokio::test]
async fn adm_04_an_admins_status_and_scopes_follow_its_events() {
    let mut scene = Scene::new().await;
    scene.append(tell(1, 5)).await;
    let granted = json!({ "scope": "legal", "granted_by": { "kind": "admin", "id": id(ADMIN, 0) },
        "previous": ["global", "ops"], "scopes": ["global", "legal", "ops"] });
    scene.append([fact("admin", id(ADMIN, 0), "AdminScopeGranted", granted)]).await;
    scene.append([fact("admin", id(ADMIN, 0), "AdminSuspended", json!({}))]).await;
    scene.project().await;
    let row = scene.row("SELECT * FROM admins").await;
    assert_eq!(row["scopes"], json!(["global", "legal", "ops"]));
    assert_eq!((&row["status"], &row["sequence"]), (&json!("suspended"), &json!(3)));
}

#[tokio::test]
async fn adm_05_a_deleted_admin_is_retired_and_keeps_its_row() {
    let mut scene = Scene::new().await;
    scene.append(tell(1, 5)).await;
    scene.append([fact("admin", id(ADMIN, 0), "AdminDeleted", json!({}))]).await;
    scene.project().await;
    let row = scene.row("SELECT * FROM admins").await;
    assert_eq!((&row["status"], &row["deleted_at"]), (&json!("retired"), &time(scene.head())));
}

#[tokio::test]
async fn crd_03_crd_05_a_credentials_row_follows_its_events_and_has_no_hash() {
    let mut scene = Scene::new().await;
    let (first, second) = (sealed("identity", "first"), sealed("identity", "second"));
    for (kind, status, email, pending) in [
        ("CredentialRegistered", "valid", &first, None),
        ("EmailConfirmationRequested", "unconfirmed", &first, None),
        ("EmailConfirmed", "valid", &first, None),
        ("EmailChangeRequested", "valid", &first, Some(&second)),
        ("PasswordReset", "valid", &first, None),
        ("EmailChangeRequested", "valid", &first, Some(&second)),
        ("EmailChanged", "valid", &second, None),
        ("PasswordChanged", "valid", &second, None),
        ("CredentialInvalidated", "invalidated", &second, None),
    ] {
        let address = if kind == "CredentialRegistered" { "first" } else { "second" };
        scene.append([on_credential(0, kind, address)]).await;
        scene.project().await;
        let row = scene.row("SELECT * FROM credentials").await;
        assert_eq!((&row["status"], &row["email"]), (&json!(status), &json!(email)), "{kind}");
        assert_eq!(row["pending_email"], json!(pending), "{kind}");
        assert_eq!(row["updated_at"], time(scene.head()), "{kind}");
        let deleted = if status == "invalidated" { time(scene.head()) } else { Value::Null };
        assert_eq!(row["deleted_at"], deleted);
        assert!(!row.to_string().contains("sealed:v1:credential"), "{row}");
    }
}

#[tokio::test]
async fn aud_02_aud_03_aud_06_entries_say_who_did_what_and_when() {
    let mut scene = Scene::new().await;
    let (alice, admin) = (id(MEMBER, 0), id(ADMIN, 0));
    scene
        .append([
            session_issued(0, member(alice)),
            session_revoked(0, "logged_out"),
            on_community(0, "CommunityDeleted").by(&format!("admin:{admin}")),
            session_revoked(1, "expired").by(&format!("system:{}", Uuid::nil())),
            vote(id(POST, 0), alice, "upvote", "none"),
        ])
        .await;
    scene.project().await;
    let rows = scene.rows("SELECT * FROM audit_log ORDER BY position").await;
    let told: Vec<_> = rows
        .iter()
        .map(|row| {
            (
                row["event_type"].as_str().unwrap_or_default(),
                row["actor_memberuser_id"].clone(),
                row["actor_adminuser_id"].clone(),
            )
        })
        .collect();
    assert_eq!(
        told,
        [
            ("session_login", json!(alice), Value::Null),
            ("session_logout", json!(alice), Value::Null),
            ("community_delete", Value::Null, json!(admin)),
            ("session_expired", Value::Null, Value::Null),
        ]
    );
    assert_eq!(rows[0]["ip_address"], sealed("network", "address"));
    assert_eq!((&rows[3]["ip_address"], &rows[3]["created_at"]), (&Value::Null, &time(4)));
    let detail: Value = serde_json::from_str(rows[0]["event_detail"].as_str().unwrap()).unwrap();
    assert_eq!(detail["aggregate_id"], json!(id(SESSION, 0)));
    assert_eq!(detail["data"]["device_info"], "(sealed)");
}

#[tokio::test]
async fn aud_04_a_detail_that_is_too_long_is_cut_and_still_written() {
    let mut scene = Scene::new().await;
    scene.append([reordered(&(0..60).collect::<Vec<_>>())]).await;
    scene.project().await;
    let row = scene.row("SELECT char_length(event_detail) AS n, event_detail FROM audit_log").await;
    assert_eq!(row["n"], 1000);
    assert!(row["event_detail"].as_str().unwrap().contains("… [truncated; sha256 "));
}

#[tokio::test]
async fn aud_01_readers_cannot_change_an_entry_and_projectors_own_no_table() {
    let scene = Scene::with_story(3, 60).await;
    scene.project().await;
    for role in ["agora_reader", "agora_auditor", "agora_writer"] {
        for statement in [
            "UPDATE read.audit_log SET created_at = now()",
            "DELETE FROM read.audit_log",
            "TRUNCATE read.audit_log",
        ] {
            let mut tx = scene.db.pool.begin().await.unwrap();
            sqlx::query(&format!("SET LOCAL ROLE {role}")).execute(&mut *tx).await.unwrap();
            let refused = sqlx::query(statement).execute(&mut *tx).await.unwrap_err();
            assert_eq!(refused.as_database_error().unwrap().code().unwrap(), "42501", "{role}");
        }
    }
    let owned: i64 = sqlx::query_scalar(
        "SELECT count(*) FROM pg_class WHERE pg_get_userbyid(relowner) LIKE 'agora%'",
    )
    .fetch_one(&scene.db.pool)
    .await
    .unwrap();
    assert_eq!(owned, 0);
}

#[tokio::test]
async fn every_read_table_is_in_the_catalogue_and_in_the_registry() {
    let scene = Scene::new().await;
    let catalogue: Vec<(String, String)> = sqlx::query_as(
        "SELECT coalesce(t.projection, '(nobody)'), c.relname
         FROM pg_class c LEFT JOIN read.projection_tables t ON t.table_name = c.relname
         WHERE c.relnamespace = 'read'::regnamespace AND c.relkind IN ('r', 'p')
           AND NOT c.relispartition AND c.relname NOT IN ('checkpoints', 'progress', 'projection_tables')
         ORDER BY 2",
    )
    .fetch_all(&scene.db.pool)
    .await
    .unwrap();
    let mut registry: Vec<(String, String)> = agora_projectors::projections::ALL
        .iter()
        .flat_map(|projection| {
            projection.tables.iter().map(|table| (projection.name.into(), (*table).into()))
        })
        .collect();
    registry.sort_by(|left, right| left.1.cmp(&right.1));
    assert_eq!(catalogue, registry);
}

#[tokio::test]
async fn esx_02_rows_do_not_depend_on_where_batches_end() {
    let mut content = Vec::new();
    for size in [1_000, 37, 1] {
        let scene = Scene::with_story(7, 700).await;
        scene.project_in(size).await;
        content.push(scene.content().await);
    }
    assert_eq!(content[0], content[1]);
    assert_eq!(content[0], content[2]);
    assert!(content[0].iter().all(|(_, hash)| hash.rows > 0), "{:?}", content[0]);
}
