//! What leaves the platform as files, and what is reported to authorities: organizations (tenants),
//! who is in them, and their reports; exports of these, of what is stored about a person, and of what
//! is public. Everything of the community is tenant-less (K30).

pub mod bufdir_report;
pub mod catalogue;
pub mod export_content;
pub mod export_downloads;
pub mod export_job;
pub mod export_quota;
pub mod export_values;
pub mod organization;
pub mod organization_membership;
pub mod report_content;
pub mod subject_exports;
