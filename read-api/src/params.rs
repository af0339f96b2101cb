//! Parameters of a request, parsed strictly: an unknown one, a doubled one and a wrong one are each
//! named in the answer, all at once.

use std::{borrow::Cow, fmt::Write as _, str::FromStr};

use agora_domain::{Actor, ActorKind, RuleBreak};
use agora_service::problem::{FieldError, Kind, Problem};
use axum::{
    extract::{FromRequestParts, RawPathParams},
    http::request::Parts,
};
use chrono::{DateTime, Utc};
use uuid::Uuid;

/// What a wrong parameter is told.
pub type Says = Cow<'static, str>;

/// A route's query parameters. [`Params::value`] is asked once for each that the route knows.
pub trait FromParams: Sized + Send {
    /// Wrong values are kept in `params`; what is returned then is not used.
    fn from_params(params: &mut Params) -> Self;
}

impl FromParams for () {
    fn from_params(_: &mut Params) -> Self {}
}

impl<A: FromParams, B: FromParams> FromParams for (A, B) {
    fn from_params(params: &mut Params) -> Self {
        (A::from_params(params), B::from_params(params))
    }
}

/// A query string, taken apart.
#[derive(Default)]
pub struct Params {
    pairs: Vec<(String, String)>,
    known: Vec<&'static str>,
    errors: Vec<FieldError>,
}

impl Params {
    pub fn of_query(query: Option<&str>) -> Self {
        let pairs = url::form_urlencoded::parse(query.unwrap_or_default().as_bytes())
            .map(|(name, value)| (name.into_owned(), value.into_owned()))
            .collect();
        Self { pairs, ..Self::default() }
    }

    /// The parameter's value; `None` where it is absent or wrong.
    pub fn value<T>(
        &mut self,
        name: &'static str,
        parse: impl FnOnce(&str) -> Result<T, Says>,
    ) -> Option<T> {
        self.known.push(name);
        let mut values = self.pairs.extract_if(.., |(found, _)| found == name);
        let (_, text) = values.next()?;
        let doubled = values.count() > 0;
        let parsed = if doubled { Err("must be given once".into()) } else { parse(&text) };
        parsed.map_err(|says| self.wrong("query", name, &says)).ok()
    }

    /// Notes a wrong parameter that does not stand in the query: a header.
    pub fn wrong(&mut self, place: &str, name: &str, says: &str) {
        self.errors.push(wrong(place, name, says));
    }

    /// # Errors
    /// Everything that is wrong, unknown parameters included.
    pub fn finish(mut self) -> Result<(), Problem> {
        for (name, _) in std::mem::take(&mut self.pairs) {
            let error = self.unknown(&name);
            self.errors.push(error);
        }
        if self.errors.is_empty() { Ok(()) } else { Err(Problem::wrong_fields(self.errors)) }
    }

    fn unknown(&self, name: &str) -> FieldError {
        // A name that is no name may be anything, a person's too: only what looks like one is told.
        let plain = name.len() <= 32
            && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_-.".contains(&byte));
        let name = if plain { name } else { "" };
        let mut detail = String::from("There is no parameter");
        if plain {
            let _ = write!(detail, " `{name}`");
        }
        let _ = write!(detail, " here; known are: {}.", self.known.join(", "));
        FieldError { pointer: format!("/query/{name}").into(), rule: None, detail: detail.into() }
    }
}

fn wrong(place: &str, name: &str, says: &str) -> FieldError {
    FieldError {
        pointer: format!("/{place}/{name}").into(),
        rule: None,
        detail: format!("`{name}` {says}.").into(),
    }
}

/// A 400 that names a part of the path.
pub fn wrong_path(name: &str, says: &str) -> Problem {
    Problem::wrong_fields(vec![wrong("path", name, says)])
}

/// The path's variable parts, decoded.
pub struct PathTexts(Vec<(String, String)>);

impl PathTexts {
    /// The text of a variable part; empty where the route has none of that name.
    pub fn text(&self, name: &str) -> &str {
        self.0.iter().find(|(found, _)| found == name).map_or("", |(_, text)| text)
    }

    /// # Errors
    /// A 400 that names the part.
    pub fn parse<T: FromStr<Err = RuleBreak>>(&self, name: &str) -> Result<T, Problem> {
        self.text(name).parse().map_err(|wrong: RuleBreak| wrong_path(name, wrong.detail))
    }
}

