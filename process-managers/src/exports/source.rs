//! Where the data of each kind of export comes from, and how its file comes to be.

use std::time::Duration;

use agora_command_api::App;
use agora_domain::exports::{
    export_job::{ExportContent, Job},
    export_values::{PlatformFormat, ReportFormat, SubjectFormat},
};
use agora_event_store::{Opener, Position, read::from_db};
use agora_service::objects::{Objects, Upload};
use chrono::{DateTime, Utc};
use sqlx::{
    Connection, PgConnection, Transaction,
    postgres::{PgConnectOptions, Postgres},
};

use tokio_util::sync::CancellationToken;

use super::{
    document::{Document, PdfRows, ReportState},
    formats::{Format, Written},
    names, platform_data, statutory_report, stream,
    subject_data::{self, Snapshot, SubjectExport},
    trouble::{DATA_UNAVAILABLE, Trouble},
    withheld::{self, Withheld},
};

/// How long the read tables may need to show what there was when an export was asked for.
const PATIENCE: Duration = Duration::from_secs(20);
const LOOK_AGAIN: Duration = Duration::from_millis(100);

/// One attempt at a job.
pub struct Attempt<'a> {
    pub app: &'a App,
    pub objects: &'a Objects,
    pub opener: &'a Opener,
    pub job: &'a Job,
    /// Where its request stands in the log: the file shows at least so much.
    pub wanted: Position,
    /// When the job was begun, as the log says.
    pub generated_at: DateTime<Utc>,
    /// Each attempt has a file of its own, so that no two workers ever write the same one.
    pub number: u32,
}

/// A file that waits for its last step.
pub struct Made {
    pub upload: Upload,
    pub file_name: String,
    pub written: Written,
    pub position: Position,
    pub schema_version: Option<String>,
    pub is_draft: Option<bool>,
}

