//! Exports: statutory reports, what is stored about a person, and what is public on the platform.

pub mod catalogue;
pub mod export_downloads;
pub mod export_job;
pub mod export_quota;
pub mod export_values;
pub mod subject_exports;
