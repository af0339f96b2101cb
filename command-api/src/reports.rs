//! What the commands about reports have in common: whose a report is, and its sections as bodies bring
//! them.

use agora_domain::{
    Actor, PersonalCategory, RuleBreak,
    exports::{
        bufdir_report::{BufdirReport, BufdirReportError},
        report_content::{Measure, MeasureValue, ReportKey, Section},
    },
    ids::{BufdirReportId, OrganizationId},
    values::{MeasureLabel, MeasureUnit, ReportNote, SectionTitle},
};
use agora_event_store::Loaded;
use serde::Deserialize;
use serde_json::{Value, json};
use utoipa::ToSchema;

use crate::{
    decision::Decision,
    fields::{Field, FromJson, List, Object, WrongFields},
    refusal::{CommandError, refused},
};

/// The scope of claims under which drafts stand: one an organization, period and schema version.
pub const REPORT_DRAFT: &str = "bufdir_report_draft";

/// The organization's report of this id.
///
/// # Errors
/// 404 in the same words whether there is none or it is another organization's, and before `If-Match`
/// is looked at: what it is compared with would tell which (BUF-15).
pub async fn of(
    organization_id: OrganizationId,
    report_id: BufdirReportId,
    decision: &mut Decision<'_>,
) -> Result<Loaded<BufdirReport>, CommandError> {
    let report = decision.load::<BufdirReport>(report_id.to_string()).await?;
    if report.state.organization_id() == Some(organization_id) {
        return Ok(report);
    }
    Err(refused(BufdirReportError::NotFound))
}

/// A part of a report.
#[derive(Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct SectionBody {
    /// What a program knows it by; no two sections have the same.
    #[schema(value_type = String, required, example = "families", min_length = 1, max_length = 64,
             pattern = "^[a-z][a-z0-9_]*$")]
    #[serde(default)]
    key: Field<ReportKey>,
    #[schema(value_type = String, required, min_length = 1, max_length = 200)]
    #[serde(default)]
    title: Field<SectionTitle>,
    #[schema(value_type = Vec<MeasureBody>, required, max_items = 200)]
    #[serde(default)]
    measures: Field<List<Object<MeasureBody>>>,
}

/// A named figure.
#[derive(Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct MeasureBody {
    /// What a program knows it by; no two measures of a report have the same.
    #[schema(value_type = String, required, example = "families_counselled", min_length = 1,
             max_length = 64, pattern = "^[a-z][a-z0-9_]*$")]
    #[serde(default)]
    key: Field<ReportKey>,
    #[schema(value_type = String, required, min_length = 1, max_length = 200)]
    #[serde(default)]
    label: Field<MeasureLabel>,
    /// A number, as one or as a text such as `-12.50`, which keeps its digits as they are; else a text
    /// of at most 200 characters. Nothing personal belongs here, but into the note.
    #[schema(value_type = MeasureValueSchema, required)]
    #[serde(default)]
    value: Field<Figure>,
    /// What is counted.
    #[schema(value_type = Option<String>, min_length = 1, max_length = 32, example = "families")]
    #[serde(default)]
    unit: Field<MeasureUnit>,
    #[schema(value_type = Option<String>, min_length = 1, max_length = 10_000)]
    #[serde(default)]
    note: Field<ReportNote>,
}

/// A measure's value: a number or a text.
#[derive(ToSchema)]
#[schema(as = MeasureValue)]
#[serde(untagged)]
pub enum MeasureValueSchema {
    Number(MeasureNumberSchema),
    Text(MeasureTextSchema),
}

/// As a JSON number: at most 15 digits, of which 6 follow the point.
#[derive(ToSchema)]
#[schema(as = MeasureNumber, minimum = -999_999_999_999_999_i64, maximum = 999_999_999_999_999_i64)]
#[expect(dead_code, reason = "it stands in the OpenAPI document alone")]
pub struct MeasureNumberSchema(f64);

/// A number with its digits as they are, or what there is to say where nothing is counted.
#[derive(ToSchema)]
#[schema(as = MeasureText, min_length = 1, max_length = 200)]
#[expect(dead_code, reason = "it stands in the OpenAPI document alone")]
pub struct MeasureTextSchema(String);

/// A figure in a body.
struct Figure(MeasureValue);

impl FromJson for Figure {
    const EXPECTED: &'static str = "must be a number or a text";

