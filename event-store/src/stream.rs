//! The name of a stream, and the short form in which guards are compared.

use std::sync::Arc;

use sha2::{Digest, Sha256};

/// `aggregate_type` and `aggregate_id` of one aggregate's events.
#[derive(Clone, Debug)]
pub struct StreamName {
    pub aggregate_type: &'static str,
    pub aggregate_id: Arc<str>,
    key: i64,
}

impl StreamName {
    pub fn new(aggregate_type: &'static str, aggregate_id: impl Into<Arc<str>>) -> Self {
        let aggregate_id = aggregate_id.into();
        let key = key(aggregate_type, &aggregate_id);
        Self { aggregate_type, aggregate_id, key }
    }

    /// The first eight bytes of SHA-256 over `<type>/<id>`, as `log.append` computes them too.
    pub fn key(&self) -> i64 {
        self.key
    }
}

impl PartialEq for StreamName {
    fn eq(&self, other: &Self) -> bool {
        self.key == other.key
            && self.aggregate_type == other.aggregate_type
            && self.aggregate_id == other.aggregate_id
    }
}

impl Eq for StreamName {}

/// The key of a stream that is known by its stored texts.
pub fn key(aggregate_type: &str, aggregate_id: &str) -> i64 {
    let mut hash = Sha256::new();
    hash.update(aggregate_type.as_bytes());
    hash.update(b"/");
    hash.update(aggregate_id.as_bytes());
    let digest = hash.finalize();
    let mut first = [0; 8];
    first.copy_from_slice(&digest[..8]);
    i64::from_be_bytes(first)
}
