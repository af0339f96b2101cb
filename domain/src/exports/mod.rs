//! Exports: what may be asked for, and what there is to give.

pub mod catalogue;
