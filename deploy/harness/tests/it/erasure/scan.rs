//! Looks for words in whatever form they may stand somewhere.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs, io,
    net::IpAddr,
    path::{Path, PathBuf},
};

use aho_corasick::{AhoCorasick, AhoCorasickKind};
use base64::{
    Engine,
    engine::general_purpose::{STANDARD_NO_PAD, URL_SAFE_NO_PAD},
};

/// What no stemmer takes off the end of a word.
const ENDING: usize = 3;

/// The words that were found.
pub(super) type Found = BTreeSet<&'static str>;

pub(super) struct Scan {
    finder: AhoCorasick,
    /// Whose form each pattern is.
    words: Vec<&'static str>,
}

impl Scan {
    pub(super) fn of(words: &[&'static str]) -> Self {
        let all =
            words.iter().flat_map(|word| forms(word).into_iter().map(move |form| (form, *word)));
        let (patterns, words): (Vec<_>, Vec<_>) = all.unzip();
        // The fastest to look, and the slowest to make.
        let kind = Some(AhoCorasickKind::DFA);
        let finder = AhoCorasick::builder().kind(kind).ascii_case_insensitive(true).build(patterns);
        let finder = finder.unwrap();
        Self { finder, words }
    }

    pub(super) fn bytes(&self, bytes: &[u8]) -> Found {
        let found = self.finder.find_overlapping_iter(bytes);
        found.map(|found| self.words[found.pattern().as_usize()]).collect()
    }

    /// Every file below a folder that holds something.
    pub(super) fn folder(&self, folder: &Path) -> BTreeMap<PathBuf, Found> {
        let mut holding = BTreeMap::new();
        for path in files(folder) {
            let bytes = match fs::read(&path) {
                // Gone meanwhile, as files of servers that run may be.
                Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
                bytes => bytes.unwrap_or_else(|error| panic!("{}: {error}", path.display())),
            };
            let found = self.bytes(without_zeros(&bytes));
            if !found.is_empty() {
                holding.insert(path, found);
            }
        }
        holding
    }
}

/// Segments of the write-ahead log are mostly zeros at their end.
fn without_zeros(mut bytes: &[u8]) -> &[u8] {
    static ZEROS: [u8; 65_536] = [0; 65_536];
    while let Some(before) = bytes.strip_suffix(&ZEROS) {
        bytes = before;
    }
    bytes
}

fn files(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let entries = match fs::read_dir(folder) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return found,
        entries => entries.unwrap_or_else(|error| panic!("{}: {error}", folder.display())),
    };
    for entry in entries.flatten() {
        let Ok(kind) = entry.file_type() else { continue };
        if kind.is_dir() {
            found.extend(files(&entry.path()));
        } else if kind.is_file() {
            found.push(entry.path());
        }
    }
    found
}

/// A word as it is, in lower case, as its stem; in JSON, in a URL, in a mail; in hexadecimal and base64 at
/// each offset; in UTF-16. Capitals of ASCII count as small letters.
fn forms(word: &str) -> BTreeSet<Vec<u8>> {
    let mut forms = BTreeSet::new();
    let mut texts = vec![word.to_owned(), word.to_lowercase()];
    if let Ok(address) = word.parse::<IpAddr>() {
        forms.extend(binary(address));
    } else if !word.contains(['@', '.', ':']) {
        for text in &mut texts {
            let kept = text.chars().count() - ENDING;
            *text = text.chars().take(kept).collect();
        }
    }
    for text in texts {
        forms.insert(escaped(&text, |unit| format!("\\u{unit:04x}")));
        forms.insert(encoded(&text, '%'));
        forms.insert(encoded(&text, '='));
        forms.insert(hex::encode(&text).into());
        for offset in 0..3 {
            forms.extend(in_base64(text.as_bytes(), offset));
        }
        forms.insert(text.encode_utf16().flat_map(u16::to_le_bytes).collect());
        forms.insert(text.encode_utf16().flat_map(u16::to_be_bytes).collect());
        forms.insert(text.into());
    }
    forms
}

/// As Postgres has an inet: its family and how many bits of it count stand before an address.
fn binary(address: IpAddr) -> Vec<Vec<u8>> {
    match address {
        IpAddr::V4(address) => vec![[&[2, 32][..], &address.octets()].concat()],
        IpAddr::V6(address) => vec![address.octets().into(), hex::encode(address.octets()).into()],
    }
}

/// As some write JSON: what is not ASCII, by its numbers.
fn escaped(text: &str, escape: impl Fn(u16) -> String) -> Vec<u8> {
    let units = text.encode_utf16().map(|unit| match u8::try_from(unit) {
        Ok(byte) if byte.is_ascii() => char::from(byte).to_string(),
        _ => escape(unit),
    });
    units.collect::<String>().into()
}

/// As in URLs and in quoted-printable mails.
fn encoded(text: &str, mark: char) -> Vec<u8> {
    let bytes = text.bytes().map(|byte| match byte {
        byte if byte.is_ascii_alphanumeric() || b"-._".contains(&byte) => {
            char::from(byte).to_string()
        }
        byte => format!("{mark}{byte:02X}"),
    });
    bytes.collect::<String>().into()
}

/// What base64 is sure to hold where so many bytes stand before the text.
fn in_base64(text: &[u8], offset: usize) -> [Vec<u8>; 2] {
    let bytes = [&[0; 2][..offset], text].concat();
    // Of the first and the last digit a part may be of what stands beside.
    let (first, end) = ((offset * 8).div_ceil(6), bytes.len() * 8 / 6);
    [&STANDARD_NO_PAD, &URL_SAFE_NO_PAD]
        .map(|engine| engine.encode(&bytes).as_bytes()[first..end].to_vec())
}

#[test]
fn a_word_is_found_in_every_form() {
    let scan =
        Scan::of(&["Qvarnestolpen", "Þórkveldadóttir", "198.51.100.217", "2001:db8:5e1f::d00d"]);
    let one = |bytes: &[u8]| scan.bytes(bytes).into_iter().next();
    for text in ["a Qvarnestolpen b", "qvarnestolp", "'qvarnestolpe':1A", "QVARNESTOLPEN"] {
        assert_eq!(one(text.as_bytes()), Some("Qvarnestolpen"), "{text}");
    }
    for before in ["", "x", "xy", "xyz"] {
        let text = format!("{before}Qvarnestolpen is here");
        assert_eq!(one(STANDARD_NO_PAD.encode(&text).as_bytes()), Some("Qvarnestolpen"));
        assert_eq!(one(hex::encode(&text).as_bytes()), Some("Qvarnestolpen"));
    }
    for text in [r"\u00de\u00f3rkveldad\u00f3ttir", "%C3%9E%C3%B3rkveldad%C3%B3ttir", "þórkvelda"]
    {
        let found = one(text.as_bytes());
        assert_eq!(found.is_some(), text != "þórkvelda", "{text}");
    }
    assert_eq!(one("=C3=9E=C3=B3rkveldad=C3=B3ttir".as_bytes()), Some("Þórkveldadóttir"));
    assert_eq!(one(&[0, 2, 32, 198, 51, 100, 217, 0]), Some("198.51.100.217"));
    assert_eq!(one(b"2001:DB8:5e1f::d00d"), Some("2001:db8:5e1f::d00d"));
    assert_eq!(one(b"Qvarnes, 198.51.100.21"), None);
}
