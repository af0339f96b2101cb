//! What exports are asked for, and who makes them.

use std::{collections::HashMap, path::PathBuf, time::Duration};

use agora_command_api::{App, Settings};
use agora_domain::{
    Actor, Decide,
    exports::{
        bufdir_report::{BufdirReport, BufdirReportEvent, ReportDocument},
        export_job::{
            ExportContent, ExportJob, ExportJobCommand, ExportJobEvent, Job, KnownReport,
            RequestExport, StatutoryReport,
        },
        export_values::{ExportSource, PlatformExportType, PlatformFormat, ReportFormat},
        organization::{Organization, OrganizationEvent},
        report_content::{Measure, MeasureValue, ReportDay, Section},
    },
    ids::{AdminId, BufdirReportId, ExportJobId, OrganizationId},
};
use agora_event_store::{security::SecurityLog, testing::eventually};
use agora_process_managers::{
    exports::worker::{Worker, WorkerArgs},
    processes::exports::LookAfterExports,
    runner,
};
use agora_service::{clock, objects::Objects};
use cqrs_es::EventStore;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

pub(super) use crate::world::World;

pub(super) const ADMIN: Actor = Actor::admin(AdminId(Uuid::from_u128(9)));

/// An organization with a report.
pub(super) struct Reporting {
    pub organization_id: OrganizationId,
    pub report_id: BufdirReportId,
}

impl World {
    pub(super) fn folder(&self) -> PathBuf {
        let folder = self.home.join("objects");
        std::fs::create_dir_all(&folder).unwrap();
        folder
    }

    pub(super) fn objects(&self) -> Objects {
        Objects::in_folder(self.folder())
    }

    /// Puts events on a stream, as they are.
    pub(super) async fn append<A: Decide>(&self, id: impl ToString, events: Vec<A::Event>) {
        let store = self.app.log.store::<A>();
        let context = store.load_aggregate(&id.to_string()).await.unwrap();
        store.commit(events, context, HashMap::new()).await.unwrap();
    }

    pub(super) async fn reporting(&self) -> Reporting {
        let organization_id = OrganizationId(Uuid::new_v4());
        let report_id = BufdirReportId(Uuid::new_v4());
        let name = "Blåfjell familiehjelp".parse().unwrap();
        let created =
            OrganizationEvent::OrganizationCreated { organization_id, name, created_by: ADMIN };
        self.append::<Organization>(organization_id, vec![created]).await;
        let reporting = Reporting { organization_id, report_id };
        let report = reporting.document("12.5");
        let created = BufdirReportEvent::BufdirReportCreated { report, created_by: ADMIN };
        self.append::<BufdirReport>(report_id, vec![created]).await;
        reporting
    }

    /// Asks for a file of the report as it stands.
    pub(super) async fn ask_for(&self, of: &Reporting, format: ReportFormat) -> ExportJobId {
        let report = self.app.log.load_fresh::<BufdirReport>(&of.report_id.to_string()).await;
        let report = report.unwrap();
        let content = ExportContent::StatutoryReport(StatutoryReport {
            report_id: of.report_id,
            report_sequence: report.sequence,
            organization_id: of.organization_id,
            source: ExportSource::AdminPortal,
            format,
            report_period_label: "2025-Q1".parse().unwrap(),
            mobile_os: None,
        });
        self.ask(content, Some(KnownReport { organization_id: of.organization_id })).await
    }

    pub(super) async fn ask_for_communities(&self, format: PlatformFormat) -> ExportJobId {
        self.ask_for_public(PlatformExportType::Communities, format).await
    }

    pub(super) async fn ask_for_public(
        &self,
        export_type: PlatformExportType,
        format: PlatformFormat,
    ) -> ExportJobId {
        self.ask(ExportContent::PlatformData { export_type, format }, None).await
    }

    async fn ask(&self, content: ExportContent, report: Option<KnownReport>) -> ExportJobId {
        let job_id = ExportJobId(clock::new_id());
        let request = RequestExport {
            job_id,
            content,
            report,
            requested_by: Some(ADMIN),
            triggered_at: clock::now(),
            rate_limited_until: None,
        };
        let events = ExportJob::default().decide(ExportJobCommand::Request(request)).unwrap();
        self.append::<ExportJob>(job_id, events).await;
        job_id
    }

    pub(super) async fn job(&self, job_id: ExportJobId) -> Job {
        let export = self.app.log.load_fresh::<ExportJob>(&job_id.to_string()).await.unwrap();
        export.state.get().unwrap().clone()
    }

    /// What happened to a job, in order.
    pub(super) async fn story(&self, job_id: ExportJobId) -> Vec<String> {
        sqlx::query_scalar("SELECT event_type FROM log.stream('export_job', $1) ORDER BY sequence")
            .bind(job_id.to_string())
            .fetch_all(&self.database.pool)
            .await
            .unwrap()
    }

