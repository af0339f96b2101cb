use cqrs_es::Aggregate;
use uuid::Uuid;

use super::*;
use crate::{
    changes::tests::exhausted,
    ids::MemberId,
    personal::{Category, Subject},
};

const ADMIN: AdminId = AdminId(Uuid::from_u128(1));
const OTHER: Actor = Actor::admin(AdminId(Uuid::from_u128(2)));

fn personal<T: std::str::FromStr<Err = crate::RuleBreak>>(text: &str) -> Personal<T> {
    Personal::new(Subject::from(ADMIN.0), Category::Identity, text.parse().unwrap())
}

fn new_admin() -> CreateAdmin {
    CreateAdmin {
        admin_id: ADMIN,
        credential_id: CredentialId(Uuid::from_u128(3)),
        display_name: None,
        scopes: vec![AdminScope::Legal, AdminScope::Global, AdminScope::Legal],
        created_by: OTHER,
        roster_empty: false,
        credential_holder: Actor::admin(ADMIN),
    }
}

fn decide_create(command: CreateAdmin) -> Result<Vec<AdminEvent>, AdminError> {
    Admin::default().decide(AdminCommand::Create(command))
}

fn by_other() -> ChangeAdminStatus {
    ChangeAdminStatus { actor: OTHER }
}

fn scope(scope: AdminScope) -> ChangeAdminScope {
    ChangeAdminScope { scope, actor: OTHER }
}

fn rename(name: &str) -> AdminCommand {
    AdminCommand::ChangeDisplayName(ChangeAdminDisplayName { display_name: Some(personal(name)) })
}

fn then(mut admin: Admin, command: AdminCommand) -> Admin {
    for event in admin.decide(command).unwrap() {
        Aggregate::apply(&mut admin, event);
    }
    admin
}

fn given(commands: impl IntoIterator<Item = AdminCommand>) -> Admin {
    commands.into_iter().fold(then(Admin::default(), AdminCommand::Create(new_admin())), then)
}

#[test]
fn adm_01_an_admin_is_created_by_an_admin_and_the_first_by_the_platform() {
    let member = Actor::member(MemberId(Uuid::from_u128(4)));
    let by = |created_by, roster_empty| {
        decide_create(CreateAdmin { created_by, roster_empty, ..new_admin() }).map(|_| ())
    };
    assert_eq!(by(OTHER, false), Ok(()));
    assert_eq!(by(Actor::SYSTEM, true), Ok(()));
    assert_eq!(by(Actor::SYSTEM, false), Err(AdminError::AlreadyBootstrapped));
    assert_eq!(by(member, false), Err(AdminError::CreatorIsNoAdmin));
    assert_eq!(by(member, true), Err(AdminError::CreatorIsNoAdmin));
}

#[test]
fn adm_02_a_member_is_never_made_an_admin() {
    for credential_holder in [Actor::member(MemberId(ADMIN.0)), OTHER] {
        let refused = decide_create(CreateAdmin { credential_holder, ..new_admin() });
        assert_eq!(refused, Err(AdminError::CredentialOfAnother));
    }
}

/// Taking an auditor's only scope away would make it a full admin.
#[test]
fn adm_06_the_last_scope_cannot_be_revoked() {
    let auditor = CreateAdmin { scopes: vec![AdminScope::Auditor], ..new_admin() };
    let events = Admin::default().decide(AdminCommand::Create(auditor)).unwrap();
    let mut admin = Admin::default();
    for event in events {
        cqrs_es::Aggregate::apply(&mut admin, event);
    }
    let revoke = AdminCommand::RevokeScope(scope(AdminScope::Auditor));
    assert_eq!(admin.decide(revoke), Err(AdminError::LastScope));
}

/// What admins may do is the table of permissions; that a scope is not needed for it is here.
#[test]
fn adm_03_an_active_admin_administers_without_any_scope() {
    let plain = CreateAdmin { scopes: Vec::new(), ..new_admin() };
    let admin = then(Admin::default(), AdminCommand::Create(plain));
    assert_eq!(admin.require_active(), Ok(()));
    assert_eq!(admin.scopes(), []);
}

#[test]
fn adm_04_suspended_and_retired_admins_are_refused() {
    let active = given([]);
    assert!(active.is_active() && active.require_active().is_ok());
    let suspended = given([AdminCommand::Suspend(by_other())]);
    let retired = given([AdminCommand::Retire(by_other())]);
    for admin in [&suspended, &retired] {
        assert!(!admin.is_active());
        let refused = admin.require_active().unwrap_err();
        assert_eq!((refused.rule(), refused.kind()), ("ADM-04", RefusalKind::Forbidden));
        assert_eq!(admin.decide(rename("Kari")), Err(AdminError::NotActive));
    }
    assert_eq!(Admin::default().require_active(), Err(AdminError::NotFound));
}