impl<S: Send + Sync> FromRequestParts<S> for PathTexts {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let raw = RawPathParams::from_request_parts(parts, state)
            .await
            .map_err(|_| Problem::new(Kind::Malformed, "The path is not percent-encoded UTF-8."))?;
        Ok(Self(raw.iter().map(|(name, text)| (name.to_owned(), text.to_owned())).collect()))
    }
}

/// A whole number in a range.
pub fn number(text: &str, range: std::ops::RangeInclusive<u64>) -> Result<u64, Says> {
    let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let number = if digits { text.parse().ok() } else { None };
    number.filter(|number| range.contains(number)).ok_or_else(|| {
        if *range.end() == u64::MAX {
            Says::Borrowed("must be a whole number, 0 or more")
        } else {
            format!("must be a whole number from {} to {}", range.start(), range.end()).into()
        }
    })
}

/// An id of one kind.
pub fn id<T: FromStr<Err = RuleBreak>>(text: &str) -> Result<T, Says> {
    text.parse().map_err(|wrong: RuleBreak| wrong.detail.into())
}

/// An instant: RFC 3339, with any offset.
pub fn instant(text: &str) -> Result<DateTime<Utc>, Says> {
    // An unescaped `+` of an offset arrives as a space.
    DateTime::parse_from_rfc3339(&text.replace(' ', "+"))
        .map(|time| time.to_utc())
        .map_err(|_| "must be a time such as 2026-01-31T12:00:00Z (RFC 3339)".into())
}

/// Who acted, as it stands in metadata: `member:<uuid>`, `admin:<uuid>`, `guest:<uuid>`, `system`.
pub fn actor(text: &str) -> Result<Actor, Says> {
    let id = |text: &str| (text.len() == 36).then(|| Uuid::try_parse(text).ok()).flatten();
    match text.split_once(':') {
        None if text == "system" => Some(Actor::SYSTEM),
        Some(("member", text)) => id(text).map(|id| Actor { kind: ActorKind::Member, id }),
        Some(("admin", text)) => id(text).map(|id| Actor { kind: ActorKind::Admin, id }),
        Some(("guest", text)) => id(text).map(|id| Actor { kind: ActorKind::Guest, id }),
        _ => None,
    }
    .ok_or(Says::Borrowed("must be member:<uuid>, admin:<uuid>, guest:<uuid> or system"))
}

/// A name or id of the log: printable ASCII without spaces, so that nothing else reaches a query.
pub fn token(text: &str) -> Result<String, Says> {
    let plain = text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_-:.".contains(&byte));
    if plain && (1..=200).contains(&text.len()) {
        Ok(text.to_owned())
    } else {
        Err("must be 1 to 200 letters, digits and `_-:.`".into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_wrong_parameter_is_named_at_once() {
        let mut params =
            Params::of_query(Some("limit=0&limti=5&wait_ms=x&a%40b=1&limit2=1&limit2=2"));
        assert_eq!(params.value("limit", |text| number(text, 1..=100)), None);
        assert_eq!(params.value("wait_ms", |text| number(text, 0..=10)), None);
        assert_eq!(params.value("limit2", |text| number(text, 0..=10)), None);
        let problem = params.finish().unwrap_err();
        let named: Vec<&str> = problem.errors.iter().map(|error| &*error.pointer).collect();
        assert_eq!(
            named,
            ["/query/limit", "/query/wait_ms", "/query/limit2", "/query/limti", "/query/"]
        );
        assert!(!format!("{problem:?}").contains('@'), "nothing that may be personal is repeated");
    }

    #[test]
    fn times_take_any_offset() {
        let utc = instant("2026-01-31T12:00:00Z").unwrap();
        assert_eq!(instant("2026-01-31T13:00:00 01:00").unwrap(), utc);
        assert_eq!(instant("2026-01-31T13:00:00+01:00").unwrap(), utc);
        assert!(instant("yesterday").is_err());
    }

    #[test]
    fn actors_are_read_as_metadata_writes_them() {
        let id = Uuid::from_u128(7);
        let member = Actor { kind: ActorKind::Member, id };
        assert_eq!(actor(&member.to_string()).unwrap(), member);
        assert_eq!(actor("system").unwrap(), Actor::SYSTEM);
        assert!(actor("member:7").is_err() && actor("root").is_err());
    }
}
