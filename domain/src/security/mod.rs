//! What threatens the platform: incidents (E25), the breaches that some of them are (LAW-08), and what is
//! known of the addresses that they come from (E26).

pub mod audit;
pub mod breach;
pub mod incident;
pub mod ip_address;
pub mod network;
pub mod reputation;
pub mod values;
