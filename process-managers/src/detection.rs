//! Runs `agora_domain::process_managers::detection`: reads what is noted of requests, opens and extends
//! incidents, blocks clients.
//!
//! One of all instances does it, which holds its lease. What it has counted is in memory; one
//! that starts reads the window before it again, and how far the one before it had told. What that one did
//! and had not noted yet is not done twice, since ids of what follows derive from the records.

use std::{net::IpAddr, time::Duration};

use agora_command_api::{
    App, Command,
    commands::auto_block_ip::AutoBlockIp,
    detection::{DetectIncident, ObserveIp},
    execute::{Caller, Conditions, execute},
};
use agora_domain::{
    process_managers::detection::{Detector, Found, Noted, Signal, Thresholds, WINDOW},
    security::network::Network,
};
use agora_event_store::{
    Opener,
    seal::SealedField,
    security::{IP_ADDRESS, RECORD},
};
use agora_service::{clock, problem::Problem};
use chrono::{DateTime, TimeDelta, Utc};
use sqlx::{FromRow, PgConnection};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use crate::runner::take_lease;

/// Of its lease.
const NAME: &str = "detection";
/// How often it looks: what begins is found within a second.
const EVERY: Duration = Duration::from_millis(100);
/// Records of one look.
const ROWS: i64 = 5_000;
/// Records are written by several instances, in groups: one may show so long after its time. What is later,
/// out of a file that kept it while the database was away, is in the records and found by nobody.
const LATE: TimeDelta = TimeDelta::seconds(5);
/// What one look does of what was found. The rest waits for the next, and nothing more is taken from the
/// counts meanwhile: they go on, and are told later.
const PENDING_MAX: usize = 1_000;

/// What an operator can choose.
#[derive(Clone, Debug, clap::Args)]
pub struct DetectionArgs {
    /// Failed logins of one client in five minutes that are an incident, and block it
    #[arg(long, env = "AGORA_DETECT_LOGIN_FAILURES", default_value_t = Thresholds::default().login_failures,
          value_parser = clap::value_parser!(u64).range(1..))]
    pub detect_login_failures: u64,
    /// Requests of one client in five minutes that were refused for being too many (429), as above
    #[arg(long, env = "AGORA_DETECT_TOO_MANY_REQUESTS", default_value_t = Thresholds::default().too_many,
          value_parser = clap::value_parser!(u64).range(1..))]
    pub detect_too_many_requests: u64,
    /// From so many of these on they are a flood (DDOS_ATTACK)
    #[arg(long, env = "AGORA_DETECT_FLOOD", default_value_t = Thresholds::default().flood,
          value_parser = clap::value_parser!(u64).range(1..))]
    pub detect_flood: u64,
    /// Requests of one client in five minutes that look like an injection, a script or a search for
    /// holes, of each kind, as above
    #[arg(long, env = "AGORA_DETECT_PATTERNS", default_value_t = Thresholds::default().patterns,
          value_parser = clap::value_parser!(u64).range(1..))]
    pub detect_patterns: u64,
    /// Requests of a blocked client in five minutes that are an incident
    #[arg(long, env = "AGORA_DETECT_BLOCKED", default_value_t = Thresholds::default().blocked,
          value_parser = clap::value_parser!(u64).range(1..))]
    pub detect_blocked: u64,
    /// Failed logins of twenty clients or more together in five minutes that are an incident of the
    /// whole system
    #[arg(long, env = "AGORA_DETECT_LOGIN_FAILURES_OF_ALL",
          default_value_t = Thresholds::default().login_failures_of_all,
          value_parser = clap::value_parser!(u64).range(1..))]
    pub detect_login_failures_of_all: u64,
    /// Requests too many of twenty clients or more together, likewise
    #[arg(long, env = "AGORA_DETECT_FLOOD_OF_ALL", default_value_t = Thresholds::default().flood_of_all,
          value_parser = clap::value_parser!(u64).range(1..))]
    pub detect_flood_of_all: u64,
}

