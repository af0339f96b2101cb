mod pdf_a;

use std::{
    io::{Cursor, Read},
    process::{Command, Stdio},
};

use chrono::{DateTime, NaiveDate};
use proptest::prelude::*;
use serde_json::Value;
use sha2::{Digest, Sha256};
use uuid::Uuid;

use super::*;
use crate::exports::document::{Column, ColumnKind, PdfRows, Period, ReportState};

fn document() -> Document {
    Document {
        kind: "statutory_report",
        title: "Quarterly activity report".into(),
        job_id: Uuid::from_u128(7),
        organization: Some("Blåfjell barnevern & familiehjelp".into()),
        period: Some(Period {
            label: "2025-Q1".into(),
            from: NaiveDate::from_ymd_opt(2025, 1, 1).unwrap(),
            to: NaiveDate::from_ymd_opt(2025, 3, 31).unwrap(),
        }),
        state: Some(ReportState::Draft),
        schema_version: Some("bufdir-2025.1".into()),
        generated_at: DateTime::from_timestamp(1_760_000_000, 123_456_000).unwrap(),
        position: 4_711,
        pdf_rows: PdfRows::All,
    }
}

fn section(name: &str, title: &str) -> Table {
    Table {
        name: name.into(),
        title: title.into(),
        columns: vec![
            Column::new("key", "Key", ColumnKind::Text, 3),
            Column::new("label", "Measure", ColumnKind::Text, 6),
            Column::new("value", "Value", ColumnKind::Decimal, 3),
            Column::new("unit", "Unit", ColumnKind::Text, 2),
            Column::new("note", "Note", ColumnKind::Text, 6),
        ],
    }
}

/// Two sections, with what each format has to take care of.
fn rows() -> Vec<(Table, Vec<Vec<Cell>>)> {
    let row = |key: &str, label: &str, value: &str, note: Option<&str>| {
        vec![
            Cell::text(key),
            Cell::text(label),
            Cell::Decimal(value.into()),
            Cell::text("barn"),
            Cell::optional(note),
        ]
    };
    let first = vec![
        row(
            "families",
            "Familier på Ål med <hjelp> & \"råd\"",
            "-12.50",
            Some("=HYPERLINK(\"x\")"),
        ),
        row("children", "Barn, unge\r\nog foreldre", "120000000000000000001", None),
    ];
    let second = vec![row("staff", "Årsverk", "7.5", Some("@SUM(1)\u{1}"))];
    vec![(section("families", "Familier"), first), (section("staff", "Ansatte / årsverk"), second)]
}

fn written(
    format: Format,
    document: &Document,
    rows: &[(Table, Vec<Vec<Cell>>)],
) -> (Written, Vec<u8>) {
    let mut writer = Writer::start(format, document, Vec::new()).unwrap();
    for (table, rows) in rows {
        writer.table(table).unwrap();
        for row in rows {
            writer.row(row).unwrap();
        }
    }
    let (written, bytes) = writer.finish().unwrap();
    if let Ok(folder) = std::env::var("AGORA_TEST_SAMPLES") {
        let name = format!("{}-{}.{}", document.kind, written.rows, format.extension());
        std::fs::write(std::path::Path::new(&folder).join(name), &bytes).unwrap();
    }
    (written, bytes)
}

/// What a program says of bytes on its standard input; `deploy/test` installs it.
fn run(program: &str, arguments: &[&str], input: &[u8]) -> String {
    let mut child = Command::new(program)
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap_or_else(|error| panic!("{program}: {error}"));
    let mut stdin = child.stdin.take().unwrap();
    let input = input.to_vec();
    let feeding = std::thread::spawn(move || stdin.write_all(&input));
    let output = child.wait_with_output().unwrap();
    feeding.join().unwrap().ok();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{program}: {said}");
    String::from_utf8_lossy(&output.stdout).into_owned()
}

