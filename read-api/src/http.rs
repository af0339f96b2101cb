//! The service as one router: the routes behind their door, their description, the page to browse it.

use axum::{Router, middleware::from_fn_with_state};
use utoipa::openapi::OpenApi;
use utoipa_swagger_ui::SwaggerUi;

use crate::{access::guard, app::Shared, openapi, routes};

/// The routes with `/openapi.json` and the page `/docs`.
pub fn router(app: Shared) -> Router {
    let (routes, description) = described();
    let routes = routes.route_layer(from_fn_with_state(app.clone(), guard)).with_state(app);
    let page: Router = SwaggerUi::new("/docs").url("/openapi.json", description).into();
    routes.merge(page)
}

/// What the API says of itself.
pub fn description() -> OpenApi {
    described().1
}

fn described() -> (Router<Shared>, OpenApi) {
    let (routes, description) = routes::all().split_for_parts();
    (routes, openapi::complete(description))
}
