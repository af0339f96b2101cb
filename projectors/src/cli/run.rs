//! `projectors run`

use std::{net::SocketAddr, process::ExitCode};

use agora_projectors::{
    databases::Databases,
    runner::{Phase, Runner},
    search_rewrites,
};
use agora_service::{
    config::{HttpArgs, NatsArgs},
    health::Health,
    http::{self, Front},
    nats, shutdown, telemetry,
};

use super::Failure;

#[derive(clap::Args)]
pub(super) struct Run {
    #[command(flatten)]
    nats: NatsArgs,
    #[command(flatten)]
    http: HttpArgs,
    /// Where to answer /healthz, /readyz and /metrics
    #[arg(long, env = "AGORA_PROJECTORS_ADDR", default_value = "127.0.0.1:8082")]
    addr: SocketAddr,
}

impl Run {
    pub(super) async fn execute(self, databases: Databases) -> Result<ExitCode, Failure> {
        let metrics = telemetry::init("projectors")?;
        let stop = shutdown::on_signal()?;
        let client = nats::connect(&self.nats, "agora-projectors").await?;
        tokio::spawn(search_rewrites::run(databases.clone(), stop.clone()));
        let runner = Runner::new(databases, client, self.nats);
        let phase = runner.phase();
        let health = Health::new().check("projections", move || {
            let phase = *phase.borrow();
            async move { ready(phase) }
        });
        let routes = health.routes(metrics);
        let serving = http::serve(Front::new(&self.http), routes, self.addr, stop.clone());
        let ((), served) = tokio::join!(runner.run(&stop), async {
            let served = serving.await;
            // Without its address it is of no use: whoever started it must see that.
            stop.cancel();
            served
        });
        served?;
        Ok(ExitCode::SUCCESS)
    }
}

/// A stopped projection does not make the process unready: a restart would not mend it. The metric
/// `agora_projector_stopped` and the status tell.
fn ready(phase: Phase) -> Result<(), String> {
    match phase {
        Phase::Connecting => Err("waiting for Postgres".to_owned()),
        Phase::Standby | Phase::Leading { .. } => Ok(()),
    }
}
