use std::collections::HashSet;

use super::*;
use crate::identity::values::AdminScope;

#[test]
fn rol_01_nothing_stands_in_two_rows() {
    let mut seen = HashSet::new();
    for (name, who) in COMMANDS.iter().chain(READS.iter()) {
        assert!(seen.insert(*name), "{name}");
        assert_ne!(*who, Roles::NOBODY, "{name}");
    }
}

#[test]
fn ppv_13_what_needs_no_acceptance_is_a_command_that_members_may_send() {
    for name in WITHOUT_ACCEPTANCE {
        let row = COMMANDS.iter().find(|(listed, _)| listed == name);
        assert!(row.is_some_and(|(_, who)| who.include(Roles::MEMBER)), "{name}");
    }
}

#[test]
fn rol_01_auditors_and_ops_do_not_administer() {
    use AdminScope::{Auditor, Global, Ops, Security};
    let of = Roles::of_admin;
    assert_eq!(of(&[]), Roles::ADMIN);
    assert_eq!(of(&[Security]), Roles::ADMIN.and(Roles::SECURITY));
    assert_eq!(of(&[Global]), ADMINS.and(Roles::SECURITY).and(Roles::PRIVACY));
    assert_eq!(of(&[Auditor]), Roles::AUDITOR);
    assert_eq!(of(&[Auditor, Ops]), Roles::AUDITOR.and(Roles::OPS));
    let both = Roles::ADMIN.and(Roles::SECURITY).and(Roles::AUDITOR);
    assert_eq!(of(&[Security, Auditor]), both);
    assert_eq!(of(&[Auditor]).in_person(), Roles::AUDITOR);
    assert!(of(&[]).in_person().include(Roles::ADMIN_IN_PERSON));
}
