//! How often a principal may read, whatever the address (INC-12).

use std::{net::IpAddr, sync::Arc};

use agora_service::{
    client_address::ClientAddress,
    http::Front,
    rate_limits::{Class, RateLimits, Subject},
};
use axum::{body::Body, http::Request};
use tower::ServiceExt;

use crate::world::{User, World};

#[tokio::test]
async fn inc_12_a_principal_has_its_limit_from_wherever_it_reads() {
    let world = World::new().await;
    let (one, other) = (world.member(None).await, world.member(None).await);
    let limits = RateLimits::default();
    limits.set(|policy| if policy.subject == Subject::Principal { 2 } else { 1_000 });
    let front = Front::default().limiting(
        limits,
        |_, _| Some(Class::Read),
        Arc::new(|_| false),
        Arc::new(|_| {}),
    );
    let routes = front.around(world.routes.clone());
    let read = async |user: &User, host: u8| {
        let request = Request::get("/v1/me")
            .header("authorization", format!("Bearer {}", user.token))
            .extension(ClientAddress::of(IpAddr::from([203, 0, 113, host])));
        routes.clone().oneshot(request.body(Body::empty()).unwrap()).await.unwrap()
    };
    for host in 1..=2 {
        let answer = read(&one, host).await;
        assert_ne!(answer.status(), 429);
        assert_eq!(answer.headers().get_all("ratelimit").iter().count(), 2);
    }
    let refused = read(&one, 3).await;
    assert_eq!(refused.status(), 429);
    assert!(refused.headers().contains_key("retry-after"));
    assert_eq!(refused.headers()["content-type"], "application/problem+json");
    assert_ne!(read(&other, 3).await.status(), 429, "others have theirs");
    // Detection counts it.
    let records: Vec<(String, i32)> =
        sqlx::query_as("SELECT result, status FROM log.security_records WHERE actor_id = $1")
            .bind(one.id())
            .fetch_all(&world.database.pool)
            .await
            .unwrap();
    assert_eq!(records, [("BLOCKED".to_owned(), 429)]);
}
