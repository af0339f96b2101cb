//! How often a principal may send commands, whatever the address (INC-12).

use std::{
    net::IpAddr,
    sync::{Arc, Mutex},
};

use agora_command_api::http;
use agora_service::{
    client_address::ClientAddress,
    http::{Front, Notice, What},
    patterns::Pattern,
    rate_limits::{Class, RateLimits, Subject},
};
use axum::{Router, body::Body, http::Request};
use serde_json::json;
use tower::ServiceExt;

use crate::common::{Person, World};

/// The routes behind limits of so many commands a minute of a principal, and what was noted.
fn limited(world: &World, of_principal: u32) -> (Router, Arc<Mutex<Vec<Notice>>>) {
    let limits = RateLimits::default();
    limits.set(|policy| if policy.subject == Subject::Principal { of_principal } else { 1_000 });
    let noted = Arc::new(Mutex::new(Vec::new()));
    let watcher = {
        let noted = Arc::clone(&noted);
        Arc::new(move |notice| noted.lock().unwrap().push(notice))
    };
    let front =
        Front::default().limiting(limits, |_, _| Some(Class::Write), Arc::new(|_| false), watcher);
    (front.around(http::routes(world.app.clone())), noted)
}

async fn send(
    routes: &Router,
    host: u8,
    person: Option<&Person>,
    command: &str,
    body: serde_json::Value,
) -> axum::response::Response {
    let mut request = Request::post(format!("/v1/commands/{command}"))
        .header("content-type", "application/json")
        .extension(ClientAddress::of(IpAddr::from([203, 0, 113, host])));
    if let Some(person) = person {
        request = request.header("authorization", format!("Bearer {}", person.token));
    }
    let request = request.body(Body::from(body.to_string())).unwrap();
    routes.clone().oneshot(request).await.unwrap()
}

#[tokio::test]
async fn inc_12_a_principal_has_its_limit_from_wherever_it_asks() {
    let world = World::new().await;
    let (one, other) = (world.member().await, world.member().await);
    let (routes, _) = limited(&world, 3);
    let rename = |host| {
        let body = json!({ "display_name": format!("Name {host}") });
        send(&routes, host, Some(&one), "change-display-name", body)
    };
    for host in 1..=3 {
        let answer = rename(host).await;
        assert_eq!(answer.status(), 200);
        let told: Vec<_> = answer.headers().get_all("ratelimit").iter().collect();
        assert_eq!(told.len(), 2, "of the address and of the principal");
    }
    let refused = rename(4).await;
    assert_eq!(refused.status(), 429);
    assert!(refused.headers().contains_key("retry-after"));
    let body = json!({ "display_name": "Another" });
    let answer = send(&routes, 4, Some(&other), "change-display-name", body).await;
    assert_eq!(answer.status(), 200, "others have theirs");
    let records = world.records().await;
    let record = records.iter().find(|record| record.status == 429).unwrap();
    assert_eq!((record.result.as_str(), record.actor_id), ("BLOCKED", Some(one.actor.id)));
}

/// Of a body that is refused, what holds ids is looked at, and never what people write.
#[tokio::test]
async fn inc_12_an_injection_in_a_refused_body_is_noted_and_a_quotation_is_not() {
    let world = World::new().await;
    let member = world.member().await;
    let (routes, noted) = limited(&world, 1_000);
    let quoted = "' OR '1'='1'; DROP TABLE posts; --";
    let post = json!({ "community_id": "none", "title": quoted, "body": quoted });
    let answer = send(&routes, 1, Some(&member), "create-post", post).await;
    assert!(answer.status().is_client_error());
    assert!(noted.lock().unwrap().is_empty());
    let login = json!({ "email": "admin' or '1'='1' --", "password": "x" });
    let answer = send(&routes, 1, None, "log-in", login).await;
    let notice = Notice {
        address: "203.0.113.1".parse().unwrap(),
        what: What::Suspicious(Pattern::SqlInjection),
        status: answer.status().as_u16(),
    };
    assert_eq!(*noted.lock().unwrap(), [notice]);
}
