//! The description of the API: what the routes say of themselves, completed with what all of them
//! share, so that a route's own attribute holds only what is its own.

use agora_service::problem::{Document, FieldError, Kind, Problem};
use serde_json::json;
use utoipa::{
    OpenApi,
    openapi::{
        Content, ContentBuilder, Header, HeaderBuilder, ObjectBuilder, OpenApi as Description, Ref,
        RefOr, Required, Response, ResponseBuilder, Type,
        path::{Operation, Parameter, ParameterBuilder, ParameterIn},
        schema::{KnownFormat, SchemaFormat},
        security::{
            ApiKey, ApiKeyValue, HttpAuthScheme, HttpBuilder, SecurityRequirement, SecurityScheme,
        },
    },
};

use crate::access::{READS, Roles};

#[derive(OpenApi)]
#[openapi(
    info(
        title = "Agora read API",
        description = "What the platform shows. Every read takes `min_position`, the position in a \
            command's reply, and answers with data that has reached it, or with 503; \
            `Agora-Position` says which position an answer reflects. Lists come in parts: ask \
            again with `cursor` = `next`. Errors are problem documents (RFC 9457). Times are \
            RFC 3339 in UTC. In a problem's `errors`, `pointer` is `/query/<name>`, \
            `/path/<name>` or `/header/<name>`.",
        license(name = "Apache-2.0", identifier = "Apache-2.0")
    ),
    components(schemas(Document, FieldError)),
    tags(
        (name = "Communities", description = "Categories and communities: public"),
        (name = "Posts", description = "Posts and their scores: public"),
        (name = "Comments", description = "Comments, replies and their scores: public"),
        (name = "Search", description = "Full-text search of communities, posts and comments: public"),
        (name = "Analytics", description = "What was searched for, in numbers"),
        (name = "Site", description = "The configuration and integrations"),
        (name = "Administration", description = "Guests and service accounts"),
        (name = "Reports", description = "Organizations, their members and their statutory reports"),
        (name = "Own account", description = "What belongs to whoever asks"),
        (name = "Exports", description = "Files that were asked for"),
        (name = "Live", description = "What happens, as it happens: server-sent events"),
        (name = "Audit", description = "For admins and auditors; reading is itself recorded"),
        (name = "Security", description = "Incidents, breaches and addresses; reading is itself recorded"),
    )
)]
struct Base;

const BEARER: &str = "bearer";
const GUEST: &str = "guest";
const PROBLEM: &str = "application/problem+json";

/// Completes what the routes have said.
pub fn complete(mut routes: Description) -> Description {
    let base = Base::openapi();
    routes.info = base.info;
    routes.tags = base.tags;
    let mut components = base.components.unwrap_or_default();
    if let Some(theirs) = routes.components.take() {
        components.schemas.extend(theirs.schemas);
    }
    let bearer = HttpBuilder::new()
        .scheme(HttpAuthScheme::Bearer)
        .description(Some("The token in the reply to `log-in`, or a service account's key."))
        .build();
    components.security_schemes.insert(BEARER.to_owned(), RefOr::T(SecurityScheme::Http(bearer)));
    let guest = ApiKeyValue::with_description(
        "Agora-Guest",
        "The signature in the reply to `record-guest-visit`: a guest reads its own deleted comments.",
    );
    let guest = SecurityScheme::ApiKey(ApiKey::Header(guest));
    components.security_schemes.insert(GUEST.to_owned(), RefOr::T(guest));
    routes.components = Some(components);
    for (path, item) in &mut routes.paths.paths {
        if let Some(operation) = &mut item.get {
            complete_operation(path, operation);
        }
    }
    routes
}

