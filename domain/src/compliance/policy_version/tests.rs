use uuid::Uuid;

use super::*;
use crate::{compliance::policy_series::tests::at, ids::AdminId, personal::Category};

const AUTHOR: Actor = Actor::admin(AdminId(Uuid::from_u128(1)));
const EDITOR: Actor = Actor::admin(AdminId(Uuid::from_u128(2)));
const REVIEWER: Actor = Actor::admin(AdminId(Uuid::from_u128(3)));

const STATUSES: [ReviewStatus; 4] = [
    ReviewStatus::Draft,
    ReviewStatus::UnderReview,
    ReviewStatus::Approved,
    ReviewStatus::Published,
];

fn drafted() -> PolicyVersionCommand {
    PolicyVersionCommand::Draft(DraftPolicy {
        version_id: PolicyVersionId(Uuid::from_u128(7)),
        version_number: "v1".parse().unwrap(),
        effective_date: at(10),
        policy_content: "What we do with your data.".parse().unwrap(),
        major_changes: Some(vec!["We ask less.".parse().unwrap()]),
        acceptance_required: true,
        drafted_by: AUTHOR,
    })
}

fn text(text: &str, by: Actor) -> PolicyVersionCommand {
    PolicyVersionCommand::Edit(EditPolicyDraft {
        effective_date: None,
        policy_content: Some(text.parse().unwrap()),
        major_changes: None,
        acceptance_required: None,
        edited_by: by,
    })
}

fn date(hours: i64) -> PolicyVersionCommand {
    PolicyVersionCommand::Edit(EditPolicyDraft {
        effective_date: Some(at(hours)),
        policy_content: None,
        major_changes: None,
        acceptance_required: None,
        edited_by: EDITOR,
    })
}

fn submit() -> PolicyVersionCommand {
    PolicyVersionCommand::Submit(SubmitPolicy { submitted_by: AUTHOR })
}

fn changes(by: Actor) -> PolicyVersionCommand {
    let reason =
        Personal::new(by.subject(), Category::Content, "Name the processors.".parse().unwrap());
    PolicyVersionCommand::RequestChanges(RequestPolicyChanges {
        requested_by: by,
        is_legal: true,
        reason,
    })
}

fn approve(by: Actor, is_legal: bool) -> PolicyVersionCommand {
    PolicyVersionCommand::Approve(ApprovePolicy { reviewed_by: by, is_legal, now: at(2) })
}

fn publish(hours: i64) -> PolicyVersionCommand {
    PolicyVersionCommand::Publish(PublishPolicy { published_by: AUTHOR, now: at(hours) })
}

fn notified() -> PolicyVersionCommand {
    PolicyVersionCommand::MarkNotified(MarkPolicyNotified { notified_by: AUTHOR })
}

fn then(version: &mut PolicyVersion, command: PolicyVersionCommand) -> usize {
    let events = version.decide(command).unwrap();
    let count = events.len();
    for event in events {
        cqrs_es::Aggregate::apply(version, event);
    }
    count
}

/// A version at that step of its review.
fn at_step(status: ReviewStatus) -> PolicyVersion {
    let mut version = PolicyVersion::default();
    let steps = [drafted(), submit(), approve(REVIEWER, true), publish(3)];
    let count = STATUSES.iter().position(|listed| *listed == status).unwrap() + 1;
    for step in steps.into_iter().take(count) {
        then(&mut version, step);
    }
    assert_eq!(version.document().unwrap().legal_review_status, status);
    version
}

fn status(version: &PolicyVersion) -> ReviewStatus {
    version.document().unwrap().legal_review_status
}

/// The state that a command leads to, or why it is refused.
type Next = Result<ReviewStatus, PolicyVersionError>;

#[test]
fn ppv_04_every_step_from_every_state() {
    use PolicyVersionError::{Frozen, NotPublished, WrongStep};
    use ReviewStatus::{Approved, Draft, Published, UnderReview};
    let cases: [(&str, PolicyVersionCommand, [Next; 4]); 7] = [
        (
            "edit",
            text("Another text.", AUTHOR),
            [Ok(Draft), Err(WrongStep), Err(Frozen), Err(Frozen)],
        ),
        ("move", date(20), [Ok(Draft), Ok(UnderReview), Ok(Approved), Err(Frozen)]),
        ("submit", submit(), [Ok(UnderReview), Ok(UnderReview), Err(WrongStep), Err(WrongStep)]),
        ("changes", changes(REVIEWER), [Err(WrongStep), Ok(Draft), Err(WrongStep), Err(WrongStep)]),
        (
            "approve",
            approve(REVIEWER, true),
            [Err(WrongStep), Ok(Approved), Ok(Approved), Err(WrongStep)],
        ),
        ("publish", publish(4), [Err(WrongStep), Err(WrongStep), Ok(Published), Ok(Published)]),
        (
            "notify",
            notified(),
            [Err(NotPublished), Err(NotPublished), Err(NotPublished), Ok(Published)],
        ),
    ];
    for (what, command, expected) in cases {
        for (from, expected) in STATUSES.into_iter().zip(expected) {
            let mut version = at_step(from);
            let found = version.decide(command.clone()).map(|events| {
                for event in events {
                    cqrs_es::Aggregate::apply(&mut version, event);
                }
                status(&version)
            });
            assert_eq!(found, expected, "{what} from {from:?}");
        }
        let nothing = PolicyVersion::default().decide(command);
        assert_eq!(nothing, Err(PolicyVersionError::NotFound), "{what}");
    }
    assert_eq!(at_step(Draft).decide(drafted()), Err(PolicyVersionError::AlreadyExists));
}