#[test]
fn buf_19_every_format_names_the_same_checksum_of_the_same_data() {
    let (document, rows) = (document(), rows());
    let checksums = Format::ALL.map(|format| {
        let (first, bytes) = written(format, &document, &rows);
        assert_eq!(first.rows, 3, "{format:?}");
        // A worker that begins anew makes the same file.
        assert_eq!(written(format, &document, &rows), (first.clone(), bytes), "{format:?}");
        first.data_sha256
    });
    assert!(checksums.iter().all(|checksum| *checksum == checksums[0]));
}

#[test]
fn json_reads_back_and_its_checksum_can_be_worked_out_from_it() {
    let (written, bytes) = written(Format::Json, &document(), &rows());
    let json: Value = serde_json::from_slice(&bytes).unwrap();
    assert_eq!(json["organization"], "Blåfjell barnevern & familiehjelp");
    assert_eq!(json["period"]["label"], "2025-Q1");
    assert_eq!(json["state"], "draft");
    assert_eq!(json["log_position"], 4_711);
    assert_eq!(json["generated_at"], "2025-10-09T08:53:20.123456Z");
    assert_eq!(json["row_count"], 3);
    let first = &json["tables"][0]["rows"][0];
    assert_eq!(first["value"], "-12.50");
    assert_eq!(first["note"], "=HYPERLINK(\"x\")");
    assert_eq!(json["tables"][0]["rows"][1]["note"], Value::Null);
    let mut hash = Sha256::new();
    for table in json["tables"].as_array().unwrap() {
        let columns: Vec<&Value> =
            table["columns"].as_array().unwrap().iter().map(|column| &column["name"]).collect();
        let head = format!(
            "{{\"table\":{},\"columns\":{}}}\n",
            table["name"],
            serde_json::to_string(&columns).unwrap()
        );
        hash.update(head);
        for row in table["rows"].as_array().unwrap() {
            let cells: Vec<&Value> =
                columns.iter().map(|name| &row[name.as_str().unwrap()]).collect();
            hash.update(serde_json::to_string(&cells).unwrap() + "\n");
        }
    }
    assert_eq!(json["data_sha256"], written.data_sha256);
    assert_eq!(hex::encode(hash.finalize()), written.data_sha256);
}

#[test]
fn json_without_rows_or_tables_is_json() {
    for rows in [vec![], vec![(section("a", "A"), vec![])]] {
        let (_, bytes) = written(Format::Json, &document(), &rows);
        let json: Value = serde_json::from_slice(&bytes).unwrap();
        assert_eq!(json["tables"].as_array().unwrap().len(), rows.len());
    }
}

#[test]
fn csv_is_rfc_4180_and_no_cell_is_a_formula() {
    let (_, bytes) = written(Format::Csv, &document(), &rows());
    let text = String::from_utf8(bytes).unwrap();
    assert!(text.ends_with("\r\n"));
    let records: Vec<Vec<String>> = ::csv::ReaderBuilder::new()
        .has_headers(false)
        .from_reader(text.as_bytes())
        .records()
        .map(|record| record.unwrap().iter().map(str::to_owned).collect())
        .collect();
    assert_eq!(
        records[0],
        [
            "organization",
            "report_period",
            "report_state",
            "section",
            "key",
            "label",
            "value",
            "unit",
            "note"
        ]
    );
    assert_eq!(records.len(), 4);
    assert_eq!(records[1][3], "Familier");
    assert_eq!(records[1][6], "-12.50", "a number stays one");
    assert_eq!(records[1][8], "'=HYPERLINK(\"x\")");
    assert_eq!(records[2][5], "Barn, unge\r\nog foreldre");
    assert_eq!(records[3][8], "'@SUM(1)\u{1}");
    for begin in ["=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠"] {
        let rows = [(section("a", "A"), vec![[begin; 5].map(Cell::text).to_vec()])];
        let (_, bytes) = written(Format::Csv, &Document { period: None, ..document() }, &rows);
        let text = String::from_utf8(bytes).unwrap();
        let record = ::csv::Reader::from_reader(text.as_bytes()).records().next().unwrap().unwrap();
        assert!(record.iter().all(|cell| cell == format!("'{begin}")), "{text:?}");
    }
}

