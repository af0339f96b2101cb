//! What the commands on exports have in common.

use agora_domain::{
    Actor, RuleBreak,
    exports::{
        export_job::{ExportContent, ExportJob, ExportJobCommand, Job, KnownReport, RequestExport},
        export_quota::{AcceptExport, ExportQuota, ExportQuotaCommand, WINDOW},
        organization_membership::Tenant,
        subject_exports::{CloseRequest, SubjectExports, SubjectExportsCommand},
    },
    ids::ExportJobId,
};
use agora_event_store::Loaded;
use agora_service::problem::{Problem, Recorded};
use chrono::{DateTime, Utc};
use serde_json::{Value, json};

use crate::{
    authenticate::{Principal, Proof},
    decision::{Decision, Done},
    fields::{Field, List, WrongFields},
    permission::Roles,
    refusal::{CommandError, no_such, too_many},
    reply::Reply,
};

/// The field of a result by which a request that the quota refused is told from one that it took.
const RETRY_AFTER_SECONDS: &str = "retry_after_seconds";

/// Exports that one command may be about.
pub const AT_ONCE_MAX: usize = 100;

/// The ids of several exports, each once, in order.
pub fn ids(fields: Field<List<ExportJobId>>, wrong: &mut WrongFields) -> Option<Vec<ExportJobId>> {
    let mut ids = wrong.list("/export_ids", fields)?;
    ids.sort_unstable();
    ids.dedup();
    if (1..=AT_ONCE_MAX).contains(&ids.len()) {
        return Some(ids);
    }
    wrong.note("/export_ids", &RuleBreak::malformed("must name 1 to 100 exports"))
}

/// Where commands on one export wait for each other.
pub fn queue(job_id: ExportJobId) -> String {
    format!("export_job/{job_id}")
}

/// An export that is there.
pub async fn load(
    decision: &mut Decision<'_>,
    job_id: ExportJobId,
) -> Result<Loaded<ExportJob>, CommandError> {
    let loaded = decision.load::<ExportJob>(job_id.to_string()).await?;
    if loaded.state.get().is_some() { Ok(loaded) } else { Err(no_such("export")) }
}

/// The platform itself, or a program that works for it: a service account. A person who may run jobs
/// may not say how they came out.
pub fn require_system(decision: &Decision<'_>) -> Result<(), CommandError> {
    let is_program = |principal: &Principal| matches!(principal.proof, Proof::ApiKey(..));
    let caller = decision.caller;
    if caller.system || caller.principal.as_ref().is_some_and(is_program) {
        return Ok(());
    }
    let detail = "Only the platform and service accounts with the scope ops say what became of an \
                  export.";
    Err(Problem::forbidden(detail).with_rule("ROL-01").into())
}

pub fn roles(decision: &Decision<'_>) -> Roles {
    decision.caller.role().unwrap_or(Roles::NOBODY)
}

/// The organization that the session carries.
pub fn tenant(decision: &Decision<'_>) -> Option<Tenant> {
    decision.caller.principal.as_ref().and_then(|principal| principal.organization)
}

/// Who waits for deletion or is suspended keeps its rights to its own data, and no others (DXR-15).
pub fn require_unrestricted(decision: &Decision<'_>) -> Result<(), CommandError> {
    if roles(decision).include(Roles::RESTRICTED_MEMBER) {
        let detail = "The account is suspended or waits for deletion: it can export its own data.";
        return Err(Problem::forbidden(detail).with_rule("MEM-05").into());
    }
    Ok(())
}

/// Whether an export is the sender's: its tenant's, its own data, or what it asked for itself. What is
/// somebody else's does not exist (BUF-15).
pub fn is_own(decision: &Decision<'_>, job: &Job) -> Result<bool, CommandError> {
    let actor = decision.actor()?;
    Ok(match &job.content {
        ExportContent::StatutoryReport(report) => {
            tenant(decision).is_some_and(|own| own.organization_id == report.organization_id)
        }
        ExportContent::SubjectData(data) => data.subject == actor,
        ExportContent::PlatformData { .. } => job.requested_by == Some(actor),
    })
}

/// Begins an export that counts towards a quota. Where there is no room it is born failed, and
/// [`answer`] says so.
pub async fn request(
    decision: &mut Decision<'_>,
    quota_of: String,
    content: ExportContent,
    report: Option<KnownReport>,
    requested_by: Option<Actor>,
) -> Result<Done, CommandError> {
    let triggered_at = decision.now;
    let quota = decision.load::<ExportQuota>(quota_of).await?;
    let rate_limited_until = quota.state.full_until(triggered_at);
    let job_id: ExportJobId = decision.new_id();
    let job = decision.begin::<ExportJob>(job_id);
    let request =
        RequestExport { job_id, content, report, requested_by, triggered_at, rate_limited_until };
    decision.decide(&job, ExportJobCommand::Request(request)).await?;
    let done = Done::of::<ExportJob>(job_id);
    if let Some(until) = rate_limited_until {
        let seconds = seconds_until(until, triggered_at);
        return Ok(done.with_result(json!({ RETRY_AFTER_SECONDS: seconds })));
    }
    let accept = AcceptExport { triggered_at };
    decision.decide(&quota, ExportQuotaCommand::Accept(accept)).await?;
    Ok(done)
}

/// Whole seconds, and at least one, until then.
fn seconds_until(until: DateTime<Utc>, now: DateTime<Utc>) -> i64 {
    let wait = (until - now).min(WINDOW);
    wait.num_seconds() + 1
}

/// A request that the quota refused is in the log, with an id under which its row is found, and is
/// answered as what it is (BUF-10, BUF-11).
pub fn answer(reply: Reply) -> Result<Reply, Problem> {
    let Some(seconds) = reply.result.get(RETRY_AFTER_SECONDS).and_then(Value::as_u64) else {
        return Ok(reply);
    };
    let seconds = u32::try_from(seconds).unwrap_or(u32::MAX);
    let mut problem = Problem::too_many_requests(seconds).with_rule("BUF-10");
    problem.detail = "No more than 5 exports can be asked for in one hour: this one is kept as \
                      failed. Ask again after as long as Retry-After says."
        .into();
    Err(problem.with_recorded(Recorded {
        aggregate_type: reply.aggregate_type.into(),
        aggregate_id: reply.aggregate_id,
        position: reply.position,
    }))
}

/// One request in 24 hours is free (DXR-09).
pub fn too_soon(until: DateTime<Utc>, now: DateTime<Utc>) -> Problem {
    too_many((until - now).to_std().unwrap_or_default(), Some("DXR-09"))
}

/// A person whose request has ended may make another (DXR-09). `job` is as it was before.
pub async fn close_request(
    decision: &mut Decision<'_>,
    job: &Job,
    without_file: bool,
) -> Result<(), CommandError> {
    let Some(subject) = job.open_subject() else { return Ok(()) };
    let exports = decision.load::<SubjectExports>(SubjectExports::stream_id(subject)).await?;
    let close = CloseRequest { subject, job_id: job.job_id, without_file };
    decision.decide(&exports, SubjectExportsCommand::Close(close)).await
}
