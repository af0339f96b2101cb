//! Names of files, made from characters that no path, header or shell takes for anything else.

use chrono::{DateTime, Utc};

use super::document::{Document, ReportState};

const NAME_LENGTH_MAX: usize = 100;

/// The name under which a file is kept and downloaded, such as `bufdir-report-2025-q1.pdf`. The second
/// attempt and those after it say so, for each has a file of its own.
pub fn file_name(document: &Document, what: &str, attempt: u32, extension: &str) -> String {
    let draft = if document.state == Some(ReportState::Draft) { "-draft" } else { "" };
    let when = match &document.period {
        Some(period) => period.label.clone(),
        None => stamp(document.generated_at),
    };
    let attempt = if attempt > 1 { format!("-{attempt}") } else { String::new() };
    format!("{}{attempt}.{extension}", slug(&format!("{what}-{when}{draft}")))
}

fn stamp(time: DateTime<Utc>) -> String {
    time.format("%Y%m%dt%H%M%Sz").to_string()
}

/// Lower case letters, digits and single hyphens.
fn slug(text: &str) -> String {
    let mut slug = String::new();
    for c in text.chars().flat_map(char::to_lowercase) {
        match c {
            'a'..='z' | '0'..='9' => slug.push(c),
            'æ' => slug.push_str("ae"),
            'ø' => slug.push_str("oe"),
            'å' => slug.push_str("aa"),
            _ if slug.ends_with('-') || slug.is_empty() => {}
            _ => slug.push('-'),
        }
        if slug.len() >= NAME_LENGTH_MAX {
            break;
        }
    }
    let slug = slug.trim_end_matches('-');
    if slug.is_empty() { "export".to_owned() } else { slug.to_owned() }
}

/// A name as it is where it is safe already; else the like of it, in lower case.
pub fn safe_name(name: &str) -> String {
    let safe = |c: char| {
        let c = c.to_ascii_lowercase();
        if matches!(c, 'a'..='z' | '0'..='9' | '.' | '_') { c } else { '-' }
    };
    let name: String = name.chars().take(NAME_LENGTH_MAX).map(safe).collect();
    let name = name.trim_matches(['.', '-', '_']);
    if name.is_empty() { "export".to_owned() } else { name.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn buf_22_names_are_made_of_safe_characters_whatever_they_are_made_from() {
        for (given, safe) in [
            ("2025-Q1", "2025-q1"),
            ("../../etc/passwd", "etc-passwd"),
            ("a\r\nSet-Cookie: x\"\\", "a-set-cookie-x"),
            ("Ål på Røros", "aal-paa-roeros"),
            ("…", "export"),
            ("\u{202e}gpj.exe", "gpj-exe"),
        ] {
            assert_eq!(slug(given), safe);
        }
        assert!(slug(&"a".repeat(10_000)).len() <= NAME_LENGTH_MAX);
    }

    #[test]
    fn buf_04_files_are_named_by_what_they_are_of_and_later_attempts_say_so() {
        let document = Document {
            kind: "statutory_report",
            title: String::new(),
            job_id: uuid::Uuid::nil(),
            organization: None,
            period: Some(crate::exports::document::Period {
                label: "2025-Q1".into(),
                from: chrono::NaiveDate::MIN,
                to: chrono::NaiveDate::MAX,
            }),
            state: Some(ReportState::Submitted),
            schema_version: None,
            generated_at: DateTime::from_timestamp(1_760_000_000, 0).unwrap(),
            position: 1,
            pdf_rows: crate::exports::document::PdfRows::All,
        };
        assert_eq!(file_name(&document, "bufdir-report", 1, "pdf"), "bufdir-report-2025-q1.pdf");
        let draft = Document { state: Some(ReportState::Draft), ..document };
        assert_eq!(
            file_name(&draft, "bufdir-report", 2, "csv"),
            "bufdir-report-2025-q1-draft-2.csv"
        );
        let public = Document { period: None, state: None, ..draft };
        let name = file_name(&public, "agora-posts", 1, "json");
        assert_eq!(name, "agora-posts-20251009t085320z.json");
        assert!(name.parse::<agora_domain::exports::export_values::FileName>().is_ok());
    }

    #[test]
    fn names_in_a_bundle_keep_their_form() {
        for (given, safe) in [
            ("post_votes.csv", "post_votes.csv"),
            ("manifest.json", "manifest.json"),
            ("export-1.schema.json", "export-1.schema.json"),
            ("Con: \r\n\"x\"", "con-----x"),
            ("..", "export"),
            (".hidden", "hidden"),
            ("..\\x.csv", "x.csv"),
        ] {
            assert_eq!(safe_name(given), safe, "{given}");
        }
    }
}
