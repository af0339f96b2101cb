use cqrs_es::Aggregate;
use uuid::Uuid;

use super::*;
use crate::{
    exports::report_content::{Measure, MeasureValue},
    ids::MemberId,
    personal::{Category, Personal, Subject},
    values::ReportNote,
};

const OURS: OrganizationId = OrganizationId(Uuid::from_u128(1));
const THEIRS: OrganizationId = OrganizationId(Uuid::from_u128(2));
const KARI: Actor = Actor::member(MemberId(Uuid::from_u128(3)));
const OLA: Actor = Actor::member(MemberId(Uuid::from_u128(4)));

fn note(text: &str, of: Actor) -> Option<Personal<ReportNote>> {
    Some(Personal::new(of.subject(), Category::Content, text.parse().unwrap()))
}

/// As it comes from the log once the subject's key is destroyed.
fn erased(subject: &Subject) -> Option<Personal<ReportNote>> {
    let inner = serde_json::json!({ "subject": subject, "category": "content", "value": null });
    Some(serde_json::from_value(serde_json::json!({ "$personal": inner })).unwrap())
}

fn measure(key: &str, value: &str) -> Measure {
    Measure {
        key: key.parse().unwrap(),
        label: "Families in counselling".parse().unwrap(),
        value: MeasureValue::parse(value).unwrap(),
        unit: Some("families".parse().unwrap()),
        note: None,
    }
}

fn section(key: &str, measures: Vec<Measure>) -> Section {
    Section { key: key.parse().unwrap(), title: "Families".parse().unwrap(), measures }
}

fn period(label: &str, from: &str, to: &str) -> ReportPeriod {
    ReportPeriod {
        label: label.parse().unwrap(),
        from: from.parse().unwrap(),
        to: to.parse().unwrap(),
    }
}

fn create() -> CreateReport {
    CreateReport {
        report_id: BufdirReportId(Uuid::from_u128(9)),
        organization_id: OURS,
        period: period("2025-Q1", "2025-01-01", "2025-03-31"),
        schema_version: "1.0".parse().unwrap(),
        sections: vec![section("families", vec![measure("counselled", "12")])],
        created_by: KARI,
    }
}

fn revise(sections: Vec<Section>) -> ReviseReport {
    ReviseReport {
        organization_id: OURS,
        period_from: None,
        period_to: None,
        sections,
        revised_by: OLA,
    }
}

fn submit(organization_id: OrganizationId) -> BufdirReportCommand {
    BufdirReportCommand::Submit(SubmitReport { organization_id, submitted_by: OLA })
}

fn then(mut report: BufdirReport, command: BufdirReportCommand) -> BufdirReport {
    for event in report.decide(command).unwrap() {
        Aggregate::apply(&mut report, event);
    }
    report
}

fn draft() -> BufdirReport {
    then(BufdirReport::default(), BufdirReportCommand::Create(create()))
}

fn refused(command: CreateReport) -> BufdirReportError {
    BufdirReport::default().decide(BufdirReportCommand::Create(command)).unwrap_err()
}

#[test]
fn rel_09_a_report_is_revised_until_it_is_submitted_and_frozen_then() {
    use BufdirReportCommand::Revise;
    let sections = |value| vec![section("families", vec![measure("counselled", value)])];
    let report = then(draft(), Revise(revise(sections("13"))));
    assert_eq!(report.document().unwrap().sections, sections("13"));
    assert_eq!(report.decide(Revise(revise(sections("13")))), Ok(vec![]), "nothing new");
    let report = then(report, submit(OURS));
    assert!(report.is_submitted());
    assert_eq!(report.decide(submit(OURS)), Ok(vec![]), "it is submitted already");
    let late = report.decide(Revise(revise(sections("14"))));
    assert_eq!(late, Err(BufdirReportError::Submitted));
}

#[test]
fn rel_09_a_report_without_a_figure_is_not_submitted() {
    let empty = CreateReport { sections: vec![section("families", vec![])], ..create() };
    let report = then(BufdirReport::default(), BufdirReportCommand::Create(empty));
    assert_eq!(report.decide(submit(OURS)), Err(BufdirReportError::Empty));
}