impl Attempt<'_> {
    /// Makes the file, whatever it is of.
    pub async fn make(&self) -> Result<Made, Trouble> {
        match &self.job.content {
            ExportContent::StatutoryReport(wanted) => {
                let (app, job) = (self.app, self.job);
                let report = statutory_report::load(app, job, wanted, self.generated_at).await?;
                let (format, document) = (report_format(wanted.format), report.document.clone());
                let give = async |rows: &mut stream::Rows| report.give(rows).await;
                self.table_file(format, &document, "bufdir-report", give).await
            }
            ExportContent::PlatformData { export_type, format } => {
                let export = platform_data::of(*export_type);
                let mut connection = self.connect().await?;
                let tables = [export.tables, withheld::TABLES].concat();
                let (position, mut snapshot) = self.snapshot(&mut connection, &tables).await?;
                let withheld = Withheld::at(&mut snapshot, position, self.generated_at).await?;
                let document = self.document(format!("Public {}", export.name), position);
                let (format, what) = (platform_format(*format), format!("agora-{}", export.name));
                let opener = self.opener;
                let give = async |rows: &mut stream::Rows| {
                    export.give(&mut snapshot, opener, &withheld, rows).await
                };
                self.table_file(format, &document, &what, give).await
            }
            ExportContent::SubjectData(_) => self.bundle().await,
        }
    }

    /// Everything that is stored about a person.
    async fn bundle(&self) -> Result<Made, Trouble> {
        let (app, objects, opener) = (self.app.clone(), self.objects.clone(), self.opener.clone());
        let (job, wanted) = (self.job.clone(), self.wanted);
        let (generated_at, number) = (self.generated_at, self.number);
        // On a thread of its own: packing is work, and leases are renewed meanwhile. Whoever gives the
        // attempt up ends it there, too.
        let given_up = CancellationToken::new();
        let _guard = given_up.clone().drop_guard();
        let runtime = tokio::runtime::Handle::current();
        let making = tokio::task::spawn_blocking(move || {
            let (app, objects, opener, job) = (&app, &objects, &opener, &job);
            let attempt = Attempt { app, objects, opener, job, wanted, generated_at, number };
            runtime.block_on(given_up.run_until_cancelled(attempt.make_bundle()))
        });
        match making.await {
            Ok(Some(made)) => made,
            Ok(None) => Err(Trouble::Lost),
            Err(error) => {
                tracing::error!(%error, "the making of a bundle has panicked");
                let code = super::trouble::GENERATION_FAILED;
                Err(Trouble::Never { code, message: super::trouble::said(code) })
            }
        }
    }

    async fn make_bundle(&self) -> Result<Made, Trouble> {
        let Some(wanted) = self.job.content.subject_data() else { return Err(Trouble::Lost) };
        let mut connection = self.connect().await?;
        let tables = subject_data::tables();
        let (position, transaction) = self.snapshot(&mut connection, &tables).await?;
        let mut snapshot = Snapshot { transaction, position };
        let document = Document {
            schema_version: Some(subject_data::SCHEMA_VERSION.to_owned()),
            // All of it is in the other files.
            pdf_rows: PdfRows::First(subject_data::PDF_ROWS),
            ..self.document("What is stored about you".to_owned(), position)
        };
        let export = SubjectExport {
            subject: wanted.subject,
            categories: wanted.data_categories.clone(),
            has_xml: wanted.format == SubjectFormat::Xml,
        };
        let file_name = self.file_name(&document, "agora-subject-data", "zip");
        let mut upload = self.upload(&file_name)?;
        let summary =
            subject_data::write(&mut snapshot, self.opener, &export, &document, &mut upload).await;
        match summary {
            Ok(written) => Ok(Made {
                upload,
                file_name,
                written,
                position,
                schema_version: document.schema_version,
                is_draft: None,
            }),
            Err(error) => {
                upload.abort().await;
                Err(error.into())
            }
        }
    }

    /// A file of one document.
    async fn table_file(
        &self,
        format: Format,
        document: &Document,
        what: &str,
        give: impl AsyncFnOnce(&mut stream::Rows) -> Result<(), Trouble>,
    ) -> Result<Made, Trouble> {
        let file_name = self.file_name(document, what, format.extension());
        let upload = self.upload(&file_name)?;
        let (written, upload) = stream::write(format, document, upload, give).await?;
        Ok(Made {
            upload,
            file_name,
            written,
            position: document.position,
            schema_version: document.schema_version.clone(),
            is_draft: document.state.map(|state| state == ReportState::Draft),
        })
    }

    fn file_name(&self, document: &Document, what: &str, extension: &str) -> String {
        names::file_name(document, what, self.number, extension)
    }

    fn upload(&self, file_name: &str) -> Result<Upload, Trouble> {
        Ok(self.objects.upload(&format!("{}/{file_name}", super::folder(self.job)))?)
    }

    fn document(&self, title: String, position: Position) -> Document {
        Document {
            kind: self.job.content.kind().as_str(),
            title,
            job_id: self.job.job_id.0,
            organization: None,
            period: None,
            state: None,
            schema_version: None,
            generated_at: self.generated_at,
            position,
            pdf_rows: PdfRows::All,
        }
    }

    /// A connection of its own: an export may read for long, and others must not wait for it.
    async fn connect(&self) -> Result<PgConnection, Trouble> {
        let options = PgConnectOptions::clone(&self.app.log.pool().connect_options());
        Ok(PgConnection::connect_with(&options).await?)
    }

    /// One state of the read tables, and the position of the log that it reflects.
    async fn snapshot<'c>(
        &self,
        connection: &'c mut PgConnection,
        tables: &[&'static str],
    ) -> Result<(Position, Transaction<'c, Postgres>), Trouble> {
        let deadline = tokio::time::Instant::now() + PATIENCE;
        while self.reached(connection, tables).await? < self.wanted {
            if tokio::time::Instant::now() >= deadline {
                let message = "the read tables are behind".to_owned();
                return Err(Trouble::Later { code: DATA_UNAVAILABLE, message });
            }
            tokio::time::sleep(LOOK_AGAIN).await;
        }
        let mut snapshot = connection.begin().await?;
        sqlx::query("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
            .execute(&mut *snapshot)
            .await?;
        // Before the snapshot is taken: one that is older than a rebuild's swap would see no rows.
        let names: Vec<String> = tables.iter().map(|table| format!("read.{table}")).collect();
        let lock = format!("LOCK TABLE {} IN ACCESS SHARE MODE", names.join(", "));
        sqlx::query(&lock).execute(&mut *snapshot).await?;
        let position = self.reached(&mut snapshot, tables).await?;
        Ok((position, snapshot))
    }

    async fn reached(
        &self,
        connection: &mut PgConnection,
        tables: &[&str],
    ) -> Result<Position, sqlx::Error> {
        let reached: Option<i64> = sqlx::query_scalar(
            "SELECT min(coalesce(read.served_position(t.projection), 0))
             FROM read.projection_tables t WHERE t.table_name = ANY ($1)",
        )
        .bind(tables)
        .fetch_one(connection)
        .await?;
        Ok(from_db(reached.unwrap_or(0)))
    }
}

const fn report_format(format: ReportFormat) -> Format {
    match format {
        ReportFormat::Pdf => Format::Pdf,
        ReportFormat::Csv => Format::Csv,
        ReportFormat::Xlsx => Format::Xlsx,
        ReportFormat::Json => Format::Json,
        ReportFormat::Xml => Format::Xml,
    }
}

const fn platform_format(format: PlatformFormat) -> Format {
    match format {
        PlatformFormat::Json => Format::Json,
        PlatformFormat::Csv => Format::Csv,
    }
}
