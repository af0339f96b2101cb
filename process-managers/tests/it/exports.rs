//! Exports, from the log to the file: workers on a real Postgres and a real folder.

mod cleaning;
mod making;
mod own_data;
mod public_data;
mod storage;
mod world;
