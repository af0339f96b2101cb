//! Faults that really happen to real processes, and what must hold after each.

mod conformance;
mod entities;
mod faults;
