//! The site as a whole: its configuration.

pub mod configuration;
pub mod settings;
