//! Why a moderator removed what somebody wrote: told to its author, who still reads it (PST-15, MOD-06).

use agora_event_store::{Opener, vault::VaultError};
use serde::Serialize;
use sqlx::FromRow;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::rows::{Instant, Sealed};

/// A moderator's removal, with its reason.
#[derive(Serialize, ToSchema)]
pub struct Removal {
    /// Its entry in the moderation log.
    moderation_id: Uuid,
    performed_adminuser_id: Uuid,
    /// Null where it was erased.
    reason: Option<String>,
    removed_at: Instant,
}

/// As it stands in the moderation log: the columns of a `LEFT JOIN` with [`last_act`].
#[derive(FromRow)]
pub(crate) struct RemovalRow {
    moderation_id: Option<Uuid>,
    performed_adminuser_id: Option<Uuid>,
    removal_reason: Option<String>,
    removed_at: Option<Instant>,
}

/// The last act on a thing, if it removed it, as SQL. `thing`: the column that names it.
pub(crate) fn last_act(column: &str, id: &str) -> String {
    format!(
        "SELECT m.id AS moderation_id, m.performed_adminuser_id, m.action_reason AS removal_reason,
                m.created_at AS removed_at
         FROM (SELECT * FROM read.moderation_log WHERE {column} = {id}
               ORDER BY position DESC LIMIT 1) m
         WHERE m.action_type = 'delete'"
    )
}

impl RemovalRow {
    /// Opens the reason. `kind` and `id`: the aggregate that the removal stands in.
    pub(crate) async fn open(
        &self,
        opener: &Opener,
        kind: &str,
        id: Uuid,
    ) -> Result<Option<Removal>, VaultError> {
        let (Some(moderation_id), Some(performed_adminuser_id), Some(removed_at)) =
            (self.moderation_id, self.performed_adminuser_id, self.removed_at)
        else {
            return Ok(None);
        };
        let mut sealed = Sealed::default();
        let slot = sealed.add(kind, id, "reason", self.removal_reason.as_deref());
        let reason = sealed.open(opener).await?.text(slot);
        Ok(Some(Removal { moderation_id, performed_adminuser_id, reason, removed_at }))
    }
}
