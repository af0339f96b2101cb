use super::*;

fn of(length: usize) -> String {
    "å".repeat(length)
}

#[test]
fn pst_01_a_title_has_5_to_120_characters() {
    for (length, accepted) in [(4, false), (5, true), (120, true), (121, false)] {
        assert_eq!(of(length).parse::<Title>().is_ok(), accepted, "{length}");
    }
    assert_eq!("      ".parse::<Title>().unwrap_err().rule, Some("PST-01"));
}

#[test]
fn pst_02_a_body_has_10_to_10_000_characters() {
    for (length, accepted) in [(9, false), (10, true), (10_000, true), (10_001, false)] {
        assert_eq!(of(length).parse::<Body>().is_ok(), accepted, "{length}");
    }
}

#[test]
fn pst_03_a_body_keeps_line_breaks_and_markup_and_refuses_control_characters() {
    let body: Body = "one\ntwo <b>three</b>".parse().unwrap();
    assert_eq!(body.as_str(), "one\ntwo <b>three</b>");
    for bad in ["\0", "\u{1b}[31m", "\u{202E}", "\u{2066}", "\t", "\u{7f}", "\u{85}"] {
        let text = format!("a body of plain text {bad}");
        assert_eq!(text.parse::<Body>().unwrap_err().rule, Some("PST-03"), "{bad:?}");
    }
    assert_eq!("a title\nin two".parse::<Title>().unwrap_err().rule, Some("PST-03"));
}

#[test]
fn pst_04_length_is_counted_after_nfc_and_line_breaks_are_unified() {
    let decomposed = "e\u{301}".repeat(120);
    assert_eq!(decomposed.parse::<Title>().unwrap().as_str(), "é".repeat(120));
    let body: Body = "12345\r\n789\r0".parse().unwrap();
    assert_eq!(body.as_str(), "12345\n789\n0");
    assert!("1234567\r\n".parse::<Body>().is_err(), "eight characters once CRLF is one");
}

#[test]
fn pst_07_mem_01_names_have_at_most_32_characters() {
    for (length, accepted) in [(0, true), (1, true), (32, true), (33, false)] {
        assert_eq!(of(length).parse::<AuthorDisplayName>().is_ok(), accepted);
        assert_eq!(of(length).parse::<DisplayName>().is_ok(), accepted);
    }
}

#[test]
fn mem_02_without_a_name_anonymous_is_shown() {
    for (stored, shown) in
        [(None, ANONYMOUS), (Some(""), ANONYMOUS), (Some("  "), ANONYMOUS), (Some("Ola"), "Ola")]
    {
        assert_eq!(shown_name(stored), shown);
    }
}

#[test]
fn cat_01_com_01_names_have_5_to_32_characters() {
    for (length, accepted) in [(4, false), (5, true), (32, true), (33, false)] {
        let name = "n".repeat(length);
        assert_eq!(name.parse::<CategoryName>().is_ok(), accepted);
        assert_eq!(name.parse::<CommunityName>().is_ok(), accepted);
    }
}

#[test]
fn cat_02_com_01_names_are_of_a_narrow_alphabet() {
    for bad in ["with space", "with.dot", "håndball", "rocket🚀", "a/bcdef"] {
        assert_eq!(bad.parse::<CategoryName>().unwrap_err().rule, Some("CAT-02"), "{bad}");
        assert_eq!(bad.parse::<CommunityName>().unwrap_err().rule, Some("COM-01"), "{bad}");
    }
    assert!("News-Tech_2".parse::<CategoryName>().is_ok());
}

#[test]
fn cat_05_com_04_descriptions_have_at_most_200_characters() {
    for (length, accepted) in [(0, true), (200, true), (201, false)] {
        assert_eq!(of(length).parse::<CategoryDescription>().is_ok(), accepted);
        assert_eq!(of(length).parse::<CommunityDescription>().is_ok(), accepted);
    }
}

#[test]
fn cat_06_display_order_starts_at_one() {
    for (number, accepted) in [(-1, false), (0, false), (1, true), (1 << 40, false)] {
        assert_eq!(DisplayOrder::try_from(number).is_ok(), accepted);
    }
}

#[test]
fn com_14_images_are_https_uris() {
    assert!("https://example.org/logo.png".parse::<ImageUri>().is_ok());
    for bad in [
        "http://example.org/logo.png",
        "javascript:alert(1)",
        "data:image/png;base64,AAAA",
        "https://user:secret@example.org/",
        "/logo.png",
        "https://",
        " https://example.org/",
    ] {
        assert_eq!(bad.parse::<ImageUri>().unwrap_err().rule, Some("COM-14"), "{bad}");
    }
    let long = |length: usize| format!("https://e.org/{}", "a".repeat(length - 14));
    assert!(long(URI_CHARACTERS_DEFAULT).parse::<ImageUri>().is_ok());
    assert!(long(URI_CHARACTERS_DEFAULT + 1).parse::<ImageUri>().is_err());
    assert!(long(URI_CHARACTERS_MAX + 1).parse::<ImageUri>().is_err());
}

#[test]
fn crd_01_addresses_fold_to_one_form() {
    let upper: Email = "A@x.no".parse().unwrap();
    let lower: Email = "a@X.NO".parse().unwrap();
    assert_eq!(upper.folded(), lower.folded());
    for bad in ["", "a", "@x.no", "a@", "a@x", "a b@x.no", "a@x..no", "a@-x.no", "a\0@x.no"] {
        assert!(bad.parse::<Email>().is_err(), "{bad:?}");
    }
}
