use serde_json::json;

use super::*;

const CONTEXT: Context<'static> =
    Context { aggregate_type: "post", aggregate_id: "1", sequence: 2, field: "title" };

fn key() -> Key {
    let mut key = Key::default();
    for (index, byte) in key.iter_mut().enumerate() {
        *byte = u8::try_from(index).unwrap();
    }
    key
}

fn seal(value: &Value) -> SealedText {
    SealedText::seal(&CONTEXT, &Subject::from("s"), PersonalCategory::Content, &key(), value)
}

/// What was sealed once must open for ever: never change these, only add to them.
#[test]
fn golden_texts_open() {
    for (text, value) in [
        (
            "sealed:v1:content:s:2:gFbHdu9OvQx2Z1mANWgegu7q8PnlHsRMQ_cBrReCd5wKNAKA1kl1G1o-cO_eEpUE7tcrXdHn3S1UlWkbpwcCWKAXDVp331ObqgbN:SAEdlVZwy79UvfE7lXkjg77oJN5NNUW92TgZGwUnpeg",
            json!("Blåbærsyltetøy"),
        ),
        (
            "sealed:v1:content:s:2:HAJgqDhSGNyMgszhjguqBZyASPAT59kHOfLxxaEa1w5mvy0qUPJpo0KfaTO85ZYz8gjqAlEFaY-KIsRx:ObciXNEOLNXAXQKgOqni1LqOqnlXadyMg1xvbUwJMjU",
            json!(null),
        ),
        (
            "sealed:v1:content:s:2:4EDknpay3riJrovHFZ0fKQ6Kpp4Y96BnswrCxkkfp2JFQhrRGffYGZoi7G4hgnvvHacEZCB-IH70gVlDYf1-zhOdBT0V:flwEDwWgLbBhed2w12YyPaSvjjRbmlXkJYlwPm_bgoo",
            json!({ "a": [1, "b"] }),
        ),
    ] {
        let sealed = SealedText::parse(text).unwrap();
        assert_eq!(sealed.open(&CONTEXT, &key()), Some(value));
        assert_eq!(sealed.to_string(), text);
    }
}

#[test]
fn the_text_form_is_read_back_as_it_was_written() {
    let sealed = seal(&json!("A title"));
    assert_eq!(SealedText::parse(&sealed.to_string()), Some(sealed.clone()));
    assert_eq!(sealed.open(&CONTEXT, &key()), Some(json!("A title")));
    assert_eq!(sealed.open(&CONTEXT, &Key::default()), None, "another key");
}

#[test]
fn the_length_of_a_text_is_all_that_it_shows() {
    let (a, b) = (seal(&json!("A title")), seal(&json!("A title")));
    assert_ne!((&a.sealed, a.commitment), (&b.sealed, b.commitment));
    assert_eq!(a.to_string().len(), b.to_string().len());
}

#[test]
fn contexts_that_read_alike_when_joined_are_different() {
    let parts = [("ab", "c", "d"), ("a", "bc", "d"), ("a", "b", "cd"), ("a", "b:c", "d")];
    let bytes = parts.map(|(aggregate_type, aggregate_id, field)| {
        Context { aggregate_type, aggregate_id, sequence: 1, field }.bytes()
    });
    for (index, one) in bytes.iter().enumerate() {
        assert!(bytes[..index].iter().all(|other| other != one));
    }
}

#[test]
fn texts_of_another_form_are_not_parsed() {
    let sealed = seal(&json!("A title")).to_string();
    for text in [
        sealed.replace("v1", "v2"),
        sealed.replace("content", "contents"),
        format!("{sealed}:"),
        format!("{sealed}="),
        format!(" {sealed}"),
        sealed.replacen(":2:", ":-2:", 1),
        sealed.replacen(":s:", ":s:t:", 1),
        sealed[..sealed.len() - 1].to_owned(),
    ] {
        assert_eq!(SealedText::parse(&text), None, "{text}");
    }
}
