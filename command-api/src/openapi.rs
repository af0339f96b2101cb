//! `/openapi.json` (OpenAPI 3.1), made from the commands themselves, and `/docs` to browse it.

use agora_service::problem::{self, Document};
use axum::Router;
use utoipa::{
    PartialSchema, ToSchema,
    openapi::{
        Components, Content, ContentBuilder, HttpMethod, InfoBuilder, OpenApi, OpenApiBuilder,
        PathItem, PathsBuilder, Ref, RefOr, Required, Response, ResponseBuilder, Schema,
        header::HeaderBuilder,
        path::{OperationBuilder, ParameterBuilder, ParameterIn},
        request_body::RequestBodyBuilder,
        schema::{ObjectBuilder, Type},
        security::{
            ApiKey, ApiKeyValue, Http, HttpAuthScheme, SecurityRequirement, SecurityScheme,
        },
    },
};
use utoipa_swagger_ui::SwaggerUi;

use crate::{
    Command, commands,
    permission::{COMMANDS, Roles},
    reply::Reply,
};

/// Names and schemas that an operation refers to.
pub type Schemas = Vec<(String, RefOr<Schema>)>;

/// A command's path in the document.
pub struct Described {
    pub item: PathItem,
    pub schemas: Schemas,
}

pub fn routes() -> Router {
    SwaggerUi::new("/docs").url("/openapi.json", document()).into()
}

/// The whole document.
pub fn document() -> OpenApi {
    let mut components = Components::new();
    components.add_security_scheme(
        "session",
        SecurityScheme::Http(
            Http::builder()
                .scheme(HttpAuthScheme::Bearer)
                .description(Some(
                    "The token that log-in returns, or the key that create-service-account returns.",
                ))
                .build(),
        ),
    );
    components.add_security_scheme(
        "guest",
        SecurityScheme::ApiKey(ApiKey::Header(ApiKeyValue::with_description(
            "Agora-Guest",
            "The signature that record-guest-visit returns.",
        ))),
    );
    let mut schemas: Schemas = Vec::new();
    Reply::schemas(&mut schemas);
    schemas.push((Reply::name().into_owned(), Reply::schema()));
    Document::schemas(&mut schemas);
    schemas.push((Document::name().into_owned(), Document::schema()));
    let mut paths = PathsBuilder::new();
    for command in commands::all() {
        let described = (command.describe)();
        schemas.extend(described.schemas);
        paths = paths.path(format!("/v1/commands/{}", command.name), described.item);
    }
    components.schemas.extend(schemas);
    let info = InfoBuilder::new()
        .title("Agora: commands")
        .version(env!("CARGO_PKG_VERSION"))
        .description(Some(
            "Every command is a POST to its own path. An accepted command is answered 200 with \
             the position that it was given in the log: give it to the read API as \
             `min_position` to read what you wrote. Every error is a problem document (RFC 9457) \
             whose `rule` names the rule that was broken.",
        ));
    OpenApiBuilder::new().info(info.build()).paths(paths).components(Some(components)).build()
}

/// Describes one command.
pub fn describe<C: Command>() -> Described {
    let mut schemas: Schemas = Vec::new();
    C::Body::schemas(&mut schemas);
    schemas.push((C::Body::name().into_owned(), C::Body::schema()));
    let body = ContentBuilder::new()
        .schema(Some(reference(&C::Body::name())))
        .example(Some(C::example()))
        .build();
    let mut operation = OperationBuilder::new()
        .operation_id(Some(C::NAME))
        .tag("commands")
        .summary(Some(C::SUMMARY))
        .description(Some(format!("Rules it may break: {}.", C::RULES.join(", "))))
        .request_body(Some(
            RequestBodyBuilder::new()
                .content("application/json", body)
                .required(Some(Required::True))
                .build(),
        ))
        .parameter(header_parameter(
            "If-Match",
            "The sequence, in quotes, that the target must still have: `\"3\"`.",
        ))
        .parameter(header_parameter("traceparent", "W3C Trace Context; kept with the events."))
        .response("200", accepted());
    if !C::SECRET_REPLY {
        operation = operation.parameter(header_parameter(
            "Idempotency-Key",
            "1 to 255 visible ASCII characters. The same key and body again within 24 hours gives \
             the first reply and does nothing.",
        ));
    }
    for (status, description) in problems() {
        operation = operation.response(status, problem_response(status, description));
    }
    let (roles, scheme) = (roles::<C>(), |name| SecurityRequirement::new(name, [""; 0]));
    if !roles.include(Roles::GUEST) {
        operation = operation.security(scheme("session"));
    } else if roles.include(Roles::SIGNED_GUEST) {
        operation = operation.security(SecurityRequirement::default());
    }
    if roles.include(Roles::SIGNED_GUEST) {
        operation = operation.security(scheme("guest"));
    }
    let mut operation = operation.build();
    if let Some(deprecation) = C::DEPRECATED {
        deprecation.describe(&mut operation);
    }
    Described { item: PathItem::new(HttpMethod::Post, operation), schemas }
}

fn roles<C: Command>() -> Roles {
    let entry = COMMANDS.iter().find(|(name, _)| *name == C::NAME);
    entry.map_or(Roles::NOBODY, |(_, roles)| *roles)
}

/// Every error that any command can be answered with.
fn problems() -> [(&'static str, &'static str); 12] {
    [
        ("400", "The request cannot be read: not JSON, an unknown field, a wrong type or header"),
        ("401", "No token, key or signature, or one that does not hold"),
        ("403", "The role may not do this, or the thing is somebody else's"),
        ("404", "There is no such thing"),
        ("409", "Another change came first"),
        ("410", "The thing is deleted or erased"),
        ("412", "If-Match names another sequence than the target's"),
        ("413", "The body has more than 1 MiB"),
        ("415", "The body is not application/json"),
        ("422", "A rule is broken: see `rule` and `errors`"),
        (
            "429",
            "Too many requests or failures, too much from a guest, or more exports than the quota has \
             room for: wait for as long as Retry-After says. RateLimit and RateLimit-Policy tell what \
             is left of the limits of the address and the principal",
        ),
        ("503", "The log is away: wait for as long as Retry-After says"),
    ]
}

fn accepted() -> Response {
    ResponseBuilder::new()
        .description("The command is in the log")
        .content("application/json", Content::new(Some(reference(&Reply::name()))))
        .build()
}

fn problem_response(status: &str, description: &str) -> Response {
    let content = Content::new(Some(reference(&Document::name())));
    let mut response =
        ResponseBuilder::new().description(description).content(problem::CONTENT_TYPE, content);
    if matches!(status, "429" | "503") {
        let seconds = ObjectBuilder::new().schema_type(Type::Integer).build();
        let header =
            HeaderBuilder::new().schema(Some(seconds)).description(Some("Seconds")).build();
        response = response.header("Retry-After", header);
    }
    response.build()
}

fn header_parameter(name: &str, description: &str) -> ParameterBuilder {
    ParameterBuilder::new()
        .name(name)
        .parameter_in(ParameterIn::Header)
        .description(Some(description))
        .required(Required::False)
        .schema(Some(ObjectBuilder::new().schema_type(Type::String).build()))
}

fn reference(name: &str) -> RefOr<Schema> {
    RefOr::Ref(Ref::from_schema_name(name))
}
