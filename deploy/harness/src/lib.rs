//! What `deploy/demo`, `deploy/bench` and the fault tests are made of: a client, a load generator, a
//! stack of real processes, an independent fold of the log, and a checker of invariants.

pub mod agora;
pub mod ballot;
pub mod bench;
pub mod checker;
pub mod client;
pub mod csvdata;
pub mod demo;
pub mod fold;
pub mod load;
pub mod observe;
pub mod progress;
mod random;
pub mod scene;
pub mod stack;
pub mod workload;
