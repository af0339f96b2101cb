//! Carrying a command out: decide, append, and again where the state has moved on.

use std::{
    borrow::Cow,
    hash::{DefaultHasher, Hash, Hasher},
    net::{IpAddr, Ipv6Addr},
    sync::LazyLock,
    time::Duration,
};

use agora_domain::{Actor, Subject};
use agora_event_store::{Appended, Guard, Receipt, StoredReceipt};
use agora_service::{clock, problem::Problem};
use tokio::{
    sync::{Mutex, MutexGuard},
    time::Instant,
};
use uuid::Uuid;

use crate::{
    App, Command,
    authenticate::{self, Principal, Proof},
    decision::{Decision, Done},
    permission::Roles,
    policies,
    refusal::{CommandError, at_once, unavailable},
    reply::{Draft, Reply},
};

/// How long conflicts with other processes are tried again.
const PATIENCE: Duration = Duration::from_secs(2);

/// Who sends a command, and from where.
#[derive(Clone, Debug, Default)]
pub struct Caller {
    pub principal: Option<Principal>,
    /// The platform itself acts (a process manager, bootstrap).
    pub system: bool,
    /// The client's address, and the subject under which it is sealed.
    pub address: Option<(Subject, String)>,
    pub user_agent: Option<String>,
    /// The browser sends `Sec-GPC: 1`: its user wants nothing sold, shared or advertised (CON-13).
    pub opts_out: bool,
    pub traceparent: Option<String>,
    /// A guest's signature was shown where it does not say who sends the command.
    pub was_guest: bool,
    /// The log's history before the principal was looked up.
    pub history: Option<u64>,
    /// What caused the command, where a process sends it: its events' ids derive from this, so that
    /// the same cause does nothing twice.
    pub cause: Option<Uuid>,
}

impl Caller {
    /// The platform itself, acting on a cause.
    pub fn system(cause: Option<Uuid>) -> Self {
        Self { system: true, cause, ..Self::default() }
    }

    pub fn actor(&self) -> Option<Actor> {
        match &self.principal {
            Some(principal) => Some(principal.actor),
            None => self.system.then_some(Actor::SYSTEM),
        }
    }

    pub(crate) fn role(&self) -> Option<Roles> {
        self.principal.as_ref().map(|principal| principal.roles)
    }

    pub(crate) fn guards(&self) -> Vec<Guard> {
        let guards = self.principal.as_ref().map(|principal| principal.guards.to_vec());
        guards.unwrap_or_default()
    }

    pub(crate) fn sealed_address(&self) -> Option<(&Subject, &str)> {
        self.address.as_ref().map(|(subject, address)| (subject, address.as_str()))
    }

    /// By what its client is counted: the address, of IPv6 its /64, since whoever has one address of
    /// that has them all.
    pub(crate) fn network(&self) -> String {
        let address = self.address.as_ref().map_or("", |(_, address)| address.as_str());
        match address.parse() {
            Ok(IpAddr::V6(address)) => {
                Ipv6Addr::from_bits(address.to_bits() & !u128::from(u64::MAX)).to_string()
            }
            _ => address.to_owned(),
        }
    }

    /// Under what name its receipts are kept. What was done for one organization is no answer to the
    /// same request for another (BUF-15).
    fn receipt_name(&self) -> String {
        let Some(actor) = self.actor() else { return "guest".to_owned() };
        match self.principal.as_ref().and_then(|principal| principal.organization) {
            Some(tenant) => format!("{actor}@{}", tenant.organization_id),
            None => actor.to_string(),
        }
    }
}

/// What a request says beside its body.
#[derive(Clone, Debug, Default)]
pub struct Conditions {
    pub idempotency_key: Option<String>,
    /// HMAC of the command's name and the body, for the receipt.
    pub request_hmac: [u8; 32],
    /// The sequence that `If-Match` names.
    pub if_match: Option<u64>,
}

