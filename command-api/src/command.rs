//! What a command is: its name, its body, and its use case.

use agora_service::{deprecation::Deprecation, problem::Problem};
use serde::de::DeserializeOwned;
use serde_json::Value;
use utoipa::ToSchema;

use crate::{
    decision::{Decision, Done},
    fields::WrongFields,
    refusal::CommandError,
    reply::Reply,
};

/// One command; each has a file of its own in [`crate::commands`].
pub trait Command: Sized + Send + Sync + 'static {
    /// In kebab case; the path is `/v1/commands/{NAME}`.
    const NAME: &'static str;
    /// One line for the OpenAPI document.
    const SUMMARY: &'static str;
    /// The rules that it may break, for the OpenAPI document.
    const RULES: &'static [&'static str];
    /// The reply holds a secret, so no receipt may keep it: `Idempotency-Key` is refused.
    const SECRET_REPLY: bool = false;
    /// Whether it is counted how many of its senders were guests until now (GST-06).
    const COUNTS_GUESTS: bool = false;
    /// Set where it is to go: replies and the OpenAPI document say so (ESX-14).
    const DEPRECATED: Option<Deprecation> = None;
    /// The body as it comes.
    type Body: DeserializeOwned + Default + ToSchema + Send;

    /// The body's values, all wrong ones reported together.
    fn parse(body: Self::Body, wrong: &mut WrongFields) -> Option<Self>;

    /// Work that must not be done again when the decision is: hashing a password.
    fn prepare(
        &mut self,
        _: &crate::App,
        _: &crate::execute::Caller,
    ) -> impl Future<Output = Result<(), Problem>> + Send {
        std::future::ready(Ok(()))
    }

    /// The stream that this command will most likely write to, where many may want it at once:
    /// commands on one stream are decided one after the other.
    fn queue(&self, _: &crate::execute::Caller) -> Option<String> {
        None
    }

    /// Loads what the decision needs, decides, and says what was made or changed.
    fn decide(
        &self,
        decision: &mut Decision<'_>,
    ) -> impl Future<Output = Result<Done, CommandError>> + Send;

    /// As [`Self::SECRET_REPLY`], of one command where only some replies hold a secret.
    fn reply_is_secret(&self) -> bool {
        Self::SECRET_REPLY
    }

    /// What a command that is in the log is answered, now and whenever a receipt answers for it:
    /// a problem where it stands there as one that was refused (BUF-10).
    fn answer(reply: Reply) -> Result<Reply, Problem> {
        Ok(reply)
    }

    /// A body for the documentation.
    fn example() -> Value;
}
