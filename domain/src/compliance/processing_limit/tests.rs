use uuid::Uuid;

use super::*;
use crate::{compliance::policy_series::tests::at, ids::MemberId};

fn me() -> Actor {
    Actor::member(MemberId(Uuid::from_u128(1)))
}

fn tell(limit: &mut ProcessingLimit, command: ProcessingLimitCommand) -> Result<usize, String> {
    let events = limit.decide(command).map_err(|error| error.rule().to_owned())?;
    let count = events.len();
    for event in events {
        cqrs_es::Aggregate::apply(limit, event);
    }
    Ok(count)
}

fn object(consent_type: ConsentType, basis: Option<ConsentBasis>) -> ProcessingLimitCommand {
    ProcessingLimitCommand::Object(ObjectToProcessing {
        limit_id: ProcessingLimitId(Uuid::from_u128(2)),
        principal: me(),
        consent_type,
        purpose: "ranking".parse().unwrap(),
        reason: None,
        basis,
        now: at(1),
    })
}

#[test]
fn law_06_what_can_be_objected_to_and_marketing_always() {
    use ConsentBasis::*;
    for (basis, taken) in [
        (None, true),
        (Some(LegitimateInterests), true),
        (Some(PublicTask), true),
        (Some(Consent), false),
        (Some(Contract), false),
        (Some(LegalObligation), false),
        (Some(VitalInterests), false),
    ] {
        let mut limit = ProcessingLimit::default();
        let told = tell(&mut limit, object(ConsentType::Analytics, basis));
        assert_eq!(told, if taken { Ok(1) } else { Err("LAW-06".to_owned()) }, "{basis:?}");
        let marketing =
            tell(&mut ProcessingLimit::default(), object(ConsentType::Marketing, basis));
        assert_eq!(marketing, Ok(1), "{basis:?}");
    }
}

#[test]
fn law_06_an_objection_holds_until_it_is_withdrawn_and_each_is_a_record() {
    let mut limit = ProcessingLimit::default();
    let withdraw = || ProcessingLimitCommand::WithdrawObjection { now: at(2) };
    assert_eq!(tell(&mut limit, withdraw()), Err("LAW-06".to_owned()));
    let objection = || object(ConsentType::Analytics, None);
    assert_eq!(tell(&mut limit, objection()), Ok(1));
    assert_eq!(tell(&mut limit, objection()), Ok(0), "the same again");
    assert!(limit.in_force().is_some());
    assert_eq!(tell(&mut limit, withdraw()), Ok(1));
    assert_eq!(limit.in_force(), None);
    assert_eq!(limit.record().unwrap().ended_at, Some(at(2)));
    assert_eq!(tell(&mut limit, withdraw()), Ok(0), "twice");
    assert_eq!(tell(&mut limit, objection()), Ok(1));
}

#[test]
fn law_05_a_restriction_is_ended_by_its_person_or_lifted_with_a_reason() {
    let mut limit = ProcessingLimit::default();
    let lift = || {
        let subject = me().subject();
        let reason = "It was checked and is right.".parse().unwrap();
        ProcessingLimitCommand::LiftRestriction(LiftRestriction {
            lifted_by: Actor::SYSTEM,
            reason: Personal::new(subject, crate::personal::Category::Evidence, reason),
            now: at(0),
        })
    };
    let restrict = || {
        ProcessingLimitCommand::Restrict(RestrictProcessing {
            limit_id: ProcessingLimitId(Uuid::from_u128(3)),
            principal: me(),
            ground: RestrictionGround::AccuracyContested,
            reason: None,
            now: at(1),
        })
    };
    assert_eq!(tell(&mut limit, lift()), Err("LAW-05".to_owned()));
    assert_eq!(tell(&mut limit, restrict()), Ok(1));
    assert_eq!(tell(&mut limit, restrict()), Ok(0));
    assert_eq!(tell(&mut limit, lift()), Ok(1));
    assert_eq!(limit.record().unwrap().ended_at, Some(at(1)), "never before it began");
    assert_eq!(tell(&mut limit, lift()), Ok(0));
    assert_eq!(tell(&mut limit, restrict()), Ok(1));
    let withdraw = ProcessingLimitCommand::WithdrawRestriction { now: at(3) };
    assert_eq!(tell(&mut limit, withdraw), Ok(1));
    for ground in RestrictionGround::ALL {
        assert_eq!(ground.as_str().parse(), Ok(*ground));
    }
    assert_eq!("BECAUSE".parse::<RestrictionGround>().unwrap_err().rule, Some("LAW-05"));
}
