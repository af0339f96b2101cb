use chrono::{TimeDelta, TimeZone};
use uuid::Uuid;

use super::*;
use crate::{
    compliance::deletion_values::RetentionGround,
    ids::{AdminId, MemberId},
    personal::Subject,
    refusal::{Refusal, RefusalKind},
};

const PERSON: Actor = Actor::member(MemberId(Uuid::from_u128(1)));
const REVIEWER: Actor = Actor::admin(AdminId(Uuid::from_u128(2)));
const SECOND: Actor = Actor::admin(AdminId(Uuid::from_u128(3)));
const STAFF: Actor = Actor::admin(AdminId(Uuid::from_u128(4)));

fn at(seconds: i64) -> DateTime<Utc> {
    Utc.with_ymd_and_hms(2026, 1, 31, 12, 0, 0).unwrap() + TimeDelta::seconds(seconds)
}

fn reason(of: Actor) -> Personal<Reason> {
    Personal::new(Subject::from(of.id), Category::Evidence, "because".parse().unwrap())
}

fn ask(subject: Actor, scope: DeletionScope, categories: &[Category]) -> RequestDeletion {
    RequestDeletion {
        deletion_id: DeletionId(Uuid::from_u128(9)),
        subject,
        scope,
        data_categories: categories.to_vec(),
        legal_ground: DeletionGround::Objection,
        requested_by: subject,
        verification_required: false,
        is_last_global_admin: false,
        now: at(0),
    }
}

fn approve_by(reviewer: Actor) -> ApproveDeletion {
    ApproveDeletion {
        reviewer,
        retention: None,
        recipients: Vec::new(),
        is_last_global_admin: false,
        now: at(3),
    }
}

fn step(store: ErasureStore, result: StepResult) -> DeletionRequestCommand {
    let code = (result == StepResult::Failed).then(|| "vault_failed".parse().unwrap());
    let step = ErasureStep {
        at: at(5),
        store,
        categories: Category::ALL.to_vec(),
        result,
        code,
        count: None,
        key_ids: Vec::new(),
    };
    DeletionRequestCommand::RecordStep(RecordStep { step })
}

fn update(status: BackupStatus) -> DeletionRequestCommand {
    DeletionRequestCommand::UpdateBackup(UpdateBackup { status, gone_at: None, now: at(6) })
}

fn certificate() -> Certificate {
    Certificate { statement: "{}".into(), public_key: "00".into(), signature: "AA==".into() }
}

/// A command of each kind, with the status that it leads to.
fn commands() -> Vec<(&'static str, DeletionRequestCommand)> {
    use DeletionRequestCommand as Command;
    vec![
        ("review", Command::StartReview(StartReview { reviewer: REVIEWER, now: at(2) })),
        ("approve", Command::Approve(approve_by(REVIEWER))),
        (
            "reject",
            Command::Reject(RejectDeletion {
                reviewer: REVIEWER,
                reason: reason(PERSON),
                now: at(3),
            }),
        ),
        ("withdraw", Command::Withdraw(WithdrawDeletion { withdrawn_by: PERSON, now: at(3) })),
        ("start", Command::Start(StartErasure { is_last_global_admin: false, now: at(4) })),
        ("complete", Command::Complete(CompleteErasure { certificate: certificate(), now: at(7) })),
    ]
}

fn tell(request: &mut DeletionRequest, command: DeletionRequestCommand) -> usize {
    let events = request.decide(command).unwrap();
    let count = events.len();
    for event in events {
        cqrs_es::Aggregate::apply(request, event);
    }
    count
}

fn asked(command: RequestDeletion) -> DeletionRequest {
    let mut request = DeletionRequest::default();
    tell(&mut request, DeletionRequestCommand::Request(command));
    request
}

/// A request in each status; the last of them one step before or at its end.
fn in_status(status: DeletionStatus) -> DeletionRequest {
    let mut request = asked(ask(PERSON, DeletionScope::CompleteDeletion, &[]));
    let [review, approve, reject, _, start, complete] =
        commands().into_iter().map(|(_, command)| command).collect::<Vec<_>>().try_into().unwrap();
    if status == DeletionStatus::Pending {
        return request;
    }
    tell(&mut request, review);
    match status {
        DeletionStatus::UnderReview => return request,
        DeletionStatus::Rejected => {
            tell(&mut request, reject);
            return request;
        }
        _ => {}
    }
    tell(&mut request, approve);
    if status == DeletionStatus::Approved {
        return request;
    }
    tell(&mut request, start);
    for store in request.get().unwrap().stores() {
        tell(&mut request, step(store, StepResult::Done));
    }
    tell(&mut request, update(BackupStatus::InProgress));
    tell(&mut request, update(BackupStatus::Completed));
    if status == DeletionStatus::Completed {
        tell(&mut request, complete);
    }
    request
}

