//! Older versions of events, lifted to the current one when they are read.
//!
//! Unsealing comes first, so an upcaster sees values, not ciphertext. The list is empty as long as
//! every event is at its first version; a new version adds one line here and a stored fixture.

use cqrs_es::persist::EventUpcaster;

/// Every upcaster, oldest version first.
pub fn upcasters() -> Vec<Box<dyn EventUpcaster>> {
    Vec::new()
}
