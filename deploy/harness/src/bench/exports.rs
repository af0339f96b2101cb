//! How fast files are made of a million rows beside COPY of the same, and a PDF of 500 pages.

use std::{fs, path::PathBuf, slice, time::Instant};

use agora_domain::{Actor, ActorKind, exports::export_values::DataCategory};
use agora_event_store::{Opener, Vault};
use agora_process_managers::exports::{
    document::{Cell, Column, ColumnKind, Document, PdfRows, Table},
    formats::{Format, Writer},
    platform_data::PlatformExport,
    stream,
    subject_data::{self, Snapshot, SubjectExport},
    withheld::Withheld,
};
use agora_service::objects::Objects;
use futures::TryStreamExt;
use sqlx::{Executor, PgConnection, PgPool};
use uuid::Uuid;

use super::{
    Failure,
    report::{Report, median},
};
use crate::scene;

/// Of COPY and each format, one after the other.
const ROUNDS: usize = 3;
/// As many as a PDF of 500 pages shows, and some more.
const PDF_ROWS: usize = 21_500;

/// Rows like those of public data, in a table that nothing else uses.
const MAKE: &str = "
    DROP TABLE IF EXISTS bench_exports;
    CREATE UNLOGGED TABLE bench_exports AS
    SELECT gen_random_uuid() AS id, 'community-' || n AS name,
           'Hva vi på Ål gjør, nummer ' || n AS description, gen_random_uuid() AS category_id,
           gen_random_uuid() AS owner_id, n::bigint AS member_count,
           '2026-01-01'::timestamptz + n * interval '1 second' AS created_at
    FROM generate_series(1, ROWS) n;
    ANALYZE bench_exports";

static EXPORT: PlatformExport = PlatformExport {
    name: "communities",
    title: "Communities",
    tables: &[],
    columns: &[
        Column::new("id", "Id", ColumnKind::Text, 1),
        Column::new("name", "Name", ColumnKind::Text, 1),
        Column::new("description", "Description", ColumnKind::Text, 1),
        Column::new("category_id", "Category", ColumnKind::Text, 1),
        Column::new("owner_id", "Owner", ColumnKind::Text, 1),
        Column::new("member_count", "Members", ColumnKind::Integer, 1),
        Column::new("created_at", "Created", ColumnKind::Time, 1),
    ],
    whose: "owner_id",
    statement: "SELECT id, name, description, category_id, owner_id, member_count, created_at
                FROM bench_exports",
    sealed: None,
};

/// Adds its rows to the report.
pub(super) async fn all(
    pool: &PgPool,
    vault: Vault,
    quick: bool,
    report: &mut Report,
) -> Result<(), Failure> {
    let rows = if quick { 100_000 } else { 1_000_000 };
    pool.execute(MAKE.replace("ROWS", &rows.to_string()).as_str()).await?;
    let folder = Folder(std::env::temp_dir().join(format!("agora-bench-{}", scene::run_suffix())));
    fs::create_dir(&folder.0)?;
    let objects = Objects::in_folder(folder.0.clone());
    let opener = Opener::new(vault);
    let formats = [(Format::Json, "JSON"), (Format::Csv, "CSV")];
    let (mut rounds, mut peaks) = ([Vec::new(), Vec::new()], [0.0_f64; 2]);
    // What is read for the first time counts for nobody.
    copy(pool, rows).await?;
    for _ in 0..ROUNDS {
        let copied = copy(pool, rows).await?;
        for (index, (format, _)) in formats.iter().enumerate() {
            let (rate, peak_mb) = export(pool, &objects, &opener, *format, rows).await?;
            rounds[index].push([rate, copied]);
            peaks[index] = peaks[index].max(peak_mb);
        }
    }
    let copied = median(rounds[0].iter().map(|[_, copied]| *copied));
    report.line(&format!("`COPY` of {rows} rows to stdout"), per_second(copied), "—", None);
    for ((rounds, peak_mb), (_, name)) in rounds.iter().zip(peaks).zip(formats) {
        report.ratios(&format!("the same rows as {name}"), rounds, "COPY", 0.3);
        memory(&format!("… memory of this process at most, {name}"), peak_mb, report);
    }
    pool.execute("DROP TABLE bench_exports").await?;
    subject(pool, &objects, &opener, rows, report).await?;
    let (pages, seconds, peak_mb) = pdf()?;
    report.line(
        &format!("a PDF of {pages} pages"),
        format!("{seconds:.1} s, {peak_mb:.0} MB"),
        "500 pages in ≤ 20 s and ≤ 400 MB",
        Some(pages >= 500 && seconds <= 20.0 && peak_mb <= 400.0),
    );
    Ok(())
}

