//! Asks every GET route of both OpenAPI documents that takes no more than what is known.

use std::collections::BTreeSet;

use agora_harness::client;
use futures::future::join_all;
use serde_json::Value;
use uuid::Uuid;

use super::scan::{Found, Scan};

/// What a list is asked for, and how far it is followed.
const ITEMS: &str = "100";
const PARTS_MAX: usize = 3;
/// Ids that are tried on one route.
const IDS_MAX: usize = 15;
/// After so many a route is left.
const REFUSALS: usize = 3;
/// They last, and tell ids and scores only; tests of their own read them.
const STREAMS: &str = "/v1/live/";

/// Somebody who asks; without a token nobody known.
pub(super) struct Asker {
    pub(super) name: &'static str,
    pub(super) token: Option<String>,
}

/// What paths and queries are filled in with.
pub(super) struct Known {
    /// Of the log: type and id.
    pub(super) streams: Vec<(String, String)>,
    /// By the name of a parameter.
    pub(super) values: Vec<(&'static str, String)>,
}

/// What came of it.
#[derive(Default)]
pub(super) struct Swept {
    /// Routes that answered somebody with what they have.
    pub(super) answered: BTreeSet<String>,
    /// Who was answered what with something of the person's.
    pub(super) holding: Vec<String>,
    pub(super) found: Found,
}

pub(super) struct Sweep<'s> {
    pub(super) apis: [String; 2],
    pub(super) known: Known,
    pub(super) scan: &'s Scan,
}

impl Sweep<'_> {
    /// All of them at once.
    pub(super) async fn run(&self, askers: &[Asker]) -> Swept {
        let mut all = Swept::default();
        for swept in join_all(askers.iter().map(|asker| self.run_as(asker))).await {
            all.answered.extend(swept.answered);
            all.holding.extend(swept.holding);
            all.found.extend(swept.found);
        }
        all
    }

    async fn run_as(&self, asker: &Asker) -> Swept {
        let mut swept = Swept::default();
        for api in &self.apis {
            let document = client::once(api, "GET", "/openapi.json", &[], None).await.unwrap();
            let document: Value = serde_json::from_slice(&document.body).unwrap();
            for (route, methods) in document["paths"].as_object().unwrap() {
                let Some(get) = methods.get("get").filter(|_| !route.starts_with(STREAMS)) else {
                    continue;
                };
                self.ask(api, route, get, asker, &mut swept).await;
            }
        }
        swept
    }

    async fn ask(&self, api: &str, route: &str, get: &Value, asker: &Asker, swept: &mut Swept) {
        let Some(query) = self.query(get) else { return };
        let mut refused = 0;
        for path in self.paths(api, route, asker).await {
            let first = format!("{path}?{query}");
            let mut next = Some(first.clone());
            for _ in 0..PARTS_MAX {
                let Some(path) = next else { break };
                let (status, found, body) = self.get(api, &path, asker).await;
                assert!(!matches!(status, 429 | 500..), "{} got {status} of {path}", asker.name);
                match status {
                    200 => _ = swept.answered.insert(route.to_owned()),
                    401 | 403 => refused += 1,
                    _ => {}
                }
                if !found.is_empty() {
                    swept.holding.push(format!("{} is told {found:?} by {path}", asker.name));
                    swept.found.extend(found);
                }
                next = body["next"].as_str().map(|cursor| format!("{first}cursor={cursor}"));
            }
            // Who may not is told nothing of others either.
            if refused == REFUSALS && !swept.answered.contains(route) {
                return;
            }
        }
    }

    async fn get(&self, api: &str, path: &str, asker: &Asker) -> (u16, Found, Value) {
        let bearer = asker.token.as_ref().map(|token| format!("Bearer {token}"));
        let headers: Vec<_> =
            bearer.as_deref().map(|bearer| ("authorization", bearer)).into_iter().collect();
        let reply = client::once(api, "GET", path, &headers, None).await.unwrap();
        let mut found = self.scan.bytes(reply.head.as_bytes());
        found.extend(self.scan.bytes(&reply.body));
        (reply.status, found, serde_json::from_slice(&reply.body).unwrap_or_default())
    }

    /// What a route must be asked with, and as much as it gives; none where that is not known.
    fn query(&self, get: &Value) -> Option<String> {
        let mut query = String::new();
        for parameter in get["parameters"].as_array().into_iter().flatten() {
            let name = parameter["name"].as_str().unwrap_or_default();
            match (parameter["in"] == "query", name, parameter["required"] == true) {
                (true, "limit", _) => query.push_str(&format!("limit={ITEMS}&")),
                (true, _, true) => {
                    query.push_str(&format!("{name}={}&", self.values(name).next()?))
                }
                _ => {}
            }
        }
        Some(query)
    }

    fn values(&self, name: &str) -> impl Iterator<Item = &str> {
        let all = self.known.values.iter().filter(move |(it, _)| *it == name);
        all.map(|(_, value)| value.as_str())
    }

    /// A route with whatever its place may be filled in with.
    async fn paths(&self, api: &str, route: &str, asker: &Asker) -> Vec<String> {
        let Some((before, rest)) = route.split_once('{') else { return vec![route.to_owned()] };
        let (name, after) = rest.split_once('}').unwrap_or_default();
        if let Some(after) = after.strip_prefix("/{id}") {
            let all = self.known.streams.iter();
            return all.map(|(kind, id)| format!("{before}{kind}/{id}{after}")).collect();
        }
        if name != "id" {
            return self.values(name).map(|value| format!("{before}{value}{after}")).collect();
        }
        // Those that the list before it names, and those of streams that are called so.
        let list = before.trim_end_matches('/');
        let kind = list.rsplit('/').next().unwrap_or_default();
        let kind = kind.trim_end_matches('s').replace('-', "_");
        let (_, _, body) = self.get(api, &format!("{list}?limit={ITEMS}"), asker).await;
        let mut ids = BTreeSet::new();
        collect(&body["items"], &mut ids);
        let streams = self.known.streams.iter().filter(|(it, _)| it.contains(&kind));
        ids.extend(streams.filter_map(|(_, id)| id.parse::<Uuid>().ok()));
        ids.into_iter().take(IDS_MAX).map(|id| format!("{before}{id}{after}")).collect()
    }
}

fn collect(value: &Value, ids: &mut BTreeSet<Uuid>) {
    match value {
        Value::String(text) => ids.extend(text.parse::<Uuid>()),
        Value::Array(items) => items.iter().for_each(|item| collect(item, ids)),
        Value::Object(fields) => fields.values().for_each(|field| collect(field, ids)),
        _ => {}
    }
}
