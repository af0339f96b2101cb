//! Every command: a file and a line each. A test fails where one of the two is missing.

use axum::routing::MethodRouter;

use crate::{App, Command, http, openapi};

pub mod cast_vote;
pub mod create_post;
pub mod log_in;
pub mod register_member;

/// A command as the router and the OpenAPI document see it.
pub struct Registered {
    pub name: &'static str,
    pub route: fn() -> MethodRouter<App>,
    pub describe: fn() -> openapi::Described,
}

fn command<C: Command>() -> Registered {
    Registered { name: C::NAME, route: http::route::<C>, describe: openapi::describe::<C> }
}

/// The registry.
pub fn all() -> Vec<Registered> {
    vec![
        command::<cast_vote::CastVote>(),
        command::<create_post::CreatePost>(),
        command::<log_in::LogIn>(),
        command::<register_member::RegisterMember>(),
    ]
}