fn per_second(rate: f64) -> String {
    super::peers::per_second(rate)
}

fn memory(what: &str, peak_mb: f64, report: &mut Report) {
    report.line(what, format!("{peak_mb:.0} MB"), "≤ 150 MB", Some(peak_mb <= 150.0));
}

/// Rows a second.
async fn copy(pool: &PgPool, rows: u64) -> Result<f64, Failure> {
    copy_of(&mut *pool.acquire().await?, &["bench_exports".to_owned()], rows).await
}

/// Rows a second from the table to the file, and the most memory meanwhile.
async fn export(
    pool: &PgPool,
    objects: &Objects,
    opener: &Opener,
    format: Format,
    rows: u64,
) -> Result<(f64, f64), Failure> {
    let document = document("Communities");
    forget_peak();
    let begun = Instant::now();
    let upload = objects.upload(&format!("bench/rows.{}", format.extension()))?;
    let mut connection = pool.acquire().await?;
    let nobody = Withheld::default();
    let give =
        async |out: &mut stream::Rows| EXPORT.give(&mut connection, opener, &nobody, out).await;
    let (written, upload) = stream::write(format, &document, upload, give).await?;
    upload.finish().await?;
    let seconds = begun.elapsed().as_secs_f64();
    if written.rows != rows {
        return Err(format!("{} of {rows} rows were written", written.rows).into());
    }
    Ok((rows as f64 / seconds, peak_mb()))
}

/// What a person's data of so many rows costs: votes that nobody cast, gone with their transaction.
async fn subject(
    pool: &PgPool,
    objects: &Objects,
    opener: &Opener,
    rows: u64,
    report: &mut Report,
) -> Result<(), Failure> {
    let subject = Actor { kind: ActorKind::Member, id: Uuid::from_u128(1) };
    let mut transaction = pool.begin_with("BEGIN ISOLATION LEVEL REPEATABLE READ").await?;
    sqlx::query(
        "INSERT INTO read.post_votes
         SELECT gen_random_uuid(), gen_random_uuid(), $1, NULL, 'upvote', now(), now()
         FROM generate_series(1, $2)",
    )
    .bind(subject.id)
    .bind(i64::try_from(rows)?)
    .execute(&mut *transaction)
    .await?;
    let export = SubjectExport { subject, categories: vec![DataCategory::Votes], has_xml: false };
    let votes = format!(
        "(SELECT id, community_platform_post_id, vote_state, created_at, updated_at
          FROM read.post_votes WHERE voter_memberuser_id = '{}')",
        subject.id
    );
    let statements = export.statements().map(|statement| {
        let kind = format!("'{}'", subject.kind.as_str());
        let id = format!("'{}'::uuid", subject.id);
        format!("({})", statement.replace("$1", &kind).replace("$2", &id).replace("$3", "0"))
    });
    let statements: Vec<String> = statements.collect();
    let pdf_rows = PdfRows::First(subject_data::PDF_ROWS);
    let document = Document { kind: "subject_data", pdf_rows, ..document("Personal data") };
    let mut snapshot = Snapshot { transaction, position: 0 };
    let (mut of_votes, mut of_same, mut peak) = (Vec::new(), Vec::new(), 0.0_f64);
    copy_of(&mut snapshot.transaction, &statements, rows).await?;
    for _ in 0..ROUNDS {
        let plain = copy_of(&mut snapshot.transaction, slice::from_ref(&votes), rows).await?;
        let same = copy_of(&mut snapshot.transaction, &statements, rows).await?;
        let mut upload = objects.upload("bench/subject.zip")?;
        forget_peak();
        let begun = Instant::now();
        let written =
            subject_data::write(&mut snapshot, opener, &export, &document, &mut upload).await?;
        upload.finish().await?;
        let seconds = begun.elapsed().as_secs_f64();
        if written.rows != rows {
            return Err(format!("{} of {rows} rows were written", written.rows).into());
        }
        peak = peak.max(peak_mb());
        // Each is in two files, JSON and CSV.
        let rate = 2.0 * rows as f64 / seconds;
        of_votes.push([rate, plain]);
        of_same.push([rate, same]);
    }
    snapshot.transaction.rollback().await?;
    let what = format!("one person's {rows} votes as a bundle, with JSON and CSV in it");
    report.ratios(&what, &of_votes, "COPY of the votes alone", 0.3);
    let what = "… beside the statements that the bundle asks";
    report.ratios(what, &of_same, "COPY by the same statements", 0.3);
    memory("… memory of this process at most, a bundle", peak, report);
    Ok(())
}

