//! `read-api serve`.

use std::{process::ExitCode, sync::Arc, time::Duration};

use agora_event_store::{
    MasterKeys, Opener, Vault, restores,
    searches::{self, SearchLog},
    security::SecurityLog,
    security_audit::{self, SecurityAudit},
};
use agora_read_api::{
    access::{Activity, IssuedSessions},
    app::App,
    config::{Cli, Command, Serve},
    cursor::Cursors,
    downloads::{Downloads, count::Counter},
    freshness::Projected,
    front, http,
    live::{self, Limits, Live},
    search::KeptFound,
    together::{self, Together},
};
use agora_service::{
    geoip::Countries, health::Health, nats, objects::Objects, postgres, shutdown, telemetry,
};
use chrono::TimeDelta;
use clap::Parser;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

type Failure = Box<dyn std::error::Error + Send + Sync>;

#[tokio::main]
async fn main() -> ExitCode {
    let done = match Cli::parse().command {
        Command::Serve(args) => serve(*args).await,
        Command::Openapi => openapi(),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            #[expect(clippy::print_stderr, reason = "an operator reads why it did not start")]
            {
                eprintln!("read-api: {failure}");
            }
            ExitCode::FAILURE
        }
    }
}

/// For so long the answer to a search serves others who ask for the same.
const ANSWERS_KEPT: Duration = Duration::from_secs(1);
/// How long a search or a ranked feed may take.
const RANKING_LIMIT: Duration = Duration::from_secs(1);

async fn serve(args: Serve) -> Result<(), Failure> {
    let metrics = telemetry::init("read-api")?;
    let shutdown = shutdown::on_signal()?;

    let pool = |url| postgres::Pool {
        url,
        application_name: "agora-read-api",
        max_connections: args.database.database_connections,
        statement_timeout: Some(Duration::from_secs(30)),
        plans: postgres::Plans::Weighed,
    };
    let rankings = postgres::Pool {
        max_connections: (args.database.database_connections / 2).max(2),
        statement_timeout: Some(RANKING_LIMIT),
        plans: postgres::Plans::Once,
        ..pool(args.replica_url.as_deref().unwrap_or(&args.database.database_url))
    };
    let rankings = rankings.open()?;
    let primary = pool(&args.database.database_url).open()?;
    let lookups = postgres::Pool {
        max_connections: together::CONNECTIONS,
        statement_timeout: Some(together::PATIENCE),
        plans: postgres::Plans::Lookups,
        ..pool(&args.database.database_url)
    };
    let lookups = lookups.open()?;
    let reads = match &args.replica_url {
        Some(url) => pool(url).open()?,
        None => primary.clone(),
    };
    restores::refuse_unfinished(&primary).await?;
    let masters = MasterKeys::load(&args.vault.master_key_file)?;
    let vault = Vault::new(pool(&args.vault.vault_url).open()?, masters);
    tokio::spawn(vault.clone().watch());

    let idle = TimeDelta::seconds(i64::from(args.session_idle_seconds));
    let projected = Projected::default();
    let client = nats::connect(&args.nats, "read-api").await?;
    tokio::spawn(projected.clone().listen(client, shutdown.clone()));

    let spill_searches = args.spill_file.clone().map(|mut path| {
        path.as_mut_os_string().push(".searches");
        path
    });
    let settings = searches::Settings {
        default_consent: args.search_log_default_consent,
        retention_days: args.search_log_retention_days,
    };
    let searches = SearchLog::start(primary.clone(), vault.clone(), spill_searches, settings);
    let objects = Objects::open(&args.objects, &args.home)?;
    let downloads = Downloads::new(objects, Counter::new(&args.command_url)?);
    let spool = args.security_audit.spool("read-api");
    let countries = Countries::open(&args.security_audit.countries)?;
    let writing = security_audit::connection(&args.database.database_url, "agora-read-api")?;
    let security_audit = SecurityAudit::start(writing, vault.clone(), &spool, countries)?;
    let app = App {
        downloads,
        controller: args.controller.filter(|text| !text.trim().is_empty()),
        cursors: Cursors::new(vault.masters()),
        searches: searches.clone(),
        security: SecurityLog::start(primary.clone(), vault.clone(), args.spill_file),
        security_audit: security_audit.clone(),
        opener: Opener::new(vault),
        activity: Activity::start(primary.clone(), idle),
        issued_sessions: IssuedSessions::new(lookups.clone()),
        live: Live::new(
            Limits { all: args.live_streams, per_client: args.live_streams_per_client },
            shutdown.clone(),
        ),
        projected,
        consent_gate: Together::new("consents", lookups),
        warm_lists: Arc::default(),
        searched: KeptFound::new(ANSWERS_KEPT),
        reads: reads.clone(),
        rankings,
        audit_searches: agora_read_api::security_audit::connections(&reads),
        primary: primary.clone(),
    };
    // NATS is no condition: without it, reads that wait are a little slower.
    let restored = primary.clone();
    let health = Health::new()
        .check("restore", move || restores::ready(restored.clone()))
        .check("log", move || postgres::ready(primary.clone()))
        .check("read tables", move || postgres::ready(reads.clone()));
    let app = Arc::new(app);
    tokio::spawn(live::run(Arc::clone(&app)));
    let forgetting = Arc::clone(&app);
    tokio::spawn(async move {
        loop {
            tokio::time::sleep(ANSWERS_KEPT).await;
            forgetting.searched.forget_old().await;
        }
    });
    let told = args.security_audit.security_audit;
    let front = front::start(&app, &args.http).auditing(told.then(|| security_audit.door()));
    let routes = http::router(app).merge(health.routes(metrics));
    agora_service::http::serve(front, routes, args.addr, shutdown).await?;
    security_audit.flush().await;
    // Whoever searched last has been answered already.
    searches.flush().await;
    Ok(())
}

fn openapi() -> Result<(), Failure> {
    let description = http::description().to_pretty_json()?;
    #[expect(clippy::print_stdout, reason = "the description is what was asked for")]
    {
        println!("{description}");
    }
    Ok(())
}
