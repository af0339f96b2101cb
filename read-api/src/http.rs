//! The service as one router: the routes behind their door, their description, the page to browse it.

use agora_service::deprecation::Deprecation;
use axum::{
    Router,
    extract::{MatchedPath, Request},
    middleware::{Next, from_fn, from_fn_with_state},
    response::Response,
};
use utoipa::openapi::OpenApi;
use utoipa_swagger_ui::SwaggerUi;

use crate::{access::guard, app::Shared, openapi, routes};

/// The routes with `/openapi.json` and the page `/docs`.
pub fn router(app: Shared) -> Router {
    router_where(app, routes::DEPRECATED)
}

/// As [`router`], with these routes deprecated (ESX-14).
pub fn router_where(app: Shared, deprecated: Routes) -> Router {
    let (routes, description) = described(deprecated);
    let mark = move |path: MatchedPath, request: Request, next: Next| async move {
        let mut response: Response = next.run(request).await;
        if let Some((_, deprecation)) = deprecated.iter().find(|(it, _)| *it == path.as_str()) {
            deprecation.mark(response.headers_mut());
        }
        response
    };
    let routes = routes
        .route_layer(from_fn_with_state(app.clone(), guard))
        .route_layer(from_fn(mark))
        .with_state(app);
    let page: Router = SwaggerUi::new("/docs").url("/openapi.json", description).into();
    routes.merge(page)
}

/// What the API says of itself.
pub fn description() -> OpenApi {
    described(routes::DEPRECATED).1
}

/// Routes by their paths, with since when they are deprecated.
pub type Routes = &'static [(&'static str, Deprecation)];

fn described(deprecated: Routes) -> (Router<Shared>, OpenApi) {
    let (routes, description) = routes::all().split_for_parts();
    let mut description = openapi::complete(description);
    for (path, deprecation) in deprecated {
        let item = description.paths.paths.get_mut(*path);
        if let Some(operation) = item.and_then(|item| item.get.as_mut()) {
            deprecation.describe(operation);
        }
    }
    (routes, description)
}
