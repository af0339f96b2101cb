use axum::{body::to_bytes, http::StatusCode};
use serde_json::{Value, json};

use super::*;

async fn body(response: Response) -> Value {
    let bytes = to_bytes(response.into_body(), 1 << 20).await.unwrap();
    serde_json::from_slice(&bytes).unwrap()
}

#[tokio::test]
async fn esx_05_a_rule_has_its_own_stable_type() {
    let response =
        Problem::rule_broken("PST-01", "A title has 5 to 120 characters.").into_response();
    assert_eq!(response.status(), 422);
    assert_eq!(response.headers()["content-type"], CONTENT_TYPE);
    assert_eq!(response.headers()["cache-control"], "no-store");
    let expected = json!({
        "type": "/problems/PST-01", "title": "A rule is broken", "status": 422,
        "detail": "A title has 5 to 120 characters.", "rule": "PST-01",
    });
    assert_eq!(body(response).await, expected);
}

#[tokio::test]
async fn esx_05_every_kind_has_a_type_of_its_own_and_a_page() {
    let mut seen = std::collections::HashSet::new();
    for kind in Kind::ALL {
        let problem = body(Problem::of(kind).into_response()).await;
        let address = problem["type"].as_str().unwrap().to_owned();
        assert!(seen.insert(address.clone()), "{address} stands for two kinds");
        let id = address.trim_start_matches("/problems/").to_owned();
        assert_eq!(page(Path(id)).await.status(), 200);
    }
    assert_eq!(page(Path("PST-01".to_owned())).await.status(), 200);
    assert_eq!(page(Path("<script>".to_owned())).await.status(), 404);
}

#[test]
fn challenges_and_waits_are_headers() {
    let refused = Problem::unauthenticated("The token has expired.").into_response();
    assert_eq!(refused.headers()["www-authenticate"], "Bearer realm=\"agora\"");
    let busy = Problem::too_many_requests(30).into_response();
    assert_eq!(busy.headers()["retry-after"], "30");
}

#[test]
fn several_wrong_fields_are_all_told() {
    let unreadable = FieldError { pointer: "/id".into(), rule: None, detail: "No UUID.".into() };
    assert_eq!(Problem::wrong_fields(vec![unreadable.clone()]).kind, Kind::Malformed);
    let broken =
        FieldError { pointer: "/title".into(), rule: Some("PST-01"), ..unreadable.clone() };
    let both = Problem::wrong_fields(vec![unreadable, broken]);
    assert_eq!((both.kind, both.rule, both.errors.len()), (Kind::RuleBroken, Some("PST-01"), 2));
}

#[tokio::test]
async fn esx_05_plain_errors_become_problems_and_keep_their_headers() {
    let plain = (StatusCode::METHOD_NOT_ALLOWED, [(header::ALLOW, "GET")], "no").into_response();
    let completed = complete(plain);
    assert_eq!(completed.headers()["allow"], "GET");
    assert_eq!(body(completed).await["type"], "/problems/method-not-allowed");
}
