//! Cursors: where a list goes on. Opaque to clients, and sealed by a MAC under a key derived from
//! the master key, so that every instance takes every other's, before and after a restart, and a
//! cursor that somebody has changed, or taken to another list, is refused (ESX-06).

use agora_event_store::MasterKeys;
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use hmac::{Hmac, KeyInit, Mac};
use serde::{Serialize, de::DeserializeOwned};
use sha2::Sha256;

/// Half of a SHA-256: enough against guessing, and cursors stay short.
const MAC_BYTES: usize = 16;
/// Longer than any cursor that was ever given out.
const TEXT_BYTES_MAX: usize = 1_536;

/// Writes and reads cursors.
#[derive(Clone)]
pub struct Cursors {
    mac: Hmac<Sha256>,
}

impl Cursors {
    pub fn new(masters: &MasterKeys) -> Self {
        let key = masters.derive("read-api/cursor");
        let mac = Hmac::new_from_slice(key.as_ref()).expect("HMAC takes keys of any length");
        Self { mac }
    }

    /// The cursor of a place in a list. `list` names the list with everything that chooses its
    /// rows and their order.
    pub fn write(&self, list: &str, place: &impl Serialize) -> String {
        let mut bytes = serde_json::to_vec(place).expect("a place is numbers and ids");
        let mac = self.mac(list, &bytes);
        bytes.extend_from_slice(&mac);
        URL_SAFE_NO_PAD.encode(bytes)
    }

    /// The place; `None` where the cursor was not written for this list.
    pub fn read<P: DeserializeOwned>(&self, list: &str, text: &str) -> Option<P> {
        if text.len() > TEXT_BYTES_MAX {
            return None;
        }
        let bytes = URL_SAFE_NO_PAD.decode(text).ok()?;
        let (place, mac) = bytes.split_at_checked(bytes.len().checked_sub(MAC_BYTES)?)?;
        self.keyed(list, place).verify_truncated_left(mac).ok()?;
        serde_json::from_slice(place).ok()
    }

    fn mac(&self, list: &str, place: &[u8]) -> [u8; MAC_BYTES] {
        let full = self.keyed(list, place).finalize().into_bytes();
        full[..MAC_BYTES].try_into().expect("SHA-256 is longer than the MAC kept of it")
    }

    fn keyed(&self, list: &str, place: &[u8]) -> Hmac<Sha256> {
        let mut mac = self.mac.clone();
        mac.update(&(list.len() as u64).to_be_bytes());
        mac.update(list.as_bytes());
        mac.update(place);
        mac
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cursors(digit: char) -> Cursors {
        let line = format!("k1:{}", digit.to_string().repeat(64));
        Cursors::new(&MasterKeys::parse(&line).unwrap())
    }

    #[test]
    fn esx_06_a_cursor_is_read_where_it_was_written_for_and_by_every_instance() {
        let text = cursors('a').write("posts/new", &(5, "id"));
        let place: (i64, String) = cursors('a').read("posts/new", &text).unwrap();
        assert_eq!(place, (5, "id".to_owned()));
        assert!(cursors('a').read::<(i64, String)>("posts/top", &text).is_none());
        assert!(cursors('b').read::<(i64, String)>("posts/new", &text).is_none());
    }

    #[test]
    fn esx_06_every_changed_byte_of_a_cursor_is_noticed() {
        let cursors = cursors('a');
        let text = cursors.write("posts/new", &(5, "id"));
        let bytes = URL_SAFE_NO_PAD.decode(&text).unwrap();
        for index in 0..bytes.len() {
            let mut changed = bytes.clone();
            changed[index] ^= 1;
            let changed = URL_SAFE_NO_PAD.encode(changed);
            assert!(cursors.read::<(i64, String)>("posts/new", &changed).is_none(), "byte {index}");
        }
        for text in ["", "!", "AAAA", &"A".repeat(100_000)] {
            assert!(cursors.read::<(i64, String)>("posts/new", text).is_none());
        }
    }
}