fn status(request: &DeletionRequest) -> DeletionStatus {
    request.get().unwrap().status
}

#[test]
fn ddr_03_k18_the_whole_matrix_of_transitions() {
    use DeletionStatus::{Approved, Completed, Pending, Processing, Rejected, UnderReview};
    let allowed = [
        (Pending, "review", UnderReview),
        (Pending, "withdraw", Rejected),
        (UnderReview, "approve", Approved),
        (UnderReview, "reject", Rejected),
        (Approved, "start", Processing),
        (Processing, "complete", Completed),
    ];
    for from in DeletionStatus::ALL {
        assert_eq!(status(&in_status(*from)), *from);
        for (name, command) in commands() {
            let mut request = in_status(*from);
            let to = allowed.iter().find(|(allowed, by, _)| allowed == from && *by == name);
            match (to, request.decide(command.clone())) {
                (Some((_, _, to)), Ok(_)) => {
                    tell(&mut request, command);
                    assert_eq!(status(&request), *to, "{from:?} {name}");
                }
                (None, Err(refused)) => {
                    let rule = refused.rule();
                    assert_eq!(rule, "DDR-03", "{from:?} {name}");
                    assert_eq!(refused.kind(), RefusalKind::Conflict);
                }
                (expected, got) => panic!("{from:?} {name}: {expected:?}, {got:?}"),
            }
        }
    }
    // Of one that is not there nothing becomes anything.
    for (name, command) in commands() {
        let refused = DeletionRequest::default().decide(command).unwrap_err();
        assert_eq!(refused, DeletionRequestError::NotFound, "{name}");
    }
}