/// Every status times every change of it: where it leads, or why not.
#[test]
fn adm_04_the_whole_matrix_of_transitions() {
    use AdminStatus::{Active, Retired, Suspended};
    let changes = [AdminCommand::Suspend, AdminCommand::Reinstate, AdminCommand::Retire];
    let gone = || Err(AdminError::Retired);
    let matrix = [
        (given([]), [Ok(Suspended), Ok(Active), Ok(Retired)]),
        (given([AdminCommand::Suspend(by_other())]), [Ok(Suspended), Ok(Active), Ok(Retired)]),
        (given([AdminCommand::Retire(by_other())]), [gone(), gone(), Ok(Retired)]),
    ];
    for (admin, expected) in matrix {
        let from = admin.status().unwrap();
        assert_eq!(serde_json::to_value(from).unwrap(), from.as_str());
        for (change, expected) in changes.iter().zip(expected) {
            let reached = admin.decide(change(by_other())).map(|events| {
                assert_eq!(events.is_empty(), expected == Ok(from));
                then(admin.clone(), change(by_other())).status().unwrap()
            });
            assert_eq!(reached, expected, "{from:?}");
        }
    }
}

#[test]
fn adm_06_a_grant_tells_the_scopes_before_and_after() {
    use AdminScope::{Auditor, Global, Legal};
    let admin = given([]);
    assert_eq!(admin.scopes(), [Global, Legal], "sorted, each once");
    let granted = AdminCommand::GrantScope(scope(Auditor));
    assert_eq!(
        admin.decide(granted.clone()).unwrap(),
        [AdminEvent::AdminScopeGranted {
            scope: Auditor,
            granted_by: OTHER,
            previous: vec![Global, Legal],
            scopes: vec![Global, Legal, Auditor],
        }]
    );
    let admin = then(admin, granted.clone());
    assert!(admin.has_scope(Auditor));
    assert_eq!(admin.decide(granted), Ok(vec![]), "twice is once");
}

#[test]
fn adm_06_a_revocation_tells_the_scopes_before_and_after() {
    use AdminScope::{Global, Legal, Ops};
    let admin = given([]);
    let revoked = AdminCommand::RevokeScope(scope(Global));
    assert_eq!(
        admin.decide(revoked.clone()).unwrap(),
        [AdminEvent::AdminScopeRevoked {
            scope: Global,
            revoked_by: OTHER,
            previous: vec![Global, Legal],
            scopes: vec![Legal],
        }]
    );
    assert!(!then(admin.clone(), revoked).has_scope(Global));
    assert_eq!(admin.decide(AdminCommand::RevokeScope(scope(Ops))), Ok(vec![]));
}

#[test]
fn adm_06_a_retired_admin_is_granted_nothing() {
    let admin = given([AdminCommand::Retire(by_other())]);
    for command in [AdminCommand::GrantScope, AdminCommand::RevokeScope] {
        assert_eq!(admin.decide(command(scope(AdminScope::Global))), Err(AdminError::Retired));
    }
}

#[test]
fn a_name_that_changes_nothing_gives_no_event() {
    let admin = given([rename("Kari")]);
    assert_eq!(admin.display_name(), Some(&personal("Kari")));
    assert_eq!(admin.decide(rename("Kari")), Ok(vec![]));
}

#[test]
fn rel_10_what_does_not_exist_is_not_found() {
    let commands = [
        rename("Kari"),
        AdminCommand::Suspend(by_other()),
        AdminCommand::Reinstate(by_other()),
        AdminCommand::Retire(by_other()),
        AdminCommand::GrantScope(scope(AdminScope::Ops)),
        AdminCommand::RevokeScope(scope(AdminScope::Ops)),
    ];
    for command in commands {
        assert_eq!(Admin::default().decide(command), Err(AdminError::NotFound));
    }
    let again = given([]).decide(AdminCommand::Create(new_admin()));
    assert_eq!(again, Err(AdminError::AlreadyExists));
}

#[test]
fn adm_05_a_deleted_admin_is_retired_for_good_and_deleted_once() {
    for before in
        [vec![], vec![AdminCommand::Suspend(by_other())], vec![AdminCommand::Retire(by_other())]]
    {
        let deleted = then(given(before), AdminCommand::Delete(by_other()));
        assert!(deleted.is_deleted() && !deleted.is_active());
        assert_eq!(deleted.decide(AdminCommand::Reinstate(by_other())), Err(AdminError::Retired));
        assert_eq!(deleted.decide(AdminCommand::Delete(by_other())), Ok(vec![]));
    }
    let nobody = Admin::default().decide(AdminCommand::Delete(by_other()));
    assert_eq!(nobody, Err(AdminError::NotFound));
}

#[test]
fn adm_06_whatever_is_done_an_admin_stays_below_200_events_and_can_be_deleted() {
    const SCOPES: [AdminScope; 4] =
        [AdminScope::Security, AdminScope::Privacy, AdminScope::Auditor, AdminScope::Ops];
    let (admin, events) = exhausted(given([]), |turn| {
        let grant = |it| AdminCommand::GrantScope(scope(it));
        let revoke = |it| AdminCommand::RevokeScope(scope(it));
        let mut round = vec![rename(&format!("Kari {turn}"))];
        round.extend(SCOPES.map(grant));
        // In the end every scope but the last is taken away.
        round.extend(SCOPES.map(revoke));
        round.extend([AdminCommand::Suspend(by_other()), AdminCommand::Reinstate(by_other())]);
        round
    });
    assert!((100..195).contains(&events), "{events}");
    assert!(!admin.is_active(), "no suspension was refused");
    let refused = admin.decide(AdminCommand::Reinstate(by_other())).unwrap_err();
    assert_eq!((refused.rule(), refused.kind()), ("ADM-06", RefusalKind::Invalid));
    assert!(then(admin, AdminCommand::Delete(by_other())).is_deleted());
}
