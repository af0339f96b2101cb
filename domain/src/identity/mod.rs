//! Who people are: credentials, members, admins and their sessions.

pub mod admin;
pub mod admin_roster;
pub mod credential;
pub mod member;
pub mod password;
pub mod password_reset;
pub mod principal_sessions;
pub mod session;
pub mod session_era;
pub mod values;