/// Carries a parsed command out.
pub async fn execute<C: Command>(
    app: &App,
    caller: &Caller,
    conditions: &Conditions,
    mut command: C,
) -> Result<Reply, Problem> {
    let _turn = match &conditions.idempotency_key {
        Some(key) => Some(turn(&RECEIPT_TURNS, &(caller.receipt_name(), key)).await),
        None => None,
    };
    // A request that was carried out is answered before anything is done for it.
    if let Some(receipt) = stored_receipt(app, caller, conditions).await? {
        return replay(&receipt, conditions).and_then(C::answer);
    }
    command.prepare(app, caller).await?;
    let _turn = match command.queue(caller) {
        Some(stream) => Some(turn(&STREAM_TURNS, &stream).await),
        None => None,
    };
    let command_id = clock::new_id();
    let metadata = metadata::<C>(caller, command_id);
    let mut caller = Cow::Borrowed(caller);
    let deadline = Instant::now() + PATIENCE;
    let (mut look, mut is_fresh) = (false, false);
    loop {
        let (now, known) = (clock::now(), app.known());
        let mut decision = Decision::new(app, &caller, now, &metadata, conditions.if_match, look);
        let outcome = match decide(&command, &mut decision).await {
            Ok(done) => {
                if decision.presumed && decision.unit.events.is_empty() {
                    look = true;
                    continue;
                }
                append(app, &caller, conditions, command_id, decision, done).await
            }
            // A refusal that rests on what was only presumed is no refusal yet.
            Err(_) if decision.presumed => {
                look = true;
                continue;
            }
            Err(CommandError::Refused(problem))
                if !is_fresh
                    && problem.kind.status().is_client_error()
                    && app.was_behind(known).await =>
            {
                (look, is_fresh) = (true, true);
                authenticate_again::<C>(app, &mut caller).await?;
                continue;
            }
            Err(error) => Err(error),
        };
        match outcome {
            Ok(reply) => return C::answer(reply),
            Err(CommandError::Refused(problem)) => return Err(problem),
            Err(CommandError::Moved) if Instant::now() < deadline => {
                metrics::counter!("agora_command_conflicts").increment(1);
                look = true;
                app.log.catch_up().await;
                authenticate_again::<C>(app, &mut caller).await?;
            }
            Err(CommandError::Moved) => {
                return Err(Problem::conflict(
                    "Others kept changing what this command needs: read it and try again.",
                )
                .with_rule("ESX-03"));
            }
        }
    }
}

/// The command's decision, once its sender has accepted what it has to (PPV-13).
async fn decide<C: Command>(
    command: &C,
    decision: &mut Decision<'_>,
) -> Result<Done, CommandError> {
    policies::admit(decision, C::NAME).await?;
    command.decide(decision).await
}

/// What has moved may be the session, or the sender's role: their guards are of the time of the
/// request, and would never hold again.
async fn authenticate_again<C: Command>(
    app: &App,
    caller: &mut Cow<'_, Caller>,
) -> Result<(), Problem> {
    let Some(proof) = caller.principal.as_ref().map(|principal| principal.proof) else {
        return Ok(());
    };
    let history = app.log.history();
    let principal = authenticate::holder(app, proof, clock::now()).await.map_err(at_once)?;
    app.matrix.permit(C::NAME, Some(principal.roles))?;
    let caller = caller.to_mut();
    (caller.principal, caller.history) = (Some(principal), Some(history));
    Ok(())
}

async fn append(
    app: &App,
    caller: &Caller,
    conditions: &Conditions,
    command_id: Uuid,
    decision: Decision<'_>,
    done: Done,
) -> Result<Reply, CommandError> {
    let (mut unit, sent_by) = (decision.unit, decision.sent_by);
    let draft = Draft::new(command_id, done.aggregate_type, done.aggregate_id, &unit, done.result);
    unit.may_be_written = caller.cause.is_some();
    if let Some(key) = &conditions.idempotency_key {
        unit.receipt = Some(Receipt {
            principal: caller.receipt_name(),
            idempotency_key: key.clone(),
            request_hmac: conditions.request_hmac,
            reply: serde_json::to_string(&draft).map_err(|_| Problem::internal())?,
        });
    }
    let reply = match app.log.append(unit).await? {
        Appended::Now(placed) => draft.placed(placed.first_position),
        Appended::Before(position) => draft.placed(position),
        Appended::Receipt(receipt) => replay(&receipt, conditions)?,
    };
    Ok(Reply { sent_by, ..reply })
}