/// Rows a second, where the statements together give so many.
async fn copy_of(
    connection: &mut PgConnection,
    what: &[String],
    rows: u64,
) -> Result<f64, Failure> {
    let begun = Instant::now();
    for what in what {
        let copy = format!("COPY {what} TO STDOUT");
        let mut out = connection.copy_out_raw(&copy).await?;
        while out.try_next().await?.is_some() {}
    }
    Ok(rows as f64 / begun.elapsed().as_secs_f64())
}

/// Pages, seconds, and the most memory meanwhile.
fn pdf() -> Result<(u32, f64, f64), Failure> {
    let document = document("Quarterly activity report");
    forget_peak();
    let begun = Instant::now();
    let mut writer = Writer::start(Format::Pdf, &document, Vec::new())?;
    let columns = vec![
        Column::new("key", "Key", ColumnKind::Text, 4),
        Column::new("label", "Measure", ColumnKind::Text, 6),
        Column::new("value", "Value", ColumnKind::Decimal, 3),
        Column::new("unit", "Unit", ColumnKind::Text, 2),
        Column::new("note", "Note", ColumnKind::Text, 5),
    ];
    writer.table(&Table { name: "measures".into(), title: "Measures".into(), columns })?;
    for number in 0..PDF_ROWS {
        writer.row(&[
            Cell::text(format!("measure_{number}")),
            Cell::text("Barn og unge som har fått hjelp"),
            Cell::Decimal(format!("{number}.25")),
            Cell::text("barn"),
            Cell::text("Uten merknad i år"),
        ])?;
    }
    let (written, _) = writer.finish()?;
    Ok((written.pages.unwrap_or(0), begun.elapsed().as_secs_f64(), peak_mb()))
}

fn document(title: &str) -> Document {
    Document {
        kind: "platform_data",
        title: title.to_owned(),
        job_id: Uuid::nil(),
        organization: None,
        period: None,
        state: None,
        schema_version: None,
        generated_at: chrono::DateTime::UNIX_EPOCH,
        position: 0,
        pdf_rows: PdfRows::All,
    }
}

/// What the process holds now is its most from here on.
fn forget_peak() {
    // Where the kernel does not do so, the peak is of the whole run: too much, never too little.
    let _ = fs::write("/proc/self/clear_refs", "5");
}

fn peak_mb() -> f64 {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap_or_default();
    line.trim().trim_end_matches(" kB").parse::<f64>().unwrap_or(f64::INFINITY) / 1_024.0
}

struct Folder(PathBuf);

impl Drop for Folder {
    fn drop(&mut self) {
        // What cannot be removed is temporary all the same.
        let _ = fs::remove_dir_all(&self.0);
    }
}