#[test]
fn ppv_04_what_was_sent_back_is_edited_and_reviewed_again() {
    let mut version = at_step(ReviewStatus::UnderReview);
    for step in [changes(REVIEWER), text("With processors.", EDITOR), submit()] {
        assert_eq!(then(&mut version, step), 1);
    }
    assert_eq!(then(&mut version, approve(REVIEWER, true)), 1);
    assert_eq!(status(&version), ReviewStatus::Approved);
}

#[test]
fn ppv_05_an_approval_and_a_publication_say_when_and_by_whom() {
    let document = at_step(ReviewStatus::Approved).document().unwrap().clone();
    assert_eq!((document.reviewed_by, document.reviewed_at), (Some(REVIEWER), Some(at(2))));
    assert_eq!(document.published_at, None);
    let document = at_step(ReviewStatus::Published).document().unwrap().clone();
    assert_eq!((document.reviewed_by, document.published_at), (Some(REVIEWER), Some(at(3))));
}

#[test]
fn ppv_02_ppv_06_the_hash_follows_every_edit_and_is_frozen_with_the_text() {
    let mut version = at_step(ReviewStatus::Draft);
    then(&mut version, text("Another text.", EDITOR));
    let document = version.document().unwrap();
    assert_eq!(document.content_hash, ContentHash::of(&"Another text.".parse().unwrap()));
    assert_eq!(document.authors, [AUTHOR, EDITOR]);
    let hash = document.content_hash.clone();
    for step in [submit(), approve(REVIEWER, true), date(20), publish(3), notified()] {
        then(&mut version, step);
        assert_eq!(version.document().unwrap().content_hash, hash);
    }
    assert_eq!(
        then(&mut at_step(ReviewStatus::Draft), text("What we do with your data.", EDITOR)),
        0
    );
}

#[test]
fn ppv_08_nothing_holds_before_it_is_published() {
    let mut early = at_step(ReviewStatus::Approved);
    assert_eq!(early.as_published(at(3)).unwrap().effective_date, at(10));
    then(&mut early, publish(3));
    assert_eq!(early.document().unwrap().effective_date, at(10));
    let mut late = at_step(ReviewStatus::Approved);
    assert_eq!(late.as_published(at(11)).unwrap().effective_date, at(11));
    then(&mut late, publish(11));
    assert_eq!(late.document().unwrap().effective_date, at(11));
}

#[test]
fn ppv_12_people_are_told_once() {
    let mut version = at_step(ReviewStatus::Published);
    assert_eq!(then(&mut version, notified()), 1);
    assert!(version.document().unwrap().notification_sent);
    assert_eq!(then(&mut version, notified()), 0);
    assert!(version.document().unwrap().notification_sent);
}

#[test]
fn ppv_14_nobody_reviews_what_it_wrote_in_and_only_legal_reviews() {
    let mut version = at_step(ReviewStatus::Draft);
    then(&mut version, text("Another text.", EDITOR));
    // Who only moves the date writes nothing.
    then(&mut version, submit());
    for author in [AUTHOR, EDITOR] {
        assert_eq!(version.decide(approve(author, true)), Err(PolicyVersionError::OwnWork));
        assert_eq!(version.decide(changes(author)), Err(PolicyVersionError::OwnWork));
    }
    assert_eq!(version.decide(approve(REVIEWER, false)), Err(PolicyVersionError::NotLegal));
    assert_eq!(then(&mut version, approve(REVIEWER, true)), 1);
}

#[test]
fn ppv_06_a_version_names_at_most_a_hundred_changes() {
    let PolicyVersionCommand::Draft(draft) = drafted() else { unreachable!() };
    let many = |count: usize| {
        let major_changes = Some(vec!["A change.".parse().unwrap(); count]);
        PolicyVersionCommand::Draft(DraftPolicy { major_changes, ..draft.clone() })
    };
    assert!(PolicyVersion::default().decide(many(100)).is_ok());
    let too_many = PolicyVersion::default().decide(many(101));
    assert_eq!(too_many, Err(PolicyVersionError::TooManyChanges));
}
