//! Making the files of exports: from a job in the log to a file in the object store.
//!
//! A job's way: [`processes::exports`](crate::processes::exports) takes it in from the log and puts it
//! into [`queue`]; a [`worker`] takes it, [`source`] gives the rows, [`formats`] make them bytes,
//! [`stream`] brings those into the object store. [`withheld`] says whose content is in no file of
//! public data. What `docs/exports.md` says of retries and codes is [`trouble`] and [`worker`].

pub mod document;
pub mod formats;
pub mod names;
pub mod platform_data;
pub mod queue;
pub mod rows;
pub mod source;
pub mod statutory_report;
pub mod stream;
pub mod subject_data;
pub mod trouble;
pub mod withheld;
pub mod worker;

use agora_domain::exports::export_job::Job;

/// Where the files of a job lie, and nothing else does.
pub fn folder(job: &Job) -> String {
    format!("exports/{}/{}", job.content.kind().as_str(), job.job_id)
}
