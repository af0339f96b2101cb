//! `Range` (RFC 9110 §14): one range of bytes. Whoever asks for several gets the whole, as the RFC
//! allows.

use axum::http::{HeaderMap, header};

/// What of a file is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    Whole,
    /// From the first to the last byte, both included.
    Bytes {
        first: u64,
        last: u64,
    },
    /// Bytes that there are not: 416.
    Nothing,
}

/// What the headers ask for of a file of `size` bytes, whose entity tag is `tag`.
pub fn part(headers: &HeaderMap, size: u64, tag: &str) -> Part {
    // A range of another file than this one is none (If-Range, RFC 9110 §13.1.5).
    let same =
        headers.get(header::IF_RANGE).is_none_or(|if_range| if_range.as_bytes() == tag.as_bytes());
    let range = headers.get(header::RANGE).filter(|_| same).and_then(|range| range.to_str().ok());
    let range = range.and_then(|range| range.strip_prefix("bytes=")).map(str::trim);
    match range {
        Some(range) if !range.contains(',') => one(range, size).unwrap_or(Part::Whole),
        _ => Part::Whole,
    }
}

/// None where it is no range at all, which is as if none were asked for.
fn one(range: &str, size: u64) -> Option<Part> {
    let (first, last) = range.split_once('-')?;
    let number = |text: &str| -> Option<u64> {
        let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
        // More digits than a u64 has are past every end.
        digits.then(|| text.parse().unwrap_or(u64::MAX))
    };
    let (first, last) = match (first.is_empty(), last.is_empty()) {
        (true, true) => return None,
        (true, false) => {
            let count = number(last)?;
            (if count == 0 { size } else { size.saturating_sub(count) }, u64::MAX)
        }
        (false, true) => (number(first)?, u64::MAX),
        (false, false) => {
            let (first, last) = (number(first)?, number(last)?);
            if last < first {
                return None;
            }
            (first, last)
        }
    };
    Some(match first < size {
        true => Part::Bytes { first, last: last.min(size - 1) },
        false => Part::Nothing,
    })
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;

    use super::*;

    fn asked(range: &str, if_range: Option<&str>) -> Part {
        let mut headers = HeaderMap::new();
        headers.insert(header::RANGE, HeaderValue::from_str(range).unwrap());
        if let Some(tag) = if_range {
            headers.insert(header::IF_RANGE, HeaderValue::from_str(tag).unwrap());
        }
        part(&headers, 100, "\"tag\"")
    }

    #[test]
    fn a_range_is_of_the_bytes_that_there_are() {
        let bytes = |first, last| Part::Bytes { first, last };
        for (range, expected) in [
            ("bytes=0-0", bytes(0, 0)),
            ("bytes=0-99", bytes(0, 99)),
            ("bytes=10-", bytes(10, 99)),
            ("bytes=-10", bytes(90, 99)),
            ("bytes=-1000", bytes(0, 99)),
            ("bytes=90-1000", bytes(90, 99)),
            ("bytes=90-99999999999999999999999", bytes(90, 99)),
            ("bytes=100-", Part::Nothing),
            ("bytes=99999999999999999999999-", Part::Nothing),
            ("bytes=-0", Part::Nothing),
            ("bytes=", Part::Whole),
            ("bytes=-", Part::Whole),
            ("bytes=9-5", Part::Whole),
            ("bytes=a-b", Part::Whole),
            ("bytes=+1-2", Part::Whole),
            ("bytes=0-1,5-6", Part::Whole),
            ("lines=0-1", Part::Whole),
        ] {
            assert_eq!(asked(range, None), expected, "{range}");
        }
        assert_eq!(asked("bytes=0-0", Some("\"tag\"")), bytes(0, 0));
        assert_eq!(asked("bytes=0-0", Some("\"other\"")), Part::Whole);
        assert_eq!(part(&HeaderMap::new(), 100, "\"tag\""), Part::Whole);
        let mut headers = HeaderMap::new();
        headers.insert(header::RANGE, HeaderValue::from_static("bytes=-5"));
        assert_eq!(part(&headers, 0, "\"tag\""), Part::Nothing);
    }
}