impl DetectionArgs {
    pub fn thresholds(&self) -> Thresholds {
        Thresholds {
            login_failures: self.detect_login_failures,
            too_many: self.detect_too_many_requests,
            flood: self.detect_flood,
            patterns: self.detect_patterns,
            blocked: self.detect_blocked,
            login_failures_of_all: self.detect_login_failures_of_all,
            flood_of_all: self.detect_flood_of_all,
        }
    }
}

/// Detects until told to stop.
pub async fn run(app: App, thresholds: Thresholds, stop: CancellationToken) {
    while !stop.is_cancelled() {
        if let Err(error) = hold_and_look(&app, thresholds, &stop).await {
            tracing::warn!(%error, "detection waits for the database");
        }
        tokio::select! {
            () = stop.cancelled() => {}
            () = tokio::time::sleep(Duration::from_secs(1)) => {}
        }
    }
}

/// Looks for as long as the lease's connection lives; returns at once where another instance has it.
async fn hold_and_look(
    app: &App,
    thresholds: Thresholds,
    stop: &CancellationToken,
) -> Result<(), sqlx::Error> {
    let Some(mut connection) = take_lease(app, NAME).await? else { return Ok(()) };
    let mut detection = Detection::begin(app, thresholds, &mut connection).await?;
    while !stop.is_cancelled() {
        detection.look(&mut connection).await?;
        tokio::select! {
            () = stop.cancelled() => {}
            () = tokio::time::sleep(EVERY) => {}
        }
    }
    Ok(())
}

/// What one instance has counted.
pub struct Detection {
    app: App,
    opener: Opener,
    detector: Detector,
    /// Where the next look begins.
    after: DateTime<Utc>,
    seen: Vec<(Uuid, DateTime<Utc>)>,
    /// What was found and could not be recorded yet.
    pending: Vec<Found>,
    /// Up to when was read; noted as told once nothing is pending.
    read: Option<DateTime<Utc>>,
    /// Up to when another one had told, before this one began.
    told: DateTime<Utc>,
}

impl Detection {
    /// # Errors
    /// Where the database cannot be asked how far the one before had come.
    pub async fn begin(
        app: &App,
        thresholds: Thresholds,
        connection: &mut PgConnection,
    ) -> Result<Self, sqlx::Error> {
        let told: Option<DateTime<Utc>> =
            sqlx::query_scalar("SELECT told_until FROM process.detection")
                .fetch_optional(connection)
                .await?;
        Ok(Self {
            app: app.clone(),
            opener: Opener::new(app.log.vault().clone()),
            detector: Detector::new(thresholds),
            after: clock::now() - WINDOW,
            seen: Vec::new(),
            pending: Vec::new(),
            read: None,
            told: told.unwrap_or_default(),
        })
    }

    /// Reads what is new, and does what follows.
    ///
    /// # Errors
    /// Where the database cannot be asked; what could not be opened or sent is tried again.
    pub async fn look(&mut self, connection: &mut PgConnection) -> Result<(), sqlx::Error> {
        let rows: Vec<Row> = sqlx::query_as(
            "SELECT id, recorded_at, kind, action, status, occurrences, ip_address
             FROM log.security_records
             WHERE recorded_at > $1 AND NOT id = ANY($2) AND ip_address IS NOT NULL
               AND (kind IN ('login_failed', 'blocked', 'suspicious') OR status = 429)
             ORDER BY recorded_at LIMIT $3",
        )
        .bind(self.after)
        .bind(self.seen.iter().map(|(id, _)| *id).collect::<Vec<_>>())
        .bind(ROWS)
        .fetch_all(&mut *connection)
        .await?;
        let last = rows.last().map(|row| row.recorded_at);
        let is_full = i64::try_from(rows.len()).unwrap_or(ROWS) >= ROWS;
        if !self.take(rows).await {
            return Ok(());
        }
        let mut due = std::mem::take(&mut self.pending);
        if due.len() < PENDING_MAX {
            due.extend(self.detector.found(clock::now()));
        }
        self.pending = due.split_off(due.len().min(PENDING_MAX));
        for found in due {
            if let Err(problem) = self.act(&found).await {
                tracing::warn!(rule = problem.rule, "what was found could not be recorded");
                // A refusal stays one; what could not be reached is asked again.
                if !problem.kind.status().is_client_error() {
                    self.pending.push(found);
                }
            }
        }
        // Also where nothing was found: what else is noted meanwhile is not to be read each time.
        self.after = match last {
            // There is more: it is read next, and nothing is passed over.
            Some(last) if is_full => last.min(clock::now() - LATE).max(self.after),
            _ => self.after.max(clock::now() - LATE),
        };
        self.seen.retain(|(_, at)| *at > self.after);
        self.read = last.max(self.read);
        if !self.pending.is_empty() {
            // Whoever goes on after this one finds it again.
            return Ok(());
        }
        let Some(read) = self.read else { return Ok(()) };
        sqlx::query(
            "INSERT INTO process.detection (told_until) VALUES ($1)
             ON CONFLICT (only_row) DO UPDATE SET
                 told_until = greatest(detection.told_until, excluded.told_until)",
        )
        .bind(read)
        .execute(connection)
        .await?;
        self.read = None;
        Ok(())
    }

