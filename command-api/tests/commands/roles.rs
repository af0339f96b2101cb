//! Who may send what: every command as every role. What is refused appends nothing and leaves one
//! security record.

use std::collections::{BTreeMap, BTreeSet};

use agora_command_api::commands;
use agora_domain::Actor;
use agora_domain::identity::{
    admin::{Admin, AdminCommand, ChangeAdminStatus},
    member::{Member, MemberCommand, SuspendMember},
    values::AdminScope,
};
use serde_json::{Value, json};

use crate::common::{Call, Person, World};

/// In the order of `EXPECTED`'s letters: guest, member, suspended member, admin, auditor, ops, a member who
/// acts for an organization, and an admin with the scope security. These may what members and admins may:
/// `r` and `y` stand where they may more.
const ROLES: [char; 8] = ['g', 'm', 's', 'a', 'u', 'o', 'r', 'y'];

/// Written down apart from the table in the code: which roles may send a command.
pub const EXPECTED: &[(&str, &str)] = &[
    ("register-member", "gmsauo"),
    ("log-in", "gmsauo"),
    ("record-guest-visit", "g"),
    ("forget-guest", "a"),
    ("log-out", "msauo"),
    ("revoke-session", "msauo"),
    ("revoke-all-sessions", "msauo"),
    ("revoke-everybodys-sessions", "a"),
    ("change-password", "msauo"),
    ("request-password-reset", "gmsauo"),
    ("start-password-reset", "a"),
    ("reset-password", "gmsauo"),
    ("change-email", "mauo"),
    ("confirm-email", "gmsauo"),
    ("change-display-name", "mauo"),
    ("create-admin", "a"),
    ("create-service-account", "a"),
    ("rotate-service-account-key", "a"),
    ("revoke-service-account-key", "a"),
    ("suspend-admin", "a"),
    ("reinstate-admin", "a"),
    ("retire-admin", "a"),
    ("grant-admin-scope", "a"),
    ("revoke-admin-scope", "a"),
    ("delete-admin", "a"),
    ("suspend-member", "a"),
    ("reinstate-member", "a"),
    ("request-account-deletion", "ms"),
    ("mark-member-for-deletion", "a"),
    ("cancel-account-deletion", "a"),
    ("delete-member", "a"),
    ("create-category", "a"),
    ("describe-category", "a"),
    ("reorder-categories", "a"),
    ("retire-category", "a"),
    ("set-configuration", "a"),
    ("describe-configuration", "a"),
    ("remove-configuration", "a"),
    ("register-integration", "a"),
    ("configure-integration", "a"),
    ("enable-integration", "a"),
    ("disable-integration", "a"),
    ("remove-integration", "a"),
    ("report-integration-error", "ao"),
    ("record-integration-sync", "ao"),
    ("create-community", "m"),
    ("update-community", "ma"),
    ("set-community-rules", "ma"),
    ("delete-community", "ma"),
    ("restore-community", "a"),
    ("join-community", "m"),
    ("leave-community", "m"),
    ("visit-community", "m"),
    ("create-post", "ma"),
    ("edit-post", "ma"),
    ("delete-post", "ma"),
    ("restore-post", "ma"),
    ("create-comment", "ma"),
    ("edit-comment", "ma"),
    ("delete-comment", "ma"),
    ("restore-comment", "ma"),
    ("cast-vote", "ma"),
    ("appeal-moderation", "ma"),
    ("decide-appeal", "a"),
    ("create-organization", "a"),
    ("add-organization-member", "a"),
    ("remove-organization-member", "a"),
    ("create-report", "r"),
    ("revise-report", "r"),
    ("submit-report", "r"),
    ("request-export", "msauo"),
    ("cancel-export", "msauo"),
    ("record-export-download", "msauo"),
    ("hide-export", "msauo"),
    ("request-batch-export", "o"),
    ("mark-export-processing", "o"),
    ("mark-export-completed", "o"),
    ("mark-export-failed", "o"),
    ("purge-expired-exports", "o"),
    ("archive-exports", "o"),
    ("extend-export-deadline", "a"),
    ("report-incident", "y"),
    ("record-incident-activity", "y"),
    ("start-investigation", "y"),
    ("assign-incident", "y"),
    ("record-mitigation", "y"),
    ("escalate-incident", "y"),
    ("resolve-incident", "y"),
    ("mark-false-positive", "y"),
    ("add-forensic-data", "y"),
    ("assess-impact", "y"),
    ("declare-breach", "y"),
    ("record-breach-notification", "y"),
    ("whitelist-ip", "y"),
    ("remove-from-whitelist", "y"),
    ("blacklist-ip", "y"),
    ("remove-from-blacklist", "y"),
    ("auto-block-ip", "y"),
    ("lift-auto-block", "y"),
    ("annotate-ip", "y"),
    ("record-external-reputation", "y"),
];

/// What a request was refused with and left behind.
pub struct Refused {
    pub status: u16,
    pub rule: String,
}

