//! What the routes share.

use std::sync::Arc;

use agora_event_store::{
    Opener, searches::SearchLog, security::SecurityLog, security_audit::SecurityAudit,
};
use sqlx::PgPool;

use crate::{
    access::{Activity, IssuedSessions},
    cursor::Cursors,
    downloads::Downloads,
    freshness::Projected,
    live::Live,
    ranked::warm::WarmLists,
    routes::consent_check::LastOfStreams,
    search::KeptFound,
    together::Together,
};

pub type Shared = Arc<App>;

pub struct App {
    /// Read tables and the log, for reading; may be a replica.
    pub reads: PgPool,
    /// As `reads`, for what can be made to take long by what is asked: searches and ranked feeds. A
    /// few connections of its own with a short limit, so that nobody else waits for them. Their
    /// statements are planned once: that takes longer than to run them.
    pub rankings: PgPool,
    /// As `reads`, for searches of the security audit log.
    pub audit_searches: PgPool,
    /// Where logins and revocations are seen at once.
    pub primary: PgPool,
    pub opener: Opener,
    pub cursors: Cursors,
    pub projected: Projected,
    pub security: SecurityLog,
    pub security_audit: SecurityAudit,
    pub searches: SearchLog,
    pub activity: Activity,
    pub issued_sessions: IssuedSessions,
    pub consent_gate: Together<LastOfStreams>,
    pub live: Live,
    pub warm_lists: Arc<WarmLists>,
    pub searched: KeptFound,
    pub downloads: Downloads,
    /// Who answers for the processing of personal data, for the record of it.
    pub controller: Option<String>,
}
