//! What the projections of comments, community rules, configuration and moderation make of the log.

use serde_json::{Value, json};

use crate::{
    scene::{Scene, fact, time},
    story::*,
};

#[tokio::test]
async fn cmt_06_cmt_07_a_deleted_comment_keeps_its_row_and_leaves_the_count() {
    let mut scene = Scene::new().await;
    let post = id(POST, 0);
    scene.append([comment_created(0, post, None, id(MEMBER, 1))]).await;
    scene.append([comment_created(1, post, Some((0, 0)), id(MEMBER, 2))]).await;
    scene.append([comment_created(2, post, Some((0, 0)), id(MEMBER, 2))]).await;
    scene.project_in(2).await;
    let count = "SELECT comments FROM post_comment_counts";
    assert_eq!(scene.row(count).await["comments"], 3);
    scene.append([on_comment(0, "CommentDeleted")]).await;
    scene.project().await;
    let row = scene.row(&format!("SELECT * FROM comments WHERE id = '{}'", id(COMMENT, 0))).await;
    assert_eq!((&row["reply_count"], &row["depth"]), (&json!(2), &json!(0)));
    assert_eq!((&row["answers"], &row["parent_comment_id"]), (&json!(post), &Value::Null));
    assert_eq!((&row["deleted_at"], &row["sequence"]), (&time(4), &json!(2)));
    assert_eq!(scene.row(count).await["comments"], 2);
    scene.append([on_comment(0, "CommentRestored"), on_comment(1, "CommentDeleted")]).await;
    scene.append([on_comment(1, "CommentRestored")]).await;
    scene.project_in(1).await;
    assert_eq!(scene.row(count).await["comments"], 3);
}

#[tokio::test]
async fn cmt_03_a_chain_of_ten_thousand_replies_is_stored_and_counted() {
    let mut scene = Scene::new().await;
    let post = id(POST, 0);
    let chain = (0..10_000).map(|number: usize| {
        let depth = u32::try_from(number).unwrap();
        let parent = number.checked_sub(1).map(|parent| (parent, depth - 1));
        comment_created(number, post, parent, id(MEMBER, 1))
    });
    scene.append(chain).await;
    scene.project().await;
    assert_eq!(scene.row("SELECT comments FROM post_comment_counts").await["comments"], 10_000);
    let row = scene.row("SELECT max(depth) AS deepest, sum(reply_count) AS replies FROM comments");
    assert_eq!(row.await, json!({ "deepest": 9_999, "replies": 9_999 }));
}

#[tokio::test]
async fn cvt_02_cvt_04_a_voter_has_one_row_a_comment_and_the_score_is_their_sum() {
    let mut scene = Scene::new().await;
    let comment = id(COMMENT, 0);
    scene.append([comment_created(0, id(POST, 0), None, id(MEMBER, 0))]).await;
    for (voter, state, previous, score) in [
        (1, "upvote", "none", 1),
        (2, "upvote", "none", 2),
        (1, "downvote", "upvote", 0),
        (1, "none", "downvote", 1),
    ] {
        scene.append([comment_vote(comment, id(MEMBER, voter), state, previous)]).await;
        scene.project().await;
        assert_eq!(scene.row("SELECT score FROM comment_scores").await["score"], score);
    }
    let first =
        format!("SELECT * FROM comment_votes WHERE voter_memberuser_id = '{}'", id(MEMBER, 1));
    let row = scene.row(&first).await;
    assert_eq!((&row["vote_type"], &row["comment_id"]), (&json!("none"), &json!(comment)));
    assert_eq!((&row["created_at"], &row["updated_at"]), (&time(2), &time(5)));
}

#[tokio::test]
async fn rul_05_rul_06_rules_stand_in_order_and_go_when_they_are_cleared() {
    let mut scene = Scene::new().await;
    let list = "SELECT rule_index, rule_text FROM community_rules ORDER BY rule_index";
    let expect = |texts: &[&str]| -> Vec<Value> {
        (1..).zip(texts).map(|(at, text)| json!({ "rule_index": at, "rule_text": text })).collect()
    };
    scene.append([rules_set(0, &[2, 0, 1])]).await;
    scene.project().await;
    assert_eq!(scene.rows(list).await, expect(&["rule 2", "rule 0", "rule 1"]));
    scene.append([rules_set(0, &[1, 2]), rules_set(0, &[1])]).await;
    scene.project_in(2).await;
    assert_eq!(scene.rows(list).await, expect(&["rule 1"]));
    let cleared = json!({ "community_id": id(COMMUNITY, 0), "cleared_by": member(id(MEMBER, 0)) });
    scene
        .append([fact("community_rules", id(COMMUNITY, 0), "CommunityRulesCleared", cleared)])
        .await;
    scene.project().await;
    assert!(scene.rows(list).await.is_empty());
}

#[tokio::test]
async fn cfg_01_cfg_04_a_key_has_one_row_that_moves_with_its_changes() {
    let mut scene = Scene::new().await;
    scene.append([configured("theme", "ConfigurationSet", 1, "dark")]).await;
    scene.project().await;
    scene.append([configured("theme", "ConfigurationDescribed", 1, "dark")]).await;
    scene.append([configured("theme", "ConfigurationSet", 1, "light")]).await;
    scene.project_in(1).await;
    let row = scene.row("SELECT * FROM configurations").await;
    assert_eq!((&row["key"], &row["value"]), (&json!("theme"), &json!("light")));
    assert_eq!((&row["created_at"], &row["updated_at"]), (&time(1), &time(3)));
    scene.append([configured("theme", "ConfigurationRemoved", 1, "light")]).await;
    scene.append([configured("theme", "ConfigurationSet", 2, "blue")]).await;
    scene.project_in(2).await;
    let row = scene.row("SELECT * FROM configurations").await;
    assert_eq!((&row["id"], &row["created_at"]), (&json!(id(12, 2)), &time(5)));
    scene.append([configured("theme", "ConfigurationRemoved", 2, "blue")]).await;
    scene.project().await;
    assert!(scene.rows("SELECT * FROM configurations").await.is_empty());
}

