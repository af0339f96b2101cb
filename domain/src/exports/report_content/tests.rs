use super::*;

#[test]
fn buf_24_a_period_label_names_a_year_a_quarter_or_a_month() {
    for (label, from, to) in [
        ("2025", "2025-01-01", "2025-12-31"),
        ("2025-Q1", "2025-01-01", "2025-03-31"),
        ("2025-Q4", "2025-10-01", "2025-12-31"),
        ("2024-02", "2024-02-01", "2024-02-29"),
        ("2025-12", "2025-12-01", "2025-12-31"),
    ] {
        let (first, last) = label.parse::<PeriodLabel>().unwrap().days();
        assert_eq!((first.to_string(), last.to_string()), (from.to_owned(), to.to_owned()));
    }
    for bad in [
        "",
        "25",
        "2025-",
        "2025-Q0",
        "2025-Q5",
        "2025-Q11",
        "2025-q1",
        "2025-13",
        "2025-00",
        "2025-1",
        "2025-01-01",
        "0025",
        "+025",
        "20 5",
        "2025-Q1 ",
        "２０２５",
    ] {
        let broken = bad.parse::<PeriodLabel>().unwrap_err();
        assert_eq!(broken.rule, Some("BUF-24"), "{bad:?}");
    }
}

#[test]
fn rel_09_a_day_is_written_one_way() {
    assert!("2025-03-31".parse::<ReportDay>().is_ok());
    for bad in ["2025-02-30", "2025-3-31", "2025-03-31T00", "31.03.2025", "+2025-3-31", ""] {
        assert!(bad.parse::<ReportDay>().is_err(), "{bad:?}");
    }
}

#[test]
fn rel_09_a_number_is_kept_as_it_was_written() {
    for good in ["0", "12", "-12.50", "0.000001", "123456789012345.123456", "0.00"] {
        assert_eq!(good.parse::<Decimal>().unwrap().as_str(), good);
    }
    for bad in [
        "",
        "-",
        ".",
        ".5",
        "5.",
        "007",
        "-0",
        "-0.0",
        "+1",
        "1e3",
        "1,5",
        "1234567890123456",
        "0.1234567",
        "NaN",
        "１",
    ] {
        assert!(bad.parse::<Decimal>().is_err(), "{bad:?}");
    }
}

#[test]
fn rel_09_a_value_is_a_number_where_it_reads_as_one() {
    assert!(MeasureValue::parse("12.5").unwrap().is_number());
    for text in ["ja", "12 %", "2025-03-31", "1e3", "12,5"] {
        assert!(!MeasureValue::parse(text).unwrap().is_number(), "{text}");
    }
    for bad in ["1234567890123456", "007", "0.1234567", "", "  ", "a\nb"] {
        assert!(MeasureValue::parse(bad).is_err(), "{bad:?}");
    }
}

#[test]
fn rel_09_keys_and_versions_are_of_a_narrow_alphabet() {
    for good in ["a", "families_total", "q1"] {
        assert!(good.parse::<ReportKey>().is_ok(), "{good}");
    }
    for bad in ["", "1st", "_a", "Families", "a-b", "a b", "å", &"a".repeat(65)] {
        assert!(bad.parse::<ReportKey>().is_err(), "{bad}");
    }
    for (version, accepted) in
        [("1", true), ("2025.1-rc_2", true), ("", false), (".1", false), ("1/2", false)]
    {
        assert_eq!(version.parse::<SchemaVersion>().is_ok(), accepted, "{version}");
    }
}
