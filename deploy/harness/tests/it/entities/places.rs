//! Where things are written: E10 communities, E11 memberships, E12 rules, E13 recent communities.

use serde_json::{Value, json};

use super::{
    people::People,
    walk::{Made, User, Walk, Way, act, item, object},
};

/// A community of Ola's, whose member Kari is.
pub(super) struct Place {
    pub(super) community: Made,
    pub(super) name: &'static str,
    category: String,
}

pub(super) async fn walk(walk: &mut Walk, people: &People, category: &str) -> Place {
    let place = e10_community(walk, people, category).await;
    e11_membership(walk, people, &place).await;
    e12_rules(walk, people, &place).await;
    e13_recent_communities(walk, people, &place).await;
    place
}

async fn e10_community(walk: &mut Walk, people: &People, category: &str) -> Place {
    let People { admin, ola, kari, .. } = people;
    let (guest, name) = (User::default(), "mountains");
    let body = json!({ "name": name, "category_id": category, "description": "High places." });
    let community = walk.make(ola, "create-community", body).await;
    let id = &community.id;
    let described = |text: &str| json!({ "community_id": id, "description": text });
    walk.go(Way {
        entity: "E10 community",
        made: &community,
        read: object(&guest, "/v1/communities/Mountains"),
        shows: json!({ "name": name, "owner_id": ola.id, "description": "High places.",
                       "member_count": 1, "deleted_at": Value::Null }),
        forbidden: vec![
            (act(kari, "update-community", described("Mine now.")), 403, "COM-07"),
            (act(admin, "update-community", described("Mine now.")), 403, "COM-07"),
            (
                act(
                    kari,
                    "create-community",
                    json!({ "name": "MOUNTAINS", "category_id": category }),
                ),
                422,
                "COM-02",
            ),
            (
                act(
                    admin,
                    "create-community",
                    json!({ "name": "valleys", "category_id": category }),
                ),
                403,
                "COM-12",
            ),
        ],
        change: act(ola, "update-community", described("Where the air is thin.")),
        then_shows: json!({ "name": name, "description": "Where the air is thin." }),
        events: &["CommunityCreated", "CommunityUpdated"],
        own_history: None,
    })
    .await;
    Place { community, name, category: category.to_owned() }
}

async fn e11_membership(walk: &mut Walk, people: &People, place: &Place) {
    let People { admin, kari, .. } = people;
    let community = json!({ "community_id": place.community.id });
    let joined = walk.make(kari, "join-community", community.clone()).await;
    walk.go(Way {
        entity: "E11 membership",
        made: &joined,
        read: item(kari, "/v1/me/memberships", &place.community.id),
        shows: json!({ "memberuser_id": kari.id, "community_name": place.name }),
        forbidden: vec![(act(admin, "join-community", community.clone()), 403, "MSH-01")],
        change: act(kari, "leave-community", community.clone()),
        then_shows: Value::Null,
        events: &["CommunityJoined", "CommunityLeft"],
        own_history: None,
    })
    .await;
    walk.make(kari, "join-community", community).await;
}

async fn e12_rules(walk: &mut Walk, people: &People, place: &Place) {
    let People { ola, kari, .. } = people;
    let (guest, id) = (User::default(), &place.community.id);
    let rules = |rules: &[&str]| json!({ "community_id": id, "rules": rules });
    let set = walk.make(ola, "set-community-rules", rules(&["Be kind."])).await;
    let eleven: Vec<String> = (1..=11).map(|number| format!("Rule {number}.")).collect();
    let eleven: Vec<&str> = eleven.iter().map(String::as_str).collect();
    walk.go(Way {
        entity: "E12 community rule",
        made: &set,
        read: item(&guest, format!("/v1/communities/{}/rules", place.name), "\"rule_index\":1,"),
        shows: json!({ "rule_index": 1, "rule_text": "Be kind.", "community_id": id }),
        forbidden: vec![
            (act(kari, "set-community-rules", rules(&["Be loud."])), 403, "RUL-04"),
            (act(ola, "set-community-rules", rules(&eleven)), 422, "RUL-01"),
            (act(ola, "set-community-rules", rules(&["x".repeat(101).as_str()])), 422, "RUL-03"),
        ],
        change: act(ola, "set-community-rules", rules(&["Take your litter home.", "Be kind."])),
        then_shows: json!({ "rule_index": 1, "rule_text": "Take your litter home." }),
        events: &["CommunityRulesSet", "CommunityRulesSet"],
        own_history: None,
    })
    .await;
}

async fn e13_recent_communities(walk: &mut Walk, people: &People, place: &Place) {
    let People { admin, ola, kari, .. } = people;
    let body = json!({ "name": "forests", "category_id": place.category });
    let forests = walk.make(ola, "create-community", body).await;
    let visit = |id: &str| json!({ "community_id": id });
    let visited = walk.make(kari, "visit-community", visit(&place.community.id)).await;
    walk.go(Way {
        entity: "E13 recent community",
        made: &visited,
        read: item(kari, "/v1/me/recent-communities", &place.community.id),
        shows: json!({ "recent_rank": 1, "memberuser_id": kari.id }),
        forbidden: vec![
            (act(admin, "visit-community", visit(&place.community.id)), 403, "ROL-01"),
            (act(kari, "visit-community", visit(&kari.id)), 404, "REC-06"),
        ],
        change: act(kari, "visit-community", visit(&forests.id)),
        then_shows: json!({ "recent_rank": 2 }),
        events: &["CommunityVisited", "CommunityVisited"],
        own_history: None,
    })
    .await;
}
