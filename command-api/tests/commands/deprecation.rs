//! ESX-14: a command that is to go says so.

use agora_command_api::{
    Command,
    commands::log_out::LogOutBody,
    decision::{Decision, Done},
    fields::WrongFields,
    http, openapi,
    refusal::CommandError,
};
use agora_domain::identity::session::Session;
use agora_service::deprecation::Deprecation;
use axum::{Router, body::Body, http::Request};
use serde_json::{Value, json};
use tower::ServiceExt;

use crate::common::World;

/// A command that no client should begin to use.
struct OldCommand;

impl Command for OldCommand {
    const NAME: &'static str = "record-guest-visit";
    const SUMMARY: &'static str = "Something that is to go";
    const RULES: &'static [&'static str] = &[];
    const DEPRECATED: Option<Deprecation> = Some(Deprecation::new(1_700_000_000, 1_800_000_000));
    type Body = LogOutBody;

    fn parse(_: LogOutBody, _: &mut WrongFields) -> Option<Self> {
        Some(Self)
    }

    async fn decide(&self, _: &mut Decision<'_>) -> Result<Done, CommandError> {
        Ok(Done::of::<Session>("nothing"))
    }

    fn example() -> Value {
        json!({})
    }
}

#[tokio::test]
async fn esx_14_a_deprecated_command_tells_since_when_and_until_when() {
    let world = World::new().await;
    let routes = Router::new().route("/old", http::route::<OldCommand>());
    let router = agora_service::http::complete(routes.with_state(world.app.clone()));
    for (body, status) in [("{}", 200), ("[]", 400)] {
        let request = Request::post("/old")
            .header("content-type", "application/json")
            .extension(agora_service::client_address::ClientAddress::of([127, 0, 0, 1].into()))
            .body(Body::from(body))
            .unwrap();
        let reply = router.clone().oneshot(request).await.unwrap();
        assert_eq!(reply.status(), status);
        assert_eq!(reply.headers()["deprecation"], "@1700000000");
        assert_eq!(reply.headers()["sunset"], "Fri, 15 Jan 2027 08:00:00 GMT");
    }
    let described = serde_json::to_value(openapi::describe::<OldCommand>().item).unwrap();
    let operation = &described["post"];
    assert_eq!(operation["deprecated"], true);
    for status in ["200", "400", "422"] {
        for header in ["Deprecation", "Sunset"] {
            assert!(operation["responses"][status]["headers"][header].is_object(), "{header}");
        }
    }
    // Of what is not deprecated nothing is told.
    let visit = world.guest("record-guest-visit", json!({})).await;
    assert!(!visit.headers.contains_key("deprecation") && !visit.headers.contains_key("sunset"));
    let document = serde_json::to_value(openapi::document()).unwrap();
    let path = "/v1/commands/record-guest-visit";
    assert!(document["paths"][path]["post"].get("deprecated").is_none());
}