#[test]
fn csv_has_one_head() {
    let other =
        Table { columns: vec![Column::new("x", "X", ColumnKind::Text, 1)], ..section("b", "B") };
    let mut output = Vec::new();
    let document = document();
    let mut writer = Writer::start(Format::Csv, &document, &mut output).unwrap();
    writer.table(&section("a", "A")).unwrap();
    assert!(matches!(writer.table(&other), Err(FormatError::OtherColumns)));
    assert!(matches!(writer.row(&[]), Err(FormatError::WrongRow { given: 0, columns: 1 })));
}

#[test]
fn xml_is_valid_by_its_schema_and_reads_back() {
    let folder = std::env::temp_dir().join(format!("agora-xsd-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let schema = folder.join("export-1.xsd");
    std::fs::write(&schema, xml::SCHEMA).unwrap();
    let schema = schema.to_str().unwrap();
    let subject = Document {
        kind: "subject_data",
        organization: None,
        period: None,
        state: None,
        schema_version: None,
        ..document()
    };
    for (document, rows) in
        [(document(), rows()), (subject, vec![]), (document(), vec![(section("a", "A"), vec![])])]
    {
        let (_, bytes) = written(Format::Xml, &document, &rows);
        run("xmllint", &["--noout", "--nonet", "--schema", schema, "-"], &bytes);
    }
    let (_, bytes) = written(Format::Xml, &document(), &rows());
    let path = |path: &str| run("xmllint", &["--xpath", path, "-"], &bytes);
    assert_eq!(
        path("string((//*[local-name()='cell'][@column='label'])[1])").trim_end(),
        "Familier på Ål med <hjelp> & \"råd\""
    );
    assert_eq!(
        path("string((//*[local-name()='cell'][@column='label'])[2])").trim_end(),
        "Barn, unge\r\nog foreldre"
    );
    assert_eq!(path("count(//*[local-name()='cell'][@column='note'])").trim(), "2");
    assert_eq!(
        path("string((//*[local-name()='cell'][@column='note'])[2])").trim(),
        "@SUM(1)\u{fffd}"
    );
    std::fs::remove_dir_all(folder).unwrap();
}

/// A file in an archive.
fn part(bytes: &[u8], name: &str) -> String {
    let mut archive = ::zip::ZipArchive::new(Cursor::new(bytes)).unwrap();
    let mut text = String::new();
    archive.by_name(name).unwrap().read_to_string(&mut text).unwrap();
    text
}

#[test]
fn xlsx_has_a_sheet_a_table_numbers_as_numbers_and_text_as_text() {
    let (written, bytes) = written(Format::Xlsx, &document(), &rows());
    let book = part(&bytes, "xl/workbook.xml");
    for name in ["About", "Familier", "Ansatte årsverk"] {
        assert!(book.contains(&format!("name=\"{name}\"")), "{book}");
    }
    let strings = part(&bytes, "xl/sharedStrings.xml");
    assert!(strings.contains("Blåfjell barnevern &amp; familiehjelp"));
    assert!(strings.contains(&written.data_sha256));
    let sheet = part(&bytes, "xl/worksheets/sheet2.xml");
    assert!(sheet.contains("<v>-12.5</v>"), "{sheet}");
    assert!(sheet.contains("120000000000000000001"), "no digit is lost: {sheet}");
    assert!(sheet.contains("=HYPERLINK(") && !sheet.contains("<f>"), "{sheet}");
}

#[test]
fn sheets_have_names_that_spreadsheets_take() {
    let table = |title: &str| (section("a", title), vec![]);
    let long = "x".repeat(60);
    let rows = [
        table("History"),
        table("history"),
        table(""),
        table(&long),
        table(&long),
        table("a[b]:*?/\\'"),
    ];
    let (_, bytes) = written(Format::Xlsx, &document(), &rows);
    let book = part(&bytes, "xl/workbook.xml");
    for name in [
        "History (2)",
        "history (3)",
        "Table",
        &"x".repeat(31),
        &format!("{} (2)", "x".repeat(27)),
        "a b",
    ] {
        assert!(book.contains(&format!("name=\"{name}\"")), "{name}: {book}");
    }
}

#[test]
fn pdf_says_what_it_is_on_every_page() {
    let document = document();
    let many: Vec<Vec<Cell>> = (0..200)
        .map(|number| {
            vec![
                Cell::text(format!("measure_{number}")),
                Cell::text("Barn og unge som har fått hjelp av tjenesten, ÆØÅ æøå"),
                Cell::Decimal(format!("{number}.25")),
                Cell::text("barn"),
                Cell::optional(
                    (number % 7 == 0)
                        .then(|| "En lengre merknad som går over flere linjer. ".repeat(4)),
                ),
            ]
        })
        .collect();
    let long = vec![vec![
        Cell::text("long"),
        Cell::text("Ord ".repeat(3_000)),
        Cell::Null,
        Cell::Null,
        Cell::Null,
    ]];
    let mut rows = rows();
    rows.push((section("many", "Tiltak i perioden"), many));
    rows.push((section("long", "En rad som er lengre enn en side"), long));
    rows.push((section("none", "Uten innhold"), vec![]));
    let (written, bytes) = written(Format::Pdf, &document, &rows);
    let pages = written.pages.unwrap();
    assert!(pages > 8, "{pages}");
    assert!(bytes.starts_with(b"%PDF-1.7"));
    let text = run("pdftotext", &["-layout", "-", "-"], &bytes);
    let texts: Vec<&str> = text.trim_end_matches('\u{c}').split('\u{c}').collect();
    assert_eq!(texts.len(), pages as usize);
    for (index, page) in texts.iter().enumerate() {
        for expected in [
            &*format!("Page {} of {pages}", index + 1),
            &written.data_sha256,
            "log position 4711",
            "Generated 2025-10-09T08:53:20.123456Z",
            "Blåfjell barnevern & familiehjelp",
            "DRAFT: not submitted",
        ] {
            assert!(page.contains(expected), "page {} lacks {expected}: {page}", index + 1);
        }
    }
    assert!(texts[0].contains("2025-Q1 (2025-01-01 to 2025-03-31)"), "{}", texts[0]);
    assert!(texts[1].contains("Measure") && texts[1].contains("Value"), "the head is repeated");
    assert_eq!(text.matches("measure_").count(), 200);
    assert!(text.contains("199.25") && text.contains("ÆØÅ æøå"));
    assert!(text.matches("Ord").count() == 3_000);
    let info = run("pdfinfo", &["-"], &bytes);
    assert!(info.contains("Tagged:          yes"), "{info}");
    assert!(info.contains("Title:           Quarterly activity report"), "{info}");
    let fonts = run("pdffonts", &["-"], &bytes);
    for line in fonts.lines().skip(2) {
        assert!(line.contains("DejaVuSans") && line.contains("yes yes yes"), "{fonts}");
    }
    let structure = run("pdfinfo", &["-struct", "-"], &bytes);
    for tag in ["H1", "H2", "Table", "THead", "TBody", "TH", "TD"] {
        assert!(structure.contains(tag), "{tag}: {structure}");
    }
}

#[test]
fn pdf_is_whole_or_says_how_much_it_leaves_out() {
    let rows = |count: usize| {
        vec![(section("a", "A"), vec![["a", "b", "c", "d", "e"].map(Cell::text).to_vec(); count])]
    };
    let excerpt = Document { pdf_rows: PdfRows::First(10), state: None, ..document() };
    let (written, bytes) = written(Format::Pdf, &excerpt, &rows(25));
    assert_eq!(written.rows, 25, "the checksum is of all of them");
    let text = run("pdftotext", &["-layout", "-", "-"], &bytes);
    assert!(text.contains("The first 10 of 25 rows."), "{text}");
    let document = document();
    let mut writer = Writer::start(Format::Pdf, &document, Vec::new()).unwrap();
    writer.table(&section("a", "A")).unwrap();
    let long =
        ["x".repeat(4 << 20), "x".into(), "x".into(), "x".into(), "x".into()].map(Cell::text);
    writer.row(&long).unwrap();
    assert!(matches!(writer.row(&long), Err(FormatError::TooManyRows(1))));
}

#[tokio::test]
async fn a_bundle_takes_bytes_only_into_a_file() {
    for is_ended in [false, true] {
        let mut bundle = zip::Bundle::start(Vec::new(), document().generated_at);
        if is_ended {
            bundle.file("a").await.unwrap();
            bundle.entries().await.unwrap();
        }
        bundle.write(b"x".to_vec()).await.unwrap();
        let error = bundle.entries().await.unwrap_err();
        assert_eq!(error.to_string(), "a bundle takes bytes only into a file");
    }
}

#[tokio::test]
async fn a_bundle_reads_back_and_lists_what_is_in_it() {
    let document = document();
    let mut bundle = zip::Bundle::start(Vec::new(), document.generated_at);
    for name in ["data/../../etc/post_votes.csv", "manifest.json"] {
        bundle.file(name).await.unwrap();
        for _ in 0..10 {
            bundle.write(name.repeat(1_000).into_bytes()).await.unwrap();
        }
    }
    let entries = bundle.entries().await.unwrap();
    let names: Vec<&str> = entries.iter().map(|entry| &*entry.name).collect();
    assert_eq!(names, ["data/export/export/etc/post_votes.csv", "manifest.json"]);
    let bytes = bundle.finish().await.unwrap();
    for entry in entries {
        let text = part(&bytes, &entry.name);
        assert_eq!(text.len() as u64, entry.size_bytes);
        assert_eq!(hex::encode(Sha256::digest(text)), entry.sha256);
    }
    let file = std::env::temp_dir().join(format!("agora-{}.zip", std::process::id()));
    std::fs::write(&file, &bytes).unwrap();
    run("python3", &["-m", "zipfile", "-t", file.to_str().unwrap()], b"");
    std::fs::remove_file(file).unwrap();
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]

    /// Whatever people write, every format takes it.
    #[test]
    fn any_text_can_be_exported(texts in proptest::collection::vec("\\PC{0,60}|[\\s\\S]{0,40}|[\u{590}-\u{6ff}\u{300}-\u{36f}\u{900}-\u{97f}\u{e01}-\u{e5b} a]{1,30}", 5)) {
        let rows = [(section("a", &texts[0]), vec![texts.iter().map(Cell::text).collect()])];
        let document = Document { title: texts[1].clone(), organization: Some(texts[2].clone()), ..document() };
        for format in Format::ALL {
            let (written, bytes) = written(format, &document, &rows);
            prop_assert_eq!(written.rows, 1);
            prop_assert!(!bytes.is_empty());
        }
    }
}

/// `cargo nextest run --release -p agora-process-managers bench_pdf --run-ignored all --no-capture`
#[test]
#[ignore = "a measurement"]
fn bench_pdf_of_500_pages() {
    let started = std::time::Instant::now();
    let document = document();
    let mut writer = Writer::start(Format::Pdf, &document, Vec::new()).unwrap();
    writer.table(&section("many", "Tiltak i perioden")).unwrap();
    for number in 0..21_500 {
        let row = [
            Cell::text(format!("measure_{number}")),
            Cell::text("Barn og unge som har fått hjelp"),
            Cell::Decimal(format!("{number}.25")),
            Cell::text("barn"),
            Cell::text("Uten merknad i år"),
        ];
        writer.row(&row).unwrap();
    }
    let (written, bytes) = writer.finish().unwrap();
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let peak = status.lines().find(|line| line.starts_with("VmHWM")).unwrap();
    println!(
        "{} pages, {} bytes, {:?}, {peak}",
        written.pages.unwrap(),
        bytes.len(),
        started.elapsed()
    );
}