/// Sends a command's example, and checks what a refusal must leave.
async fn try_command(
    world: &World,
    person: Option<&Person>,
    command: &str,
    body: &Value,
) -> Option<Refused> {
    let call = Call::new(command).body(body.clone());
    let call = match person {
        Some(person) => call.token(&person.token),
        None => call,
    };
    try_call(world, call, command).await
}

pub async fn try_call(world: &World, call: Call, command: &str) -> Option<Refused> {
    let (head, records) = (world.head().await, world.records().await.len());
    let answer = world.request(call).await;
    if !matches!(answer.status, 401 | 403) {
        assert!(answer.status < 500, "{command}: {}", answer.text);
        return None;
    }
    let problem = answer.problem(answer.status);
    let rule = problem["rule"].as_str().unwrap_or_default().to_owned();
    assert_eq!(world.head().await, head, "{command} appended nothing");
    let records = world.records().await.split_off(records);
    assert_eq!(records.len(), 1, "{command}: {records:?}");
    let record = &records[0];
    assert!(matches!(record.result.as_str(), "FAILURE" | "BLOCKED"), "{record:?}");
    assert_eq!(record.occurrences, 1);
    assert_eq!(record.action, command);
    assert_eq!(record.status, i32::from(answer.status));
    assert_eq!(record.rule.as_deref().unwrap_or_default(), rule);
    Some(Refused { status: answer.status, rule })
}

pub fn examples() -> BTreeMap<String, Value> {
    let document = serde_json::to_value(agora_command_api::openapi::document()).unwrap();
    commands::all()
        .iter()
        .map(|command| {
            let path = format!("/v1/commands/{}", command.name);
            let body = &document["paths"][path]["post"]["requestBody"]["content"];
            (command.name.to_owned(), body["application/json"]["example"].clone())
        })
        .collect()
}

#[tokio::test]
async fn rol_01_every_command_as_every_role() {
    let world = World::new().await;
    let (organization, reporter) = world.reporter().await;
    let people = [
        None,
        Some(world.member().await),
        Some(world.member().await),
        Some(world.admin(&[]).await),
        Some(world.admin(&[AdminScope::Auditor]).await),
        Some(world.admin(&[AdminScope::Ops]).await),
        Some(reporter),
        Some(world.admin(&[AdminScope::Security]).await),
    ];
    let suspend = SuspendMember { suspended_by: Actor::SYSTEM, reason: None };
    let suspended = people[2].as_ref().unwrap().id();
    world.decide::<Member>(&suspended, MemberCommand::Suspend(suspend)).await;
    let examples = examples();
    let listed: BTreeSet<&str> = EXPECTED.iter().map(|(name, _)| *name).collect();
    assert_eq!(listed, examples.keys().map(String::as_str).collect(), "all, and none twice");
    for (command, allowed) in EXPECTED {
        for (role, person) in ROLES.into_iter().zip(&people) {
            // A session of its own: some commands end the one that they are sent with.
            let person = match person {
                Some(person) if role == 'r' => Some(world.session_in(person, &organization).await),
                Some(person) => Some(world.another_session(person).await),
                None => None,
            };
            let refused = try_command(&world, person.as_ref(), command, &examples[*command]).await;
            let rule = refused.as_ref().map(|refused| refused.rule.as_str());
            let by_role = matches!(
                rule,
                Some("ROL-01" | "MEM-05" | "COM-12" | "ADM-01" | "MSH-01" | "COM-08" | "SES-13")
            );
            let may = allowed.contains(role)
                || (role == 'r' && allowed.contains('m'))
                || (role == 'y' && allowed.contains('a'));
            assert_eq!(!by_role, may, "{command} as {role}: {rule:?}");
            if let Some(refused) = refused.filter(|_| by_role) {
                assert_eq!(refused.status, if role == 'g' { 401 } else { 403 }, "{command} {role}");
            }
        }
    }
}

#[tokio::test]
async fn rol_01_adm_04_a_suspended_admin_may_send_nothing() {
    let world = World::new().await;
    let (first, second) = (world.admin(&[]).await, world.admin(&[AdminScope::Global]).await);
    let suspend = AdminCommand::Suspend(ChangeAdminStatus { actor: first.actor });
    world.decide::<Admin>(&second.id(), suspend).await;
    for (command, body) in &examples() {
        let refused = try_command(&world, Some(&second), command, body).await.unwrap();
        assert_eq!((refused.status, refused.rule.as_str()), (401, "ADM-04"), "{command}");
    }
}

#[tokio::test]
async fn rol_01_a_command_that_is_in_no_table_is_nobodys() {
    let world = World::new().await;
    let admin = world.admin(&[AdminScope::Global]).await;
    for command in ["bootstrap-admin", "expire-session", "seed-member", "", "../log-in"] {
        let answer = world.send(&admin, command, json!({})).await;
        answer.problem(404);
    }
    let roles = agora_command_api::permission::Matrix::new().roles("no-such-command");
    assert_eq!(roles, agora_command_api::permission::Roles::NOBODY);
}
