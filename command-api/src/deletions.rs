//! What the commands on requests to be erased have in common.

use std::str::FromStr;

use agora_domain::{
    Actor, PersonalCategory, RuleBreak,
    compliance::{
        deletion_request::{DeletionRequest, Request},
        subject_erasures::{CloseErasure, SubjectErasures, SubjectErasuresCommand},
    },
    identity::{
        admin::{Admin, AdminCommand, ChangeAdminStatus},
        admin_roster::{AdminRoster, AdminRosterCommand, ChangeAdminRoster},
        member::{Member, MemberCommand, MemberStatus},
        service_account::ServiceAccount,
        values::AdminScope,
    },
    ids::{AdminId, DeletionId},
};
use agora_event_store::Loaded;
use utoipa::ToSchema;

use crate::{
    accounts, admins,
    decision::Decision,
    permission::Roles,
    refusal::{CommandError, no_such},
    service_accounts,
};

/// A category of keys, as bodies name it.
#[derive(Debug)]
pub struct CategoryWord(pub PersonalCategory);

impl FromStr for CategoryWord {
    type Err = RuleBreak;

    fn from_str(text: &str) -> Result<Self, RuleBreak> {
        PersonalCategory::parse(text).map(Self).ok_or(RuleBreak::new(
            "DDR-02",
            "must be identity, content, network, evidence or credential",
        ))
    }
}

/// A category of keys.
#[derive(ToSchema)]
#[schema(as = PersonalCategory, pattern = "^(identity|content|network|evidence|credential)$")]
#[expect(dead_code, reason = "it stands in the OpenAPI document alone")]
pub struct CategorySchema(String);

/// Where commands on one request wait for each other.
pub fn queue(deletion_id: DeletionId) -> String {
    format!("deletion_request/{deletion_id}")
}

/// A request that is there.
pub async fn load(
    decision: &mut Decision<'_>,
    deletion_id: DeletionId,
) -> Result<Loaded<DeletionRequest>, CommandError> {
    let loaded = decision.load::<DeletionRequest>(deletion_id.to_string()).await?;
    if loaded.state.get().is_some() { Ok(loaded) } else { Err(no_such("request")) }
}

/// A request that the sender made or reviews: of others nobody is told.
pub async fn load_own_or_reviewed(
    decision: &mut Decision<'_>,
    deletion_id: DeletionId,
) -> Result<Loaded<DeletionRequest>, CommandError> {
    let loaded = load(decision, deletion_id).await?;
    let actor = decision.actor()?;
    let is_own = loaded.state.get().is_some_and(|request| request.subject == actor);
    if is_own || reviews(decision) { Ok(loaded) } else { Err(no_such("request")) }
}

/// Whether the sender may review requests: an admin with the scope `privacy` or `global`.
pub fn reviews(decision: &Decision<'_>) -> bool {
    let roles = decision.caller.role().unwrap_or(Roles::NOBODY);
    roles.include(Roles::PRIVACY)
}

/// That a person decides, and no program (DDR-08).
pub fn require_person(decision: &Decision<'_>) -> Result<(), CommandError> {
    match &decision.caller.principal {
        Some(principal) => Ok(principal.require_session().map(|_| ())?),
        None => Ok(()),
    }
}

/// Whether nobody with the scope `global` would be left without this admin.
pub async fn is_last_global_admin(
    decision: &mut Decision<'_>,
    subject: Actor,
) -> Result<bool, CommandError> {
    let Some(subject) = subject.as_admin() else { return Ok(false) };
    if !is_global(decision, subject).await? {
        return Ok(false);
    }
    let roster = decision.load::<AdminRoster>(AdminRoster::STREAM_ID).await?;
    for admin_id in roster.state.active() {
        let is_program = |account: &ServiceAccount| account.exists();
        if *admin_id != subject
            && is_global(decision, *admin_id).await?
            && !is_program(&decision.load::<ServiceAccount>(admin_id.to_string()).await?.state)
        {
            return Ok(false);
        }
    }
    Ok(true)
}

async fn is_global(decision: &mut Decision<'_>, admin_id: AdminId) -> Result<bool, CommandError> {
    let admin = decision.load::<Admin>(admin_id.to_string()).await?.state;
    Ok(admin.is_active() && admin.has_scope(AdminScope::Global))
}

/// A person whose request has ended may make another (DDR-18). `request` is as it was before.
pub async fn close_request(
    decision: &mut Decision<'_>,
    request: &Request,
    is_erased: bool,
) -> Result<(), CommandError> {
    let Some(subject) = request.open_subject() else { return Ok(()) };
    let id = SubjectErasures::stream_id(subject);
    let erasures = decision.load::<SubjectErasures>(id).await?;
    let close = CloseErasure { subject, deletion_id: request.deletion_id, is_erased };
    decision.decide(&erasures, SubjectErasuresCommand::Close(close)).await
}

/// Ends an account, whatever it is doing: nobody logs in with it, and its address leads to nobody. Of the
/// last admin it does so after a restore alone.
pub async fn close_account(
    decision: &mut Decision<'_>,
    subject: Actor,
    is_restored: bool,
) -> Result<(), CommandError> {
    if let Some(admin_id) = subject.as_admin() {
        return close_admin(decision, admin_id, is_restored).await;
    }
    let Some(member_id) = subject.as_member() else { return Ok(()) };
    let member = decision.load::<Member>(member_id.to_string()).await?;
    // After a restore the log may be older than the account.
    if !member.state.exists() || member.state.status() == Some(MemberStatus::Deleted) {
        return Ok(());
    }
    decision.decide(&member, MemberCommand::Erase).await?;
    let Some(credential_id) = member.state.credential_id() else { return Ok(()) };
    accounts::close(decision, subject, credential_id, Actor::SYSTEM).await
}

async fn close_admin(
    decision: &mut Decision<'_>,
    admin_id: AdminId,
    is_restored: bool,
) -> Result<(), CommandError> {
    let admin = decision.load::<Admin>(admin_id.to_string()).await?;
    if !admin.state.exists() || admin.state.is_deleted() {
        return Ok(());
    }
    if is_restored {
        let delete = AdminCommand::Delete(ChangeAdminStatus { actor: Actor::SYSTEM });
        decision.decide(&admin, delete).await?;
        let roster = decision.load::<AdminRoster>(AdminRoster::STREAM_ID).await?;
        let erase = AdminRosterCommand::Erase(ChangeAdminRoster { admin_id });
        decision.decide(&roster, erase).await?;
    } else {
        admins::leaves(decision, admin_id, AdminCommand::Delete).await?;
    }
    service_accounts::end_key(decision, admin_id, Actor::SYSTEM).await?;
    let is_program = decision.load::<ServiceAccount>(admin_id.to_string()).await?.state.exists();
    match admin.state.credential_id().filter(|_| !is_program) {
        Some(credential_id) => {
            accounts::close(decision, Actor::admin(admin_id), credential_id, Actor::SYSTEM).await
        }
        None => Ok(()),
    }
}
