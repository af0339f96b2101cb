//! What a walk through a list by rank has shown last, so that a thing that falls past the walk's place
//! does not come again. It travels in the cursor.

use std::collections::VecDeque;

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// So many are known: what falls further than that in one walk may come again.
const KNOWN_MAX: usize = 100;

/// The last things by the end of their ids, which is random: enough to tell a hundred apart.
#[derive(Clone, Default, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub(crate) struct Shown(VecDeque<[u8; 4]>);

impl Shown {
    /// Leaves out what was shown before, and remembers the rest.
    pub(crate) fn keep_new<T>(&mut self, rows: &mut Vec<T>, id: impl Fn(&T) -> Uuid) {
        let end = |row: &T| {
            let bytes = id(row).into_bytes();
            [bytes[12], bytes[13], bytes[14], bytes[15]]
        };
        rows.retain(|row| !self.0.contains(&end(row)));
        self.0.extend(rows.iter().map(end));
        let spare = self.0.len().saturating_sub(KNOWN_MAX);
        self.0.drain(..spare);
    }
}

impl From<Shown> for String {
    fn from(shown: Shown) -> Self {
        URL_SAFE_NO_PAD.encode(shown.0.into_iter().flatten().collect::<Vec<_>>())
    }
}

impl TryFrom<String> for Shown {
    type Error = base64::DecodeError;

    fn try_from(text: String) -> Result<Self, base64::DecodeError> {
        let bytes = URL_SAFE_NO_PAD.decode(text)?;
        Ok(Self(bytes.as_chunks().0.iter().copied().collect()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pst_14_what_was_shown_is_left_out_and_the_oldest_forgotten() {
        let ids = |range: std::ops::Range<u128>| range.map(Uuid::from_u128).collect::<Vec<_>>();
        let mut shown = Shown::default();
        shown.keep_new(&mut ids(0..60), |id| *id);
        let mut shown: Shown =
            serde_json::from_str(&serde_json::to_string(&shown).unwrap()).unwrap();
        let mut next = ids(50..110);
        shown.keep_new(&mut next, |id| *id);
        assert_eq!(next, ids(60..110));
        let text = String::from(shown.clone());
        assert!(text.len() < 540, "a cursor stays short");
        let mut again = ids(0..12);
        shown.keep_new(&mut again, |id| *id);
        assert_eq!(again, ids(0..10));
    }
}