#[tokio::test]
async fn mod_01_mod_07_every_act_of_a_moderator_is_one_row_with_its_reason() {
    let mut scene = Scene::new().await;
    scene.append([post_created(0, id(COMMUNITY, 0), id(MEMBER, 1))]).await;
    scene.append([comment_created(0, id(POST, 0), None, id(MEMBER, 1))]).await;
    scene.append([on_post(0, "PostDeleted"), on_post(0, "PostModerated")]).await;
    scene.append([on_comment(0, "CommentDeleted"), on_comment(0, "CommentModerated")]).await;
    scene.project_in(2).await;
    let rows = scene.rows("SELECT * FROM moderation_log ORDER BY position").await;
    assert_eq!(rows.len(), 2);
    assert_eq!(rows[0]["community_platform_post_id"], json!(id(POST, 0)));
    assert_eq!(
        (&rows[0]["community_id"], &rows[0]["action_type"]),
        (&Value::Null, &json!("delete"))
    );
    assert_eq!(rows[1]["comment_id"], json!(id(COMMENT, 0)));
    assert_eq!(rows[1]["action_reason"], json!(sealed("content", "why")));
    assert_eq!(rows[1]["created_at"], time(6));
    scene.append([community_created(0, id(MEMBER, 0)), on_community(0, "CommunityDeleted")]).await;
    scene.append([on_community(0, "CommunityModerated")]).await;
    scene.project().await;
    let rows = scene.rows("SELECT * FROM moderation_log ORDER BY position").await;
    assert_eq!(rows.len(), 3);
    assert_eq!(rows[2]["community_id"], json!(id(COMMUNITY, 0)));
    assert_eq!(rows[2]["author_memberuser_id"], json!(id(MEMBER, 0)));
    let nothing = (&rows[2]["community_platform_post_id"], &rows[2]["comment_id"]);
    assert_eq!(nothing, (&Value::Null, &Value::Null));
    let sequence = scene.row("SELECT sequence FROM communities").await;
    assert_eq!(sequence["sequence"], 3, "for If-Match");
}

#[tokio::test]
async fn int_02_int_05_an_integration_has_one_row_until_it_is_removed() {
    let mut scene = Scene::new().await;
    let url = Some("https://example.com/");
    scene.append([integrated(0, "IntegrationRegistered", "pending setup", None)]).await;
    scene.append([integrated(1, "IntegrationRegistered", "pending setup", url)]).await;
    scene.project().await;
    scene.append([integrated(0, "IntegrationConfigured", "pending setup", url)]).await;
    scene.append([integrated(0, "IntegrationFailed", "error", url)]).await;
    scene.append([integrated(0, "IntegrationEnabled", "enabled", url)]).await;
    scene.append([integrated(1, "IntegrationRemoved", "", None)]).await;
    scene.project_in(2).await;
    let row = scene.row("SELECT * FROM integrations").await;
    assert_eq!(row["id"], json!(id(INTEGRATION, 0)));
    assert_eq!((&row["status"], &row["provider_url"]), (&json!("enabled"), &json!(url)));
    assert_eq!(row["config_json"], json!(sealed("content", "masked0")), "never a secret");
    assert_eq!(
        (&row["last_error"], &row["last_error_at"]),
        (&json!(sealed("content", "401")), &time(4))
    );
    assert_eq!((&row["created_at"], &row["updated_at"]), (&time(1), &time(5)));
    assert_eq!(row["sequence"], 4);
    let audited = scene.rows("SELECT event_type, event_detail FROM audit_log").await;
    assert_eq!(audited.len(), 6);
    for entry in audited {
        assert_eq!(entry["event_type"], "integration_change");
        assert!(!entry["event_detail"].as_str().unwrap().contains("secret"));
    }
}

#[tokio::test]
async fn mod_08_an_act_has_one_appeal_and_one_decision() {
    let mut scene = Scene::new().await;
    let lodged = on_appeal(0, "ModerationAppealLodged", 4, id(MEMBER, 1));
    scene.append([lodged, on_appeal(1, "ModerationAppealLodged", 5, id(MEMBER, 2))]).await;
    scene.append([on_appeal(0, "ModerationAppealDecided", 4, id(MEMBER, 1))]).await;
    scene.project_in(2).await;
    let rows = scene.rows("SELECT * FROM moderation_appeals ORDER BY position").await;
    assert_eq!(rows.len(), 2);
    assert_eq!(rows[0]["community_platform_post_id"], json!(id(POST, 4)));
    assert_eq!(rows[0]["appellant_memberuser_id"], json!(id(MEMBER, 1)));
    assert_eq!(rows[0]["performed_adminuser_id"], json!(id(ADMIN, 0)));
    assert_eq!(rows[0]["appeal_text"], json!(sealed("content", "no")), "sealed as in the event");
    assert_eq!((&rows[0]["outcome"], &rows[0]["sequence"]), (&json!("upheld"), &json!(2)));
    assert_eq!((&rows[0]["created_at"], &rows[0]["decided_at"]), (&time(1), &time(3)));
    assert_eq!((&rows[1]["outcome"], &rows[1]["decided_at"]), (&Value::Null, &Value::Null));
}