#[test]
fn buf_15_a_report_of_another_organization_is_as_one_that_does_not_exist() {
    use BufdirReportCommand::Revise;
    let foreign = ReviseReport { organization_id: THEIRS, ..revise(vec![]) };
    for (report, organization_id) in [(draft(), THEIRS), (BufdirReport::default(), OURS)] {
        let revise = ReviseReport { organization_id, ..foreign.clone() };
        assert_eq!(report.decide(Revise(revise)), Err(BufdirReportError::NotFound));
        assert_eq!(report.decide(submit(organization_id)), Err(BufdirReportError::NotFound));
    }
}

#[test]
fn buf_24_the_days_of_a_report_lie_within_what_its_label_names() {
    for (from, to, fault) in [
        ("2025-02-01", "2025-01-31", BufdirReportError::PeriodBackwards),
        ("2024-12-31", "2025-03-31", BufdirReportError::PeriodOutsideLabel),
        ("2025-01-01", "2025-04-01", BufdirReportError::PeriodOutsideLabel),
    ] {
        let period = period("2025-Q1", from, to);
        assert_eq!(refused(CreateReport { period, ..create() }), fault);
        let revise = ReviseReport {
            period_from: Some(from.parse().unwrap()),
            period_to: Some(to.parse().unwrap()),
            ..revise(vec![])
        };
        assert_eq!(draft().decide(BufdirReportCommand::Revise(revise)), Err(fault));
    }
    let part = CreateReport { period: period("2025-Q1", "2025-02-15", "2025-02-15"), ..create() };
    assert!(BufdirReport::default().decide(BufdirReportCommand::Create(part)).is_ok());
}

#[test]
fn rel_09_a_key_names_one_section_and_one_measure() {
    let twice = vec![section("a", vec![]), section("a", vec![])];
    assert_eq!(refused(CreateReport { sections: twice, ..create() }), BufdirReportError::KeyTwice);
    let across = vec![
        section("a", vec![measure("counselled", "1")]),
        section("b", vec![measure("counselled", "2")]),
    ];
    assert_eq!(refused(CreateReport { sections: across, ..create() }), BufdirReportError::KeyTwice);
}

#[test]
fn rel_09_a_report_is_bounded() {
    let many = (0..51).map(|number| section(&format!("s{number}"), vec![])).collect();
    assert_eq!(
        refused(CreateReport { sections: many, ..create() }),
        BufdirReportError::TooManyMeasures
    );
    let measures = |most| (0..most).map(|number| measure(&format!("m{number}"), "1")).collect();
    let full = vec![section("a", measures(201))];
    assert_eq!(
        refused(CreateReport { sections: full, ..create() }),
        BufdirReportError::TooManyMeasures
    );
    let with_notes = |notes| {
        let with_note = |number| Measure {
            note: note(&"å".repeat(4_500), KARI),
            ..measure(&format!("m{number}"), "1")
        };
        let sections = vec![section("a", (0..notes).map(with_note).collect())];
        BufdirReport::default()
            .decide(BufdirReportCommand::Create(CreateReport { sections, ..create() }))
    };
    assert!(with_notes(7).is_ok());
    assert_eq!(with_notes(8), Err(BufdirReportError::TooLong));
}

#[test]
fn k14_a_note_stays_its_writers_and_goes_with_its_writer() {
    let with =
        |note| vec![section("families", vec![Measure { note, ..measure("counselled", "12") }])];
    let noted =
        |report: &BufdirReport| report.document().unwrap().sections[0].measures[0].note.clone();
    let created = CreateReport { sections: with(note("Fewer than last year.", KARI)), ..create() };
    let report = then(BufdirReport::default(), BufdirReportCommand::Create(created));
    let sent_again = revise(with(note("Fewer than last year.", OLA)));
    assert_eq!(report.decide(BufdirReportCommand::Revise(sent_again)), Ok(vec![]));
    let changed = revise(with(note("More than last year.", OLA)));
    let report = then(report, BufdirReportCommand::Revise(changed));
    assert_eq!(*noted(&report).unwrap().subject(), OLA.subject());

    let document = report.document().unwrap().clone();
    let sections = with(erased(&OLA.subject()));
    let after_erasure =
        BufdirReport { document: Some(ReportDocument { sections, ..document }), submitted: false };
    let submitted = then(after_erasure, submit(OURS));
    assert_eq!(noted(&submitted), None, "what cannot be sealed again is not carried on");
}
