//! The site as a whole: its configuration, its integrations.

pub mod configuration;
pub mod integration;
pub mod integration_values;
pub mod public_address;
pub mod settings;