fn complete_operation(path: &str, operation: &mut Operation) {
    let listed = READS.iter().find(|(listed, _)| *listed == path);
    let roles = listed.map_or(Roles::NOBODY, |(_, roles)| *roles);
    let names = Roles::ALL.into_iter().filter(|(_, role)| roles.include(*role));
    let names: Vec<&str> = names.map(|(name, _)| name).collect();
    let description = operation.description.get_or_insert_default();
    if !description.is_empty() {
        description.push_str("\n\n");
    }
    description.push_str(&format!("May be read by: {}.", names.join(", ")));
    // Operation ids default to handlers' names, which are unique per file only.
    let words = path.split(['/', '{', '}']).filter(|word| !word.is_empty() && *word != "v1");
    operation.operation_id = Some(words.collect::<Vec<_>>().join("_"));

    let with_token = SecurityRequirement::new(BEARER, Vec::<String>::new());
    operation.security = Some(match roles.include(Roles::GUEST) {
        true => {
            let with_signature = SecurityRequirement::new(GUEST, Vec::<String>::new());
            vec![SecurityRequirement::default(), with_signature, with_token]
        }
        false => vec![with_token],
    });

    let responses = &mut operation.responses.responses;
    let single = responses.contains_key("304");
    let parameters = operation.parameters.get_or_insert_default();
    parameters.extend(freshness().map(RefOr::T));
    if single {
        parameters.push(RefOr::T(if_none_match()));
    }
    for (status, response) in responses.iter_mut() {
        let RefOr::T(response) = response else { continue };
        if status == "200" || status == "304" {
            response.headers.insert("Agora-Position".to_owned(), RefOr::T(position_header()));
            if single {
                response.headers.insert("ETag".to_owned(), RefOr::T(tag_header()));
            }
        }
    }
    if single {
        let unchanged =
            responses.entry("304".to_owned()).or_insert_with(|| RefOr::T(Response::new("")));
        if let RefOr::T(unchanged) = unchanged {
            unchanged.description = "You have it already: the entity tag is the same.".to_owned();
        }
    }
    let mut problems = vec![
        Problem::malformed("`limit` must be a whole number from 1 to 100."),
        Problem::unauthenticated("The session has expired: log in again.").with_rule("SES-05"),
        Problem::forbidden("Your role may not read this; /openapi.json says whose may.")
            .with_rule("ROL-01"),
        Problem::internal(),
        Problem::unavailable("What is served here has not reached the position yet.")
            .with_rule("ESX-07"),
        Problem::too_many_requests(5),
    ];
    let others = [Kind::NotFound, Kind::Conflict, Kind::Gone, Kind::RangeNotSatisfiable];
    problems.extend(
        others
            .into_iter()
            .map(Problem::of)
            .filter(|problem| responses.contains_key(problem.kind.status().as_str())),
    );
    for problem in problems {
        let status = problem.kind.status().as_u16().to_string();
        responses.insert(status, RefOr::T(problem_response(&problem)));
    }
}

fn freshness() -> impl Iterator<Item = Parameter> {
    let parameter = |name: &str, place, says: &str, default: Option<u64>, most: Option<u32>| {
        let schema = ObjectBuilder::new()
            .schema_type(Type::Integer)
            .format(Some(SchemaFormat::KnownFormat(KnownFormat::Int64)))
            .minimum(Some(0))
            .maximum(most)
            .default(default.map(Into::into));
        ParameterBuilder::new()
            .name(name)
            .parameter_in(place)
            .required(Required::False)
            .description(Some(says))
            .schema(Some(schema))
            .build()
    };
    let says = "Answer only from data that has reached this position of the log";
    [
        parameter("min_position", ParameterIn::Query, says, None, None),
        parameter(
            "wait_ms",
            ParameterIn::Query,
            "How long to wait for it before answering 503, in milliseconds",
            Some(2_000),
            Some(10_000),
        ),
        parameter("Agora-Min-Position", ParameterIn::Header, "As `min_position`", None, None),
    ]
    .into_iter()
}

fn if_none_match() -> Parameter {
    ParameterBuilder::new()
        .name("If-None-Match")
        .parameter_in(ParameterIn::Header)
        .required(Required::False)
        .description(Some("Entity tags that you have: 304 where one is still current"))
        .schema(Some(ObjectBuilder::new().schema_type(Type::String)))
        .build()
}

fn position_header() -> Header {
    header(Type::Integer, "The position of the log that the answer reflects")
}

fn tag_header() -> Header {
    header(Type::String, "Entity tag, for If-None-Match")
}

fn header(of: Type, says: &str) -> Header {
    let schema = ObjectBuilder::new().schema_type(of);
    HeaderBuilder::new().schema(Some(schema)).description(Some(says)).build()
}

fn problem_response(problem: &Problem) -> Response {
    let example = serde_json::to_value(problem.document()).unwrap_or_else(|_| json!({}));
    let content: Content = ContentBuilder::new()
        .schema(Some(Ref::from_schema_name("Problem")))
        .example(Some(example))
        .build();
    let mut response =
        ResponseBuilder::new().description(problem.kind.title()).content(PROBLEM, content).build();
    if problem.retry_after_seconds.is_some() {
        let header = header(Type::Integer, "Seconds to wait before asking again");
        response.headers.insert("Retry-After".to_owned(), RefOr::T(header));
    }
    if problem.kind == Kind::TooManyRequests {
        for (name, says) in [
            ("RateLimit", "What is left of each limit, and for how many seconds"),
            ("RateLimit-Policy", "Each limit: so many requests in so many seconds"),
        ] {
            response.headers.insert(name.to_owned(), RefOr::T(header(Type::String, says)));
        }
    }
    if problem.kind == Kind::NotFound || problem.kind == Kind::Unavailable {
        response.headers.insert("Agora-Position".to_owned(), RefOr::T(position_header()));
    }
    response
}
