//! Lists of what happened: E03 the audit log, E19 the search log. Nobody writes them, so that there is
//! no change but the one that is forbidden.

use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tokio::time::sleep;

use super::{
    people::People,
    places::Place,
    walk::{User, Walk, item, object},
};

/// Searches are written in groups, soon after they were answered.
const SOON: Duration = Duration::from_secs(10);

pub(super) async fn walk(walk: &mut Walk, people: &People, place: &Place) {
    e03_audit_log(walk, people).await;
    e19_search_log(walk, people, place).await;
}

/// The entry of E02's change: it tells the position of its event, whose stream is its history.
async fn e03_audit_log(walk: &mut Walk, people: &People) {
    const ENTITY: &str = "E03 audit log";
    walk.walked.insert("E03");
    let (auditor, head) = (walk.auditor.clone(), walk.head().await);
    let path = "/v1/audit-log?type=config_change";
    let entry = walk.read(&item(&auditor, path, "8000"), head).await;
    let by_admin = entry["actor_adminuser_id"] == people.admin.id
        && entry["actor_memberuser_id"] == Value::Null
        && entry["ip_address"] == "127.0.0.1";
    walk.holds(ENTITY, by_admin, format!("the change of the configuration is {entry}"));

    unwritable(walk, ENTITY, &people.kari, "/v1/audit-log").await;

    let position = entry["position"].as_u64().unwrap_or_default();
    let events = walk.events("configuration", "max_post_length").await;
    let told = events.iter().any(|event| event["position"] == position);
    walk.holds(ENTITY, told, format!("no event stands at its position {position}"));
    for (as_of, value) in [(position, "8000"), (position - 1, "9000")] {
        let path = format!("/v1/audit/streams/configuration/max_post_length?as_of={as_of}");
        let then = walk.get(&auditor, &path).await.json();
        let right = then["state"].to_string().contains(value);
        walk.holds(ENTITY, right, format!("as of {as_of} the key was {then}"));
    }
    let again = walk.read(&item(&auditor, path, "8000"), head).await;
    walk.holds(ENTITY, again == entry, format!("the entry became {again}"));
}

/// A search is no event. What the log of searches was at a time is asked for by `to`.
async fn e19_search_log(walk: &mut Walk, people: &People, place: &Place) {
    const ENTITY: &str = "E19 search log";
    walk.walked.insert("E19");
    let (auditor, head) = (walk.auditor.clone(), walk.head().await);
    let mut entries = Vec::new();
    for (who, word) in [(&User::default(), "gaustatoppen"), (&people.kari, "telemark")] {
        let path = format!("/v1/search/posts?q={word}&community={}", place.name);
        let found = walk.read(&object(who, path), head).await;
        walk.holds(ENTITY, found["items"].is_array(), format!("the search found {found}"));
        let entry = written(walk, &auditor, word).await;
        let anonymous = entry["member_user_id"] == Value::Null
            && entry["admin_user_id"] == Value::Null
            && entry["target_scope"] == "posts"
            && entry["ip_address"].is_string();
        walk.holds(ENTITY, anonymous, format!("without consent the entry is {entry}"));
        entries.push(entry);
    }
    unwritable(walk, ENTITY, &people.kari, "/v1/search-logs").await;

    let between = entries[1]["created_at"].as_str().unwrap_or_default().replace('+', "%2B");
    let path = format!("/v1/search-logs?to={between}");
    let then = walk.get(&auditor, &path).await.json().to_string();
    let as_it_was = then.contains("gaustatoppen") && !then.contains("telemark");
    walk.holds(ENTITY, as_it_was, format!("up to {between} it was {then}"));
    let again = written(walk, &auditor, "gaustatoppen").await;
    walk.holds(ENTITY, again == entries[0], format!("the entry became {again}"));
    walk.holds(ENTITY, walk.head().await == head, "a search left an event");
}

async fn written(walk: &Walk, auditor: &User, word: &str) -> Value {
    let (begun, seen) = (Instant::now(), item(auditor, "/v1/search-logs?scope=posts", word));
    loop {
        let entry = walk.read(&seen, 0).await;
        if entry.is_object() || begun.elapsed() > SOON {
            return entry;
        }
        sleep(Duration::from_millis(100)).await;
    }
}

/// A member may not read it, and nobody may write it.
async fn unwritable(walk: &mut Walk, entity: &str, member: &User, path: &str) {
    let head = walk.head().await;
    let refused = walk.get(member, path).await;
    walk.holds(entity, refused.status == 403, format!("a member got {}", refused.body));
    walk.holds(entity, refused.json()["rule"] == json!("ROL-01"), refused.body);
    for method in ["POST", "PUT", "PATCH", "DELETE"] {
        let status = walk.ask(method, &walk.admin, path).await.status;
        walk.holds(entity, status == 405, format!("{method} {path} got {status}"));
    }
    walk.holds(entity, walk.head().await == head, "the log goes on after what was refused");
}
