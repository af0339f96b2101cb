//! What admins look after: E01 categories, E02 the configuration, E05 integrations.

use serde_json::{Value, json};

use super::walk::{User, Walk, Way, act, item, object};

/// Returns the category, for what follows.
pub(super) async fn walk(walk: &mut Walk) -> String {
    let (admin, guest) = (walk.admin.clone(), User::default());
    let mallory = walk.new_member("mallory@example.org").await;
    let category = e01_category(walk, &admin, &guest, &mallory).await;
    e02_configuration(walk, &admin, &mallory).await;
    e05_integration(walk, &admin, &mallory).await;
    category
}

async fn e01_category(walk: &mut Walk, admin: &User, guest: &User, mallory: &User) -> String {
    let body = json!({ "name": "outdoors", "description": "All that is outside." });
    let category = walk.make(admin, "create-category", body).await;
    let id = &category.id;
    walk.go(Way {
        entity: "E01 category",
        made: &category,
        read: item(guest, "/v1/categories", id),
        shows: json!({ "name": "outdoors", "display_order": 1, "description": "All that is outside." }),
        forbidden: vec![
            (act(mallory, "create-category", json!({ "name": "indoors" })), 403, "ROL-01"),
            (act(admin, "create-category", json!({ "name": "Outdoors" })), 422, "CAT-03"),
            (
                act(mallory, "describe-category", json!({ "category_id": id, "description": "Mine" })),
                403,
                "ROL-01",
            ),
        ],
        change: act(
            admin,
            "describe-category",
            json!({ "category_id": id, "description": "Under the sky." }),
        ),
        then_shows: json!({ "name": "outdoors", "description": "Under the sky." }),
        events: &["CategoryCreated", "CategoryDescribed"],
        own_history: None,
    })
    .await;
    category.id
}

async fn e02_configuration(walk: &mut Walk, admin: &User, mallory: &User) {
    let set = |value: &str| json!({ "key": "max_post_length", "value": value });
    let key = walk.make(admin, "set-configuration", set("9000")).await;
    walk.go(Way {
        entity: "E02 configuration",
        made: &key,
        read: object(admin, "/v1/configuration/max_post_length"),
        shows: json!({ "key": "max_post_length", "value": "9000" }),
        forbidden: vec![
            (act(mallory, "set-configuration", set("10")), 403, "ROL-01"),
            (act(admin, "set-configuration", set("20000")), 422, "CFG-08"),
        ],
        change: act(admin, "set-configuration", set("8000")),
        then_shows: json!({ "value": "8000" }),
        events: &["ConfigurationSet", "ConfigurationSet"],
        own_history: Some((admin, "/v1/configuration/max_post_length/history".to_owned())),
    })
    .await;
}

async fn e05_integration(walk: &mut Walk, admin: &User, mallory: &User) {
    let register = json!({
        "integration_name": "SendGrid",
        "provider_url": "https://mail.example.com/v3",
        "config_json": r#"{"client_secret":"s"}"#,
    });
    let integration = walk.make(admin, "register-integration", register.clone()).await;
    let id = &integration.id;
    walk.go(Way {
        entity: "E05 integration",
        made: &integration,
        read: object(admin, format!("/v1/integrations/{id}")),
        shows: json!({ "integration_name": "SendGrid", "status": "pending setup",
                       "last_successful_sync_at": Value::Null }),
        forbidden: vec![
            (act(admin, "register-integration", register), 422, "INT-01"),
            (act(mallory, "enable-integration", json!({ "integration_id": id })), 403, "ROL-01"),
            (
                act(
                    admin,
                    "record-integration-sync",
                    json!({ "integration_id": id, "synced_at": "2026-01-31T12:00:00Z" }),
                ),
                409,
                "INT-05",
            ),
        ],
        change: act(admin, "enable-integration", json!({ "integration_id": id })),
        then_shows: json!({ "status": "enabled" }),
        events: &["IntegrationRegistered", "IntegrationEnabled"],
        own_history: Some((admin, format!("/v1/integrations/{id}/history"))),
    })
    .await;
}
