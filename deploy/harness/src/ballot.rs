//! cast-vote as bytes: what depends on the voter is rendered once.

use uuid::Uuid;

use crate::agora::Session;

/// What a vote says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Says {
    Up,
    Down,
}

impl Says {
    /// After the post's id.
    const fn tail(self) -> &'static [u8] {
        match self {
            Self::Up => br#""},"vote_state":"upvote"}"#,
            Self::Down => br#""},"vote_state":"downvote"}"#,
        }
    }
}

/// Before the post's id.
const START: &str = r#"{"target":{"kind":"post","id":""#;

/// The requests of some voters.
pub struct Ballots {
    pub address: String,
    /// By voter: up to the post's id, of an upvote and of a downvote, whose lengths differ.
    before: Vec<[Vec<u8>; 2]>,
}

impl Ballots {
    pub fn new(address: &str, voters: &[Session]) -> Self {
        let before = voters
            .iter()
            .map(|voter| [Says::Up, Says::Down].map(|says| before(address, &voter.token, says)));
        Self { address: address.to_owned(), before: before.collect() }
    }

    pub fn voters(&self) -> usize {
        self.before.len()
    }

    /// Writes a whole request into `request`.
    pub fn render(&self, request: &mut Vec<u8>, voter: usize, post: Uuid, says: Says) {
        request.clear();
        request.extend_from_slice(&self.before[voter][says as usize]);
        let mut text = Uuid::encode_buffer();
        request.extend_from_slice(post.hyphenated().encode_lower(&mut text).as_bytes());
        request.extend_from_slice(says.tail());
    }
}

fn before(host: &str, token: &str, says: Says) -> Vec<u8> {
    let length = START.len() + 36 + says.tail().len();
    format!(
        "POST /v1/commands/cast-vote HTTP/1.1\r\nhost: {host}\r\nauthorization: Bearer {token}\r\n\
         content-type: application/json\r\ncontent-length: {length}\r\n\r\n{START}"
    )
    .into_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pvt_01_requests_are_whole() {
        let id = Uuid::from_u128(5);
        let voter = Session { id, email: String::new(), token: "t".to_owned() };
        let ballots = Ballots::new("127.0.0.1:1", &[voter]);
        let mut request = Vec::new();
        for (says, word) in [(Says::Up, "upvote"), (Says::Down, "downvote")] {
            ballots.render(&mut request, 0, id, says);
            let (head, body) =
                std::str::from_utf8(&request).unwrap().split_once("\r\n\r\n").unwrap();
            assert!(head.ends_with(&format!("content-length: {}", body.len())));
            let json: serde_json::Value = serde_json::from_str(body).unwrap();
            assert_eq!(json["target"]["id"], id.to_string());
            assert_eq!(json["vote_state"], word);
        }
    }
}
