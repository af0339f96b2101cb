//! What the law asks of a platform that holds people's data: privacy policies with who reviewed and who
//! accepted them, consents, each with the text that it was given to, the limits that people set to what
//! is done with their data, and erasures.

pub mod consent;
pub mod consent_gate;
pub mod consent_values;
pub mod deletion_request;
pub mod deletion_values;
pub mod policy_acceptance;
pub mod policy_series;
pub mod policy_values;
pub mod policy_version;
pub mod processing_limit;
pub mod subject_erasures;
pub mod subject_key;
