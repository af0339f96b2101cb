//! Where the data of each kind of export comes from, and how its file comes to be.

use std::time::Duration;

use agora_command_api::App;
use agora_domain::exports::{
    export_job::{ExportContent, Job, SubjectData},
    export_values::{PlatformFormat, ReportFormat, SubjectFormat},
};
use agora_event_store::{Opener, Position};
use agora_service::objects::{Objects, Upload};
use chrono::{DateTime, Utc};
use sqlx::{Connection, PgConnection, postgres::PgConnectOptions};

use super::{
    document::{Document, PdfRows, ReportState},
    formats::{Format, Written},
    names, platform_data, snapshot, statutory_report, stream,
    subject_data::{self, Snapshot, SubjectExport},
    trouble::Trouble,
};

/// How long the read tables may need to show what there was when an export was asked for.
const PATIENCE: Duration = Duration::from_secs(20);
/// Rows of each table that the PDF of a bundle shows: the files beside it have all of them.
const BUNDLE_PDF_ROWS: usize = 500;

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
                let (position, mut snapshot) =
                    snapshot::begin(&mut connection, export.tables, self.wanted, PATIENCE).await?;
                let document = self.document(format!("Public {}", export.name), position);
                let (format, what) = (platform_format(*format), format!("agora-{}", export.name));
                let opener = self.opener;
                let give = async |rows: &mut stream::Rows| {
                    export.give(&mut snapshot, opener, rows).await
                };
                self.table_file(format, &document, &what, give).await
            }
            ExportContent::SubjectData(wanted) => self.bundle(wanted).await,
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

    /// Everything about a person, in an archive.
    async fn bundle(&self, wanted: &SubjectData) -> Result<Made, Trouble> {
        let mut connection = self.connect().await?;
        let mut snapshot = Snapshot::begin(&mut connection, self.wanted, PATIENCE).await?;
        let export = SubjectExport {
            subject: wanted.subject,
            categories: wanted.data_categories.clone(),
            has_xml: wanted.format == SubjectFormat::Xml,
        };
        let document = Document {
            schema_version: Some(subject_data::SCHEMA_VERSION.to_owned()),
            pdf_rows: PdfRows::First(BUNDLE_PDF_ROWS),
            ..self.document("What is stored about you".to_owned(), snapshot.position)
        };
        let file_name = self.file_name(&document, "personal-data", "zip");
        let mut upload = self.upload(&file_name)?;
        let written =
            subject_data::write(&mut snapshot, self.opener, &export, &document, &mut upload).await;
        let summary = match written {
            Ok(summary) => summary,
            Err(error) => {
                upload.abort().await;
                return Err(error.into());
            }
        };
        let subject_data::Summary { rows, pages, position, data_sha256 } = summary;
        Ok(Made {
            upload,
            file_name,
            written: Written { rows, pages: Some(pages), data_sha256 },
            position,
            schema_version: document.schema_version,
            is_draft: None,
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
