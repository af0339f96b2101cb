//! What the commands about the privacy policy have in common, and the gate that asks members for their
//! acceptance before they write (PPV-13).

use agora_domain::{
    Actor,
    compliance::{
        policy_acceptance::PolicyAcceptance,
        policy_series::PolicySeries,
        policy_version::{PolicyVersion, PolicyVersionError},
    },
    identity::{admin::Admin, values::AdminScope},
    ids::PolicyVersionId,
    permissions::{Roles, WITHOUT_ACCEPTANCE},
};
use agora_event_store::Loaded;
use agora_service::problem::Problem;
use utoipa::ToSchema;

use crate::{
    decision::Decision,
    refusal::{CommandError, refused},
};

/// The scope of claims under which version numbers stand (PPV-01).
pub const POLICY_VERSION: &str = "policy_version";

/// Lets members write only once they have accepted the version that holds, where it asks for that. What
/// needs no acceptance stands in [`WITHOUT_ACCEPTANCE`]. Costs one cached stream while no version asks.
pub async fn admit(decision: &mut Decision<'_>, command: &str) -> Result<(), CommandError> {
    let Some(principal) = &decision.caller.principal else { return Ok(()) };
    let actor = principal.actor;
    if actor.as_member().is_none() {
        return Ok(());
    }
    let series = decision.load::<PolicySeries>(PolicySeries::STREAM_ID).await?;
    let Some(current) = series.state.current(decision.now) else { return Ok(()) };
    if !current.acceptance_required {
        return Ok(());
    }
    // What everybody may send who is not logged in cannot ask who is.
    let by_guests = decision.app.matrix.roles(command).include(Roles::GUEST);
    if by_guests || WITHOUT_ACCEPTANCE.contains(&command) {
        return Ok(());
    }
    let acceptance = decision.load::<PolicyAcceptance>(PolicyAcceptance::stream_id(actor)).await?;
    if acceptance.state.is_of(current.version_id) {
        return Ok(());
    }
    let detail = format!(
        "Version {} of the privacy policy holds now and asks for your acceptance: read \
         /v1/policies/current, then send accept-policy.",
        current.version_number
    );
    Err(Problem::forbidden(detail).with_rule("PPV-13").into())
}

/// The version of this id.
///
/// # Errors
/// 404 where there is none, before anything else is told of it.
pub async fn version(
    decision: &mut Decision<'_>,
    version_id: PolicyVersionId,
) -> Result<Loaded<PolicyVersion>, CommandError> {
    let version = decision.load::<PolicyVersion>(version_id.to_string()).await?;
    match version.state.document() {
        Some(_) => Ok(version),
        None => Err(refused(PolicyVersionError::NotFound)),
    }
}

/// Whether an admin has the scope `legal` now.
pub async fn is_legal(decision: &mut Decision<'_>, actor: Actor) -> Result<bool, CommandError> {
    let Some(admin_id) = actor.as_admin() else { return Ok(false) };
    let admin = decision.load::<Admin>(admin_id.to_string()).await?;
    Ok(admin.state.scopes().contains(&AdminScope::Legal))
}

/// What is different from the version before, one of a list.
#[derive(ToSchema)]
#[schema(as = MajorChange, min_length = 1, max_length = 500)]
#[expect(dead_code, reason = "it stands in the OpenAPI document alone")]
pub struct MajorChangeSchema(String);
