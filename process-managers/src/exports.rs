//! Making the files of exports: from a job in the log to a file in the object store.

pub mod document;
pub mod formats;
pub mod names;
pub mod subject_data;