    pub(super) async fn events(&self, job_id: ExportJobId) -> Vec<ExportJobEvent> {
        let store = self.app.log.store::<ExportJob>();
        let events = store.load_events(&job_id.to_string()).await.unwrap();
        events.into_iter().map(|event| event.payload).collect()
    }

    /// The names of a job's files.
    pub(super) async fn files(&self, job_id: ExportJobId) -> Vec<String> {
        let folder = agora_process_managers::exports::folder(&self.job(job_id).await);
        let Ok(entries) = std::fs::read_dir(self.folder().join(folder)) else { return Vec::new() };
        let names = entries.map(|it| it.unwrap().file_name().into_string().unwrap());
        let mut names: Vec<String> = names.collect();
        names.sort();
        names
    }

    pub(super) async fn queued(&self) -> i64 {
        sqlx::query_scalar("SELECT count(*) FROM process.export_jobs")
            .fetch_one(&self.database.pool)
            .await
            .unwrap()
    }

    /// The process and so many workers, each with a view of the log of its own.
    pub(super) async fn make_exports(
        &self,
        workers: usize,
        objects: &Objects,
        arguments: &WorkerArgs,
    ) -> Making {
        let stop = CancellationToken::new();
        let mut tasks = JoinSet::new();
        let process = LookAfterExports { objects: objects.clone() };
        tasks.spawn(runner::run(process, self.app.clone(), stop.clone()));
        for _ in 0..workers {
            let log = self.database.log().await;
            let security = SecurityLog::start(log.pool().clone(), self.database.vault(), None);
            let app = App::new(log, security, Settings::default());
            let worker = Worker::new(app, objects.clone(), arguments.clone());
            tasks.spawn(worker.run(stop.clone()));
        }
        Making { stop, tasks }
    }

    pub(super) async fn until_ended(&self, job_id: ExportJobId) -> Job {
        eventually("the export ends", || async { self.job(job_id).await.status.is_terminal() })
            .await;
        eventually("its row goes", || async { self.queued().await == 0 }).await;
        self.job(job_id).await
    }

    /// Communities as the projectors would show them, up to the head of the log.
    pub(super) async fn show_communities(&self, count: i64) {
        sqlx::query(
            "INSERT INTO read.communities (id, owner_id, category_id, name, description, created_at,
                                           updated_at, deleted_at, member_count, sequence)
             SELECT gen_random_uuid(), gen_random_uuid(), gen_random_uuid(), 'community-' || n,
                    'Hva vi på Ål gjør, nummer ' || n, '2026-01-01', '2026-01-02',
                    CASE WHEN n % 10 = 0 THEN '2026-01-03'::timestamptz END, n, 1
             FROM generate_series(1, $1) n",
        )
        .bind(count)
        .execute(&self.database.pool)
        .await
        .unwrap();
        sqlx::query(
            "INSERT INTO read.checkpoints (projection, version, position, state)
             SELECT unnest(ARRAY['communities', 'consents', 'processing_limits']), 1, 1000000,
                    'catching_up'
             ON CONFLICT (projection) DO UPDATE SET position = 1000000, state = 'catching_up'",
        )
        .execute(&self.database.pool)
        .await
        .unwrap();
    }
}

impl Reporting {
    pub(super) fn document(&self, value: &str) -> ReportDocument {
        let measure = Measure {
            key: "families".parse().unwrap(),
            label: "Familier på Ål".parse().unwrap(),
            value: MeasureValue::parse(value).unwrap(),
            unit: Some("families".parse().unwrap()),
            note: None,
        };
        let section = Section {
            key: "help".parse().unwrap(),
            title: "Hjelpetiltak".parse().unwrap(),
            measures: vec![measure],
        };
        ReportDocument {
            report_id: self.report_id,
            organization_id: self.organization_id,
            period_label: "2025-Q1".parse().unwrap(),
            period_from: "2025-01-01".parse::<ReportDay>().unwrap(),
            period_to: "2025-03-31".parse::<ReportDay>().unwrap(),
            schema_version: "bufdir-2025.1".parse().unwrap(),
            sections: vec![section],
        }
    }
}

/// Workers that run until they are stopped.
pub(super) struct Making {
    stop: CancellationToken,
    tasks: JoinSet<()>,
}

impl Making {
    pub(super) async fn stop(mut self) {
        self.stop.cancel();
        while let Some(task) = self.tasks.join_next().await {
            task.unwrap();
        }
    }

    /// As a kill does: nothing is ended in order.
    pub(super) async fn abort(mut self) {
        self.tasks.shutdown().await;
    }
}

/// Workers that wait for nothing.
pub(super) fn hasty() -> WorkerArgs {
    WorkerArgs { export_retry_seconds: 0, export_lease_seconds: 2, ..WorkerArgs::default() }
}

pub(super) async fn pause() {
    tokio::time::sleep(Duration::from_millis(50)).await;
}
