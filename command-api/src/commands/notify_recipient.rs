//! `notify-recipient`: somebody to whom data was disclosed was told of its erasure (Art. 19 GDPR,
//! DDR-12).

use agora_domain::{
    RuleBreak,
    compliance::{
        deletion_request::{DeletionRequest, DeletionRequestCommand, NotifyRecipient as Notify},
        deletion_values::{Recipient, RecipientStatus},
    },
    ids::DeletionId,
};
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

/// Note whether a recipient of the data was told of its erasure.
pub struct NotifyRecipient {
    deletion_id: DeletionId,
    recipient: Recipient,
    status: RecipientStatus,
}

/// The body of `notify-recipient`.
#[derive(Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NotifyRecipientBody {
    #[schema(value_type = Uuid, required)]
    #[serde(default)]
    deletion_id: Field<DeletionId>,
    /// As the approval names it.
    #[schema(value_type = String, required, min_length = 1, max_length = 100)]
    #[serde(default)]
    recipient: Field<Recipient>,
    /// FAILED is tried again; IMPOSSIBLE is what would take a disproportionate effort, too.
    #[schema(value_type = String, required, pattern = "^(NOTIFIED|FAILED|IMPOSSIBLE)$")]
    #[serde(default)]
    status: Field<RecipientStatus>,
}

impl Command for NotifyRecipient {
    const NAME: &'static str = "notify-recipient";
    const SUMMARY: &'static str = "Note whether a recipient of the data was told of its erasure";
    const RULES: &'static [&'static str] = &["DDR-12", "DDR-03", "REL-10", "ESX-03", "ESX-04"];
    type Body = NotifyRecipientBody;

    fn parse(body: NotifyRecipientBody, wrong: &mut WrongFields) -> Option<Self> {
        let deletion_id = wrong.required("/deletion_id", body.deletion_id);
        let recipient = wrong.required_by("DDR-12", "/recipient", body.recipient);
        let status = wrong.required_by("DDR-12", "/status", body.status);
        if status == Some(RecipientStatus::Pending) {
            let says = RuleBreak::new("DDR-12", "must be NOTIFIED, FAILED or IMPOSSIBLE");
            return wrong.note("/status", &says);
        }
        Some(Self { deletion_id: deletion_id?, recipient: recipient?, status: status? })
    }

    fn queue(&self, _: &Caller) -> Option<String> {
        Some(deletions::queue(self.deletion_id))
    }

    async fn decide(&self, decision: &mut Decision<'_>) -> Result<Done, CommandError> {
        let notified_by = decision.actor()?;
        let loaded = deletions::load(decision, self.deletion_id).await?;
        let (recipient, status) = (self.recipient.clone(), self.status);
        let notify = Notify { recipient, status, notified_by, now: decision.now };
        let notify = DeletionRequestCommand::NotifyRecipient(notify);
        decision.decide_on_target(&loaded, notify).await?;
        Ok(Done::of::<DeletionRequest>(self.deletion_id))
    }

    fn example() -> Value {
        json!({
            "deletion_id": "01970000-0000-7000-8000-000000000001",
            "recipient": "Newsletter Ltd",
            "status": "NOTIFIED",
        })
    }
}