    /// Counts what is new; false where it could not be opened, and is to be read again.
    async fn take(&mut self, rows: Vec<Row>) -> bool {
        let ids: Vec<_> = rows.iter().map(|row| row.id.to_string()).collect();
        let fields: Vec<_> = rows
            .iter()
            .zip(&ids)
            .map(|(row, id)| SealedField {
                aggregate_type: RECORD,
                aggregate_id: id,
                field: IP_ADDRESS,
                sealed: &row.ip_address,
            })
            .collect();
        let opened = match self.opener.open_many(&fields).await {
            Ok(opened) => opened,
            Err(error) => {
                tracing::warn!(%error, "addresses cannot be opened");
                return false;
            }
        };
        for (row, address) in rows.iter().zip(opened) {
            self.seen.push((row.id, row.recorded_at));
            let address = address.into_text().and_then(|text| text.parse::<IpAddr>().ok());
            match address.map(|address| row.noted(address)) {
                Some(noted) if row.recorded_at <= self.told => self.detector.note_told(noted),
                Some(noted) => self.detector.note(noted),
                None => {}
            }
        }
        true
    }

    async fn act(&self, found: &Found) -> Result<(), Problem> {
        match *found {
            Found::Refused { address, times, cause } => {
                let network = Network::of(address);
                self.send(ObserveIp { network, requests: times, blocked: times }, cause).await
            }
            Found::Attack(attack) => {
                self.send(DetectIncident(attack), attack.cause).await?;
                if !attack.blocks {
                    return Ok(());
                }
                let block = AutoBlockIp::new(attack.client);
                // A refusal is no failure: it is on the whitelist, or has a time of grace.
                match self.send(block, Uuid::new_v5(&attack.cause, b"block")).await {
                    Err(problem) if problem.kind.status().is_client_error() => Ok(()),
                    done => done,
                }
            }
        }
    }

    async fn send<C: Command>(&self, command: C, cause: Uuid) -> Result<(), Problem> {
        let caller = Caller::system(Some(cause));
        execute(&self.app, &caller, &Conditions::default(), command).await.map(|_| ())
    }
}

#[derive(FromRow)]
struct Row {
    id: Uuid,
    recorded_at: DateTime<Utc>,
    kind: String,
    action: String,
    status: i32,
    occurrences: i64,
    ip_address: String,
}

impl Row {
    fn noted(&self, address: IpAddr) -> Noted {
        let is_login = self.kind == "login_failed" || self.action == "log-in";
        let signal = match (self.kind.as_str(), self.action.as_str()) {
            ("blocked", _) => Signal::Blocked,
            ("suspicious", "sql_injection") => Signal::SqlInjection,
            ("suspicious", "scripting") => Signal::Scripting,
            ("suspicious", _) => Signal::Probing,
            _ if is_login => Signal::LoginFailed,
            _ => Signal::TooMany,
        };
        let times = u64::try_from(self.occurrences).unwrap_or_default();
        let blocked = if matches!(self.status, 403 | 429) { times } else { 0 };
        Noted { id: self.id, address, signal, times, blocked, at: self.recorded_at }
    }
}