    fn from_text(text: &str) -> Result<Self, RuleBreak> {
        MeasureValue::parse(text).map(Self)
    }

    fn from_integer(number: i64) -> Result<Self, RuleBreak> {
        MeasureValue::parse(&number.to_string()).map(Self)
    }

    /// Fifteen digits pass through binary floating point as they are; of more nobody would know.
    fn from_float(number: f64) -> Result<Self, RuleBreak> {
        let text = number.to_string();
        let digits = text.trim_start_matches(['-', '0', '.']);
        if digits.bytes().filter(u8::is_ascii_digit).count() > 15 {
            let detail = "must be sent as a text where it has more than 15 digits";
            return Err(RuleBreak::new("REL-09", detail));
        }
        MeasureValue::parse(&text).map(Self)
    }
}

/// Sections as parsed, their notes nobody's yet.
pub struct Sections(Vec<ParsedSection>);

struct ParsedSection {
    key: ReportKey,
    title: SectionTitle,
    measures: Vec<ParsedMeasure>,
}

struct ParsedMeasure {
    key: ReportKey,
    label: MeasureLabel,
    value: MeasureValue,
    unit: Option<MeasureUnit>,
    note: Option<ReportNote>,
}

impl Sections {
    /// All sections, every wrong field of them noted.
    pub fn parse(body: Field<List<Object<SectionBody>>>, wrong: &mut WrongFields) -> Option<Self> {
        let sections: Vec<Option<ParsedSection>> = wrong
            .list("/sections", body)?
            .into_iter()
            .enumerate()
            .map(|(index, Object(section))| section.parse(&format!("/sections/{index}"), wrong))
            .collect();
        sections.into_iter().collect::<Option<_>>().map(Self)
    }

    /// The sections with notes that are the writer's personal data.
    pub fn by(&self, writer: Actor, decision: &Decision<'_>) -> Vec<Section> {
        let of_writer =
            |note: &ReportNote| decision.personal(writer, PersonalCategory::Content, note.clone());
        let measure = |measure: &ParsedMeasure| Measure {
            key: measure.key.clone(),
            label: measure.label.clone(),
            value: measure.value.clone(),
            unit: measure.unit.clone(),
            note: measure.note.as_ref().map(of_writer),
        };
        let section = |section: &ParsedSection| Section {
            key: section.key.clone(),
            title: section.title.clone(),
            measures: section.measures.iter().map(measure).collect(),
        };
        self.0.iter().map(section).collect()
    }
}

impl SectionBody {
    fn parse(self, place: &str, wrong: &mut WrongFields) -> Option<ParsedSection> {
        let key = wrong.required(format!("{place}/key"), self.key);
        let title = wrong.required(format!("{place}/title"), self.title);
        let measures: Vec<Option<ParsedMeasure>> = wrong
            .list(format!("{place}/measures"), self.measures)?
            .into_iter()
            .enumerate()
            .map(|(index, Object(body))| body.parse(&format!("{place}/measures/{index}"), wrong))
            .collect();
        let measures: Option<Vec<_>> = measures.into_iter().collect();
        Some(ParsedSection { key: key?, title: title?, measures: measures? })
    }
}

impl MeasureBody {
    fn parse(self, place: &str, wrong: &mut WrongFields) -> Option<ParsedMeasure> {
        let key = wrong.required(format!("{place}/key"), self.key);
        let label = wrong.required(format!("{place}/label"), self.label);
        let value = wrong.required(format!("{place}/value"), self.value);
        let unit = wrong.optional(format!("{place}/unit"), self.unit);
        let note = wrong.optional(format!("{place}/note"), self.note);
        Some(ParsedMeasure { key: key?, label: label?, value: value?.0, unit: unit?, note: note? })
    }
}

/// The sections of a small quarterly report, for the documentation.
pub fn example() -> Value {
    json!([{
        "key": "families",
        "title": "Counselling of families",
        "measures": [
            {
                "key": "families_counselled", "label": "Families that were counselled",
                "value": 128, "unit": "families", "note": "Eleven of them by video.",
            },
            {
                "key": "hours_counselled", "label": "Hours of counselling",
                "value": "412.50", "unit": "hours",
            },
            { "key": "waiting_list", "label": "Is there a waiting list?", "value": "yes" },
        ],
    }])
}