#[test]
fn ddr_01_each_list_has_exactly_its_words() {
    fn words<T: Copy>(all: &[T], word: fn(T) -> &'static str) -> Vec<&'static str> {
        all.iter().map(|value| word(*value)).collect()
    }
    let scopes = words(DeletionScope::ALL, DeletionScope::as_str);
    assert_eq!(scopes, ["COMPLETE_DELETION", "PARTIAL_DELETION", "ANONYMIZATION"]);
    let grounds = words(DeletionGround::ALL, DeletionGround::as_str);
    let four = ["CONSENT_WITHDRAWN", "UNLAWFUL_PROCESSING", "NO_LONGER_NECESSARY", "OBJECTION"];
    assert_eq!(grounds[..4], four);
    assert_eq!(
        grounds[4..],
        ["LEGAL_OBLIGATION", "SERVICE_OFFERED_TO_CHILD"],
        "behind a flag (K17)"
    );
    let seeds = DeletionGround::ALL.iter().filter(|ground| !ground.is_extension());
    assert_eq!(seeds.count(), 4);
    let statuses = words(DeletionStatus::ALL, DeletionStatus::as_str);
    let six = ["PENDING", "UNDER_REVIEW", "APPROVED", "REJECTED", "PROCESSING", "COMPLETED"];
    assert_eq!(statuses, six);
    let backups = words(BackupStatus::ALL, BackupStatus::as_str);
    assert_eq!(backups, ["PENDING", "IN_PROGRESS", "COMPLETED", "NOT_APPLICABLE"]);
    for odd in ["", "complete_deletion", "COMPLETE DELETION", "PUBLIC_HEALTH", "FAILED"] {
        assert!(odd.parse::<DeletionScope>().is_err(), "{odd}");
        assert!(odd.parse::<DeletionGround>().is_err(), "{odd}");
        assert!(odd.parse::<DeletionStatus>().is_err(), "{odd}");
        assert!(odd.parse::<BackupStatus>().is_err(), "{odd}");
    }
}

#[test]
fn ddr_02_a_partial_deletion_names_what_and_no_other_does() {
    use Category::{Content, Credential, Evidence, Identity, Network};
    use DeletionScope::{Anonymization, CompleteDeletion, PartialDeletion};
    let ask = |scope, categories: &[Category]| {
        let command = ask(PERSON, scope, categories);
        DeletionRequest::default().decide(DeletionRequestCommand::Request(command))
    };
    assert!(ask(PartialDeletion, &[Content]).is_ok());
    assert!(ask(PartialDeletion, &[Evidence, Network, Content, Content]).is_ok());
    assert!(ask(CompleteDeletion, &[]).is_ok());
    assert!(ask(Anonymization, &[]).is_ok());
    for (scope, categories) in [
        (PartialDeletion, &[][..]),
        (PartialDeletion, &[Identity][..]),
        (PartialDeletion, &[Content, Credential][..]),
        (CompleteDeletion, &[Content][..]),
        (Anonymization, &[Network][..]),
    ] {
        let refused = ask(scope, categories).unwrap_err();
        assert_eq!(refused, DeletionRequestError::WrongCategories, "{scope:?} {categories:?}");
    }
}

#[test]
fn ddr_19_complete_takes_what_was_written_and_anonymization_keeps_it() {
    let of = |scope| asked(ask(PERSON, scope, &[])).get().unwrap().erased_categories();
    assert_eq!(of(DeletionScope::CompleteDeletion), Category::ALL);
    let kept = of(DeletionScope::Anonymization);
    assert_eq!(kept.len(), 4);
    assert!(!kept.contains(&Category::Content));
}

#[test]
fn ddr_04_times_stand_in_order_even_where_clocks_do_not() {
    let mut request = asked(ask(PERSON, DeletionScope::CompleteDeletion, &[]));
    let early = |command: DeletionRequestCommand| match command {
        DeletionRequestCommand::StartReview(it) => {
            DeletionRequestCommand::StartReview(StartReview { now: at(-60), ..it })
        }
        DeletionRequestCommand::Approve(it) => {
            DeletionRequestCommand::Approve(ApproveDeletion { now: at(-90), ..it })
        }
        DeletionRequestCommand::Start(it) => {
            DeletionRequestCommand::Start(StartErasure { now: at(-10), ..it })
        }
        other => other,
    };
    for (name, command) in commands() {
        if ["review", "approve", "start"].contains(&name) {
            tell(&mut request, early(command));
        }
    }
    let request = request.get().unwrap();
    assert_eq!(request.reviewed_at, Some(at(0)));
    assert_eq!(request.processing_started_at, Some(at(0)));
}

#[test]
fn ddr_05_who_rejects_says_why_and_is_named() {
    let request = in_status(DeletionStatus::Rejected);
    let request = request.get().unwrap();
    assert_eq!(request.reviewer_id, Some(REVIEWER));
    assert_eq!(request.reviewed_at, Some(at(3)));
    let approved = in_status(DeletionStatus::Approved);
    assert_eq!(approved.get().unwrap().reviewer_id, Some(REVIEWER));
    assert_eq!(approved.get().unwrap().reviewed_at, Some(at(3)));
}

#[test]
fn ddr_06_ddr_13_what_stays_is_named_is_not_all_and_lets_nobody_in() {
    use Category::{Content, Credential, Evidence, Identity};
    let request = in_status(DeletionStatus::UnderReview);
    let approve = |categories: &[Category]| {
        let ground = RetentionGround::LegalClaims;
        let (categories, reason) = (categories.to_vec(), reason(PERSON));
        let retention = Some(Retention { ground, categories, reason });
        request.decide(DeletionRequestCommand::Approve(ApproveDeletion {
            retention,
            ..approve_by(REVIEWER)
        }))
    };
    let mut approved = in_status(DeletionStatus::UnderReview);
    for event in approve(&[Evidence, Content, Content]).unwrap() {
        cqrs_es::Aggregate::apply(&mut approved, event);
    }
    let request = approved.get().unwrap();
    assert_eq!(request.retention.as_ref().unwrap().categories, [Content, Evidence]);
    let erased = request.erased_categories();
    assert!(!erased.contains(&Content) && !erased.contains(&Evidence) && erased.len() == 3);
    for categories in [&[][..], &[Credential][..], &Category::ALL[..], &[Identity, Credential][..]]
    {
        assert_eq!(approve(categories).unwrap_err(), DeletionRequestError::WrongRetention);
    }
    // Nothing that was not asked for can stay.
    let mut partial = asked(ask(PERSON, DeletionScope::PartialDeletion, &[Content, Evidence]));
    tell(&mut partial, commands().remove(0).1);
    let retention = Some(Retention {
        ground: RetentionGround::LegalObligation,
        categories: vec![Identity],
        reason: reason(PERSON),
    });
    let approve = ApproveDeletion { retention, ..approve_by(REVIEWER) };
    let refused = partial.decide(DeletionRequestCommand::Approve(approve)).unwrap_err();
    assert_eq!(refused, DeletionRequestError::WrongRetention);
}

#[test]
fn ddr_07_nobody_is_erased_before_it_is_known_who_asked() {
    let command = RequestDeletion {
        verification_required: true,
        requested_by: REVIEWER,
        ..ask(PERSON, DeletionScope::CompleteDeletion, &[])
    };
    let mut request = asked(command);
    tell(&mut request, commands().remove(0).1);
    let approve = DeletionRequestCommand::Approve(approve_by(SECOND));
    assert_eq!(request.decide(approve.clone()).unwrap_err(), DeletionRequestError::NotVerified);
    let verify = |verified_by, has_logged_in| {
        DeletionRequestCommand::VerifyIdentity(VerifyIdentity {
            verified_by,
            has_logged_in,
            now: at(2),
        })
    };
    for (by, has_logged_in) in [(PERSON, false), (REVIEWER, true)] {
        let refused = request.decide(verify(by, has_logged_in)).unwrap_err();
        assert_eq!(refused, DeletionRequestError::NotVerified);
    }
    assert_eq!(tell(&mut request, verify(SECOND, false)), 1);
    let again = request.decide(verify(PERSON, true)).unwrap_err();
    assert_eq!(again, DeletionRequestError::NothingToVerify);
    assert_eq!(request.decide(approve).unwrap_err(), DeletionRequestError::Verifier);
    assert_eq!(tell(&mut request, DeletionRequestCommand::Approve(approve_by(STAFF))), 1);
    assert_eq!(status(&request), DeletionStatus::Approved);
}

#[test]
fn ddr_08_nobody_reviews_its_own_and_of_staff_it_takes_two() {
    for (name, command) in commands().into_iter().take(3) {
        let mut request = asked(RequestDeletion {
            requested_by: PERSON,
            ..ask(REVIEWER, DeletionScope::CompleteDeletion, &[])
        });
        if name != "review" {
            let by = StartReview { reviewer: SECOND, now: at(1) };
            tell(&mut request, DeletionRequestCommand::StartReview(by));
        }
        assert_eq!(
            request.decide(command).unwrap_err(),
            DeletionRequestError::OwnRequest,
            "{name}"
        );
    }
    let mut request = asked(ask(STAFF, DeletionScope::CompleteDeletion, &[]));
    tell(&mut request, commands().remove(0).1);
    let approve = |by| DeletionRequestCommand::Approve(approve_by(by));
    assert_eq!(tell(&mut request, approve(REVIEWER)), 1);
    assert_eq!(status(&request), DeletionStatus::UnderReview);
    let refused = request.decide(approve(REVIEWER)).unwrap_err();
    assert_eq!(refused, DeletionRequestError::SameApprover);
    let more = ApproveDeletion { recipients: vec!["X".parse().unwrap()], ..approve_by(SECOND) };
    let refused = request.decide(DeletionRequestCommand::Approve(more)).unwrap_err();
    assert_eq!(refused, DeletionRequestError::ApprovalDiffers);
    assert_eq!(tell(&mut request, approve(SECOND)), 1);
    assert_eq!(status(&request), DeletionStatus::Approved);
}

#[test]
fn adm_05_the_last_global_admin_is_not_erased() {
    let last = RequestDeletion {
        is_last_global_admin: true,
        ..ask(STAFF, DeletionScope::Anonymization, &[])
    };
    let refused =
        DeletionRequest::default().decide(DeletionRequestCommand::Request(last)).unwrap_err();
    assert_eq!(refused, DeletionRequestError::LastGlobalAdmin);
    // It may have become the last one since.
    let mut request = asked(ask(STAFF, DeletionScope::CompleteDeletion, &[]));
    tell(&mut request, commands().remove(0).1);
    let approve = |is_last_global_admin, by| {
        let approve = ApproveDeletion { is_last_global_admin, ..approve_by(by) };
        DeletionRequestCommand::Approve(approve)
    };
    let refused = request.decide(approve(true, REVIEWER)).unwrap_err();
    assert_eq!(refused, DeletionRequestError::LastGlobalAdmin);
    tell(&mut request, approve(false, REVIEWER));
    tell(&mut request, approve(false, SECOND));
    let start = |is_last_global_admin| {
        DeletionRequestCommand::Start(StartErasure { is_last_global_admin, now: at(4) })
    };
    assert_eq!(request.decide(start(true)).unwrap_err(), DeletionRequestError::LastGlobalAdmin);
    assert_eq!(tell(&mut request, start(false)), 1);
}

#[test]
fn k18_only_its_person_takes_a_request_back_and_once() {
    let withdraw =
        |by| DeletionRequestCommand::Withdraw(WithdrawDeletion { withdrawn_by: by, now: at(1) });
    let mut request = in_status(DeletionStatus::Pending);
    let refused = request.decide(withdraw(REVIEWER)).unwrap_err();
    assert_eq!(refused, DeletionRequestError::NotTheSubject);
    assert_eq!(tell(&mut request, withdraw(PERSON)), 1);
    assert_eq!(status(&request), DeletionStatus::Rejected);
    assert_eq!(request.decide(withdraw(PERSON)).unwrap_err(), DeletionRequestError::Ended);
    let reviewed = in_status(DeletionStatus::UnderReview);
    assert_eq!(reviewed.decide(withdraw(PERSON)).unwrap_err(), DeletionRequestError::ReviewBegun);
}

#[test]
fn ddr_09_the_log_of_steps_only_grows_in_order_and_failures_are_told_once() {
    let mut request = in_status(DeletionStatus::Approved);
    let start = StartErasure { is_last_global_admin: false, now: at(4) };
    tell(&mut request, DeletionRequestCommand::Start(start));
    let stores = request.get().unwrap().stores();
    assert_eq!(stores, ErasureStore::ALL);
    let early = request.decide(step(stores[1], StepResult::Done)).unwrap_err();
    assert_eq!(early, DeletionRequestError::OutOfOrder);
    for (done, store) in stores.iter().enumerate() {
        let complete = commands().pop().unwrap().1;
        assert_eq!(request.decide(complete).unwrap_err(), DeletionRequestError::NotErased);
        assert_eq!(tell(&mut request, step(*store, StepResult::Failed)), 1);
        assert_eq!(tell(&mut request, step(*store, StepResult::Failed)), 0, "the same again");
        assert_eq!(status(&request), DeletionStatus::Processing, "K18");
        assert_eq!(tell(&mut request, step(*store, StepResult::Done)), 1);
        assert_eq!(tell(&mut request, step(*store, StepResult::Done)), 0);
        assert_eq!(request.get().unwrap().steps.len(), 2 * (done + 1));
    }
    assert_eq!(request.get().unwrap().next_store(), None);
    let mut partial = asked(ask(PERSON, DeletionScope::PartialDeletion, &[Category::Network]));
    let [review, approve, _, _, start, _] =
        commands().into_iter().map(|(_, command)| command).collect::<Vec<_>>().try_into().unwrap();
    [review, approve, start].into_iter().for_each(|command| {
        tell(&mut partial, command);
    });
    let stores = partial.get().unwrap().stores();
    for store in [ErasureStore::Account, ErasureStore::Mail, ErasureStore::SearchWords] {
        assert!(!stores.contains(&store), "{store:?}");
        let refused = partial.decide(step(store, StepResult::Done)).unwrap_err();
        assert_eq!(refused, DeletionRequestError::ForeignStore);
    }
}

#[test]
fn ddr_10_the_whole_matrix_of_backups_and_none_is_completed_with_them() {
    use BackupStatus::{Completed, InProgress, NotApplicable, Pending};
    let erased = |status: BackupStatus| {
        let mut request = in_status(DeletionStatus::Approved);
        let start = StartErasure { is_last_global_admin: false, now: at(4) };
        tell(&mut request, DeletionRequestCommand::Start(start));
        for store in request.get().unwrap().stores() {
            tell(&mut request, step(store, StepResult::Done));
        }
        let way: &[BackupStatus] = match status {
            Pending => &[],
            InProgress => &[InProgress],
            Completed => &[InProgress, Completed],
            NotApplicable => &[NotApplicable],
        };
        way.iter().for_each(|status| {
            tell(&mut request, update(*status));
        });
        request
    };
    let allowed = [
        (Pending, InProgress),
        (Pending, NotApplicable),
        (InProgress, Completed),
        (InProgress, NotApplicable),
    ];
    for from in BackupStatus::ALL {
        for to in BackupStatus::ALL {
            let decided = erased(*from).decide(update(*to));
            match (from == to, allowed.contains(&(*from, *to))) {
                (true, _) => assert_eq!(decided, Ok(Vec::new())),
                (_, true) => assert_eq!(decided.map(|events| events.len()), Ok(1)),
                _ => assert_eq!(decided.unwrap_err().rule(), "DDR-10", "{from:?} {to:?}"),
            }
        }
        let complete = commands().pop().unwrap().1;
        let ended = matches!(from, Completed | NotApplicable);
        assert_eq!(erased(*from).decide(complete).is_ok(), ended, "{from:?}");
    }
    let mut early = in_status(DeletionStatus::Approved);
    assert!(early.decide(update(InProgress)).is_err());
    let start = StartErasure { is_last_global_admin: false, now: at(4) };
    tell(&mut early, DeletionRequestCommand::Start(start));
    assert_eq!(early.decide(update(InProgress)).unwrap_err(), DeletionRequestError::NotErased);
}

#[test]
fn ddr_11_law_02_an_answer_is_due_in_a_month_and_is_put_off_once_in_it() {
    let mut request = in_status(DeletionStatus::Pending);
    let due = |request: &DeletionRequest| request.get().unwrap().due_at;
    assert_eq!(due(&request), Utc.with_ymd_and_hms(2026, 2, 28, 12, 0, 0).unwrap());
    let extend = |now| {
        DeletionRequestCommand::ExtendDeadline(ExtendDeletionDeadline {
            extended_by: REVIEWER,
            reason: reason(PERSON),
            now,
        })
    };
    let late = request.decide(extend(due(&request) + TimeDelta::seconds(1))).unwrap_err();
    assert_eq!(late, DeletionRequestError::TooLateToExtend);
    tell(&mut request, extend(at(10)));
    assert_eq!(due(&request), Utc.with_ymd_and_hms(2026, 4, 30, 12, 0, 0).unwrap());
    assert_eq!(request.decide(extend(at(11))).unwrap_err(), DeletionRequestError::AlreadyExtended);
    for ended in [DeletionStatus::Approved, DeletionStatus::Rejected, DeletionStatus::Completed] {
        assert_eq!(
            in_status(ended).decide(extend(at(1))).unwrap_err(),
            DeletionRequestError::Ended
        );
    }
}

#[test]
fn ddr_12_law_05_every_recipient_is_told_or_it_is_said_why_not() {
    let mut request = in_status(DeletionStatus::UnderReview);
    let name: Recipient = "Newsletter Ltd".parse().unwrap();
    let twice =
        ApproveDeletion { recipients: vec![name.clone(), name.clone()], ..approve_by(REVIEWER) };
    let refused = request.decide(DeletionRequestCommand::Approve(twice)).unwrap_err();
    assert_eq!(refused, DeletionRequestError::WrongRecipients);
    let approve = ApproveDeletion { recipients: vec![name.clone()], ..approve_by(REVIEWER) };
    tell(&mut request, DeletionRequestCommand::Approve(approve));
    let start = StartErasure { is_last_global_admin: false, now: at(4) };
    tell(&mut request, DeletionRequestCommand::Start(start));
    for store in request.get().unwrap().stores() {
        tell(&mut request, step(store, StepResult::Done));
    }
    tell(&mut request, update(BackupStatus::NotApplicable));
    let complete = || commands().pop().unwrap().1;
    assert_eq!(request.decide(complete()).unwrap_err(), DeletionRequestError::NotNotified);
    let notify = |recipient: &Recipient, status| {
        DeletionRequestCommand::NotifyRecipient(NotifyRecipient {
            recipient: recipient.clone(),
            status,
            notified_by: REVIEWER,
            now: at(8),
        })
    };
    let other = "Somebody else".parse().unwrap();
    let refused = request.decide(notify(&other, RecipientStatus::Notified)).unwrap_err();
    assert_eq!(refused, DeletionRequestError::NoSuchRecipient);
    assert_eq!(tell(&mut request, notify(&name, RecipientStatus::Failed)), 1);
    assert_eq!(request.decide(complete()).unwrap_err(), DeletionRequestError::NotNotified);
    assert_eq!(tell(&mut request, notify(&name, RecipientStatus::Notified)), 1);
    assert_eq!(tell(&mut request, notify(&name, RecipientStatus::Failed)), 0, "told is told");
    assert_eq!(tell(&mut request, complete()), 2);
    for odd in ["", " ", "kari@example.org", "a\nb", &"x".repeat(101)] {
        assert!(odd.parse::<Recipient>().is_err(), "{odd:?}");
    }
}

#[test]
fn law_05_every_exception_of_article_17_3_has_its_letter() {
    let letters: Vec<_> = RetentionGround::ALL.iter().map(|ground| ground.article()).collect();
    assert_eq!(letters, ["17(3)(a)", "17(3)(b)", "17(3)(c)", "17(3)(d)", "17(3)(e)"]);
}