fn replay(receipt: &StoredReceipt, conditions: &Conditions) -> Result<Reply, Problem> {
    if receipt.request_hmac != conditions.request_hmac {
        return Err(Problem::rule_broken(
            "ESX-04",
            "This Idempotency-Key was used for another request: use a new one.",
        ));
    }
    let draft: Draft = serde_json::from_str(&receipt.reply).map_err(|_| Problem::internal())?;
    Ok(draft.placed_before(receipt.first_position))
}

async fn stored_receipt(
    app: &App,
    caller: &Caller,
    conditions: &Conditions,
) -> Result<Option<StoredReceipt>, Problem> {
    let Some(key) = &conditions.idempotency_key else { return Ok(None) };
    let row: Option<(Vec<u8>, String, i64)> = sqlx::query_as(
        "SELECT request_hmac, reply, first_position FROM log.receipts
         WHERE principal = $1 AND idempotency_key = $2
           AND recorded_at > clock_timestamp() - interval '24 hours'",
    )
    .bind(caller.receipt_name())
    .bind(key)
    .fetch_optional(app.log.pool())
    .await
    .map_err(|error| {
        tracing::error!(%error, "cannot look up a receipt");
        unavailable()
    })?;
    row.map(|(hmac, reply, first_position)| {
        Ok(StoredReceipt {
            request_hmac: hmac.try_into().map_err(|_| Problem::internal())?,
            reply,
            first_position: agora_event_store::read::from_db(first_position),
        })
    })
    .transpose()
}

/// What every event of the command says of it. That somebody was a guest before is said of a
/// registration, to be counted; which guest, nowhere (GST-06).
fn metadata<C: Command>(caller: &Caller, command_id: Uuid) -> String {
    let actor = caller.actor().unwrap_or(Actor::SYSTEM);
    let mut metadata =
        format!(r#"{{"actor":"{actor}","command":"{command_id}","command_name":"{}""#, C::NAME);
    if let Some(principal) = &caller.principal {
        match principal.proof {
            Proof::Session(session_id) => {
                metadata.push_str(&format!(r#","session":"{session_id}""#));
            }
            Proof::ApiKey(_, key_id) => metadata.push_str(&format!(r#","api_key":"{key_id}""#)),
            Proof::Signature(_) => {}
        }
    }
    if C::COUNTS_GUESTS && caller.was_guest {
        metadata.push_str(r#","was_guest":"true""#);
    }
    if let Some(cause) = caller.cause {
        metadata.push_str(&format!(r#","causation":"{cause}""#));
    }
    if let Some(traceparent) = &caller.traceparent {
        metadata.push_str(&format!(r#","traceparent":"{traceparent}""#));
    }
    metadata.push('}');
    metadata
}

type Turns = LazyLock<Vec<Mutex<()>>>;

const TURNS: usize = 8_192;

/// Commands about the same thing are decided one after the other in this process: the next waits
/// and decides on the outcome, so that a hot stream is a queue and not a storm of conflicts. Two
/// things that share a slot only cost a wait. Receipts come first and have slots of their own, so
/// nobody waits for a slot that it holds.
static STREAM_TURNS: Turns = LazyLock::new(turns);
static RECEIPT_TURNS: Turns = LazyLock::new(turns);

fn turns() -> Vec<Mutex<()>> {
    std::iter::repeat_with(|| Mutex::new(())).take(TURNS).collect()
}

/// Waits for the turn of whatever the key names.
async fn turn(turns: &'static Turns, key: &impl Hash) -> MutexGuard<'static, ()> {
    let mut hasher = DefaultHasher::new();
    key.hash(&mut hasher);
    let slot = usize::try_from(hasher.finish() % TURNS as u64).unwrap_or_default();
    turns[slot].lock().await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cmt_09_crd_12_ipv6_clients_are_counted_by_their_network() {
        let of = |address: &str| {
            let address = Some((Subject::from("day"), address.to_owned()));
            Caller { address, ..Caller::default() }.network()
        };
        assert_eq!(of("2001:db8:1:2:3:4:5:6"), of("2001:db8:1:2::1"));
        assert_ne!(of("2001:db8:1:2::1"), of("2001:db8:1:3::1"));
        assert_ne!(of("192.0.2.1"), of("192.0.2.2"));
    }
}
