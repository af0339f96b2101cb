use cqrs_es::Aggregate;
use proptest::prelude::*;
use uuid::Uuid;

use super::*;

fn admin(number: u128) -> ChangeAdminRoster {
    ChangeAdminRoster { admin_id: AdminId(Uuid::from_u128(number)) }
}

fn then(mut roster: AdminRoster, command: AdminRosterCommand) -> AdminRoster {
    for event in roster.decide(command).unwrap() {
        Aggregate::apply(&mut roster, event);
    }
    roster
}

#[test]
fn adm_01_the_roster_tells_whether_there_is_an_admin() {
    let roster = AdminRoster::default();
    assert!(roster.is_empty());
    let roster = then(roster, AdminRosterCommand::Enter(admin(1)));
    assert!(!roster.is_empty());
    assert_eq!(roster.active(), [AdminId(Uuid::from_u128(1))]);
    assert_eq!(roster.decide(AdminRosterCommand::Enter(admin(1))), Ok(vec![]), "twice is once");
}

#[test]
fn adm_05_the_last_active_admin_stays() {
    let one = then(AdminRoster::default(), AdminRosterCommand::Enter(admin(1)));
    assert_eq!(one.decide(AdminRosterCommand::Leave(admin(1))), Err(AdminRosterError::LastAdmin));
    let erased = then(one.clone(), AdminRosterCommand::Erase(admin(1)));
    assert!(erased.is_empty(), "but who was erased is not in it after a restore");
    let two = then(one, AdminRosterCommand::Enter(admin(2)));
    let other = then(two, AdminRosterCommand::Leave(admin(1)));
    assert_eq!(other.decide(AdminRosterCommand::Leave(admin(1))), Ok(vec![]), "left already");
    assert_eq!(other.decide(AdminRosterCommand::Leave(admin(2))), Err(AdminRosterError::LastAdmin));
}

proptest! {
    #[test]
    fn adm_05_once_there_is_an_admin_there_always_is(
        steps in prop::collection::vec((any::<bool>(), 0u128..4), 1..50)
    ) {
        let mut roster = then(AdminRoster::default(), AdminRosterCommand::Enter(admin(0)));
        for (enters, number) in steps {
            let command = if enters { AdminRosterCommand::Enter } else { AdminRosterCommand::Leave };
            for event in roster.decide(command(admin(number))).unwrap_or_default() {
                Aggregate::apply(&mut roster, event);
            }
            prop_assert!(!roster.is_empty());
        }
    }
}
