//! `update-backup-erasure`: whether backups still hold what was erased (DDR-10).

use agora_domain::{
    compliance::{
        deletion_request::{DeletionRequest, DeletionRequestCommand, UpdateBackup as Update},
        deletion_values::BackupStatus,
    },
    ids::DeletionId,
};
use chrono::{DateTime, Utc};
use serde::Deserialize;
use serde_json::{Value, json};
use utoipa::ToSchema;

use crate::{
    Command,
    decision::{Decision, Done},
    deletions,
    execute::Caller,
    fields::{Field, WrongFields},
    refusal::CommandError,
};

/// Say whether backups still hold what was erased.
pub struct UpdateBackupErasure {
    deletion_id: DeletionId,
    status: BackupStatus,
    gone_at: Option<DateTime<Utc>>,
}

impl UpdateBackupErasure {
    /// As the process sends it, which knows when the last backup will be gone.
    pub fn new(
        deletion_id: DeletionId,
        status: BackupStatus,
        gone_at: Option<DateTime<Utc>>,
    ) -> Self {
        Self { deletion_id, status, gone_at }
    }
}

/// The body of `update-backup-erasure`.
#[derive(Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct UpdateBackupErasureBody {
    #[schema(value_type = Uuid, required)]
    #[serde(default)]
    deletion_id: Field<DeletionId>,
    /// IN_PROGRESS after PENDING; COMPLETED after that; NOT_APPLICABLE where there are none.
    #[schema(value_type = String, required, pattern = "^(PENDING|IN_PROGRESS|COMPLETED|NOT_APPLICABLE)$")]
    #[serde(default)]
    backup_deletion_status: Field<BackupStatus>,
}

impl Command for UpdateBackupErasure {
    const NAME: &'static str = "update-backup-erasure";
    const SUMMARY: &'static str = "Say whether backups still hold what was erased";
    const RULES: &'static [&'static str] = &["DDR-10", "DDR-03", "REL-10", "ESX-03", "ESX-04"];
    type Body = UpdateBackupErasureBody;

    fn parse(body: UpdateBackupErasureBody, wrong: &mut WrongFields) -> Option<Self> {
        let deletion_id = wrong.required("/deletion_id", body.deletion_id);
        let status =
            wrong.required_by("DDR-01", "/backup_deletion_status", body.backup_deletion_status);
        Some(Self { deletion_id: deletion_id?, status: status?, gone_at: None })
    }

    fn queue(&self, _: &Caller) -> Option<String> {
        Some(deletions::queue(self.deletion_id))
    }

    async fn decide(&self, decision: &mut Decision<'_>) -> Result<Done, CommandError> {
        let loaded = deletions::load(decision, self.deletion_id).await?;
        let (status, gone_at) = (self.status, self.gone_at);
        let update = Update { status, gone_at, now: decision.now };
        let update = DeletionRequestCommand::UpdateBackup(update);
        decision.decide_on_target(&loaded, update).await?;
        Ok(Done::of::<DeletionRequest>(self.deletion_id))
    }

    fn example() -> Value {
        json!({
            "deletion_id": "01970000-0000-7000-8000-000000000001",
            "backup_deletion_status": "COMPLETED",
        })
    }
}
