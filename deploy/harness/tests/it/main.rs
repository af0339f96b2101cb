//! Faults that really happen to real processes, and what must hold after each.

mod backup;
mod conformance;
mod entities;
mod faults;
