//! Who people are: credentials, members, admins, their sessions and keys, and guests.

pub mod admin;
pub mod admin_roster;
pub mod credential;
pub mod guest;
pub mod member;
pub mod password;
pub mod password_reset;
pub mod principal_sessions;
pub mod service_account;
pub mod session;
pub mod session_era;
pub mod values;
