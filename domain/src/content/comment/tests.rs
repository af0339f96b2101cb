use cqrs_es::Aggregate;
use uuid::Uuid;

use super::*;
use crate::{
    changes::{self, tests::exhausted},
    ids::{AdminId, GuestId, MemberId},
    personal::{Category, Subject},
};

const AUTHOR: Actor = Actor::member(MemberId(Uuid::from_u128(1)));
const OTHER: Actor = Actor::member(MemberId(Uuid::from_u128(2)));
const ADMIN: Actor = Actor::admin(AdminId(Uuid::from_u128(3)));
const GUEST: Actor = Actor::guest(GuestId(Uuid::from_u128(6)));
const POST: PostId = PostId(Uuid::from_u128(4));

fn personal<T: std::str::FromStr<Err = crate::RuleBreak>>(text: &str) -> Personal<T> {
    Personal::new(Subject::from(AUTHOR.id), Category::Content, text.parse().unwrap())
}

fn id(number: u128) -> CommentId {
    CommentId(Uuid::from_u128(number))
}

fn new_comment(author: Actor, parent: Option<Parent>) -> CreateComment {
    CreateComment {
        comment_id: id(10),
        post_id: POST,
        community_id: CommunityId(Uuid::from_u128(5)),
        parent,
        author,
        body: personal("A comment"),
        display_name: None,
        post_open: true,
    }
}

fn given(commands: impl IntoIterator<Item = CommentCommand>) -> Comment {
    let mut comment = Comment::default();
    for command in commands {
        for event in comment.decide(command).unwrap() {
            Aggregate::apply(&mut comment, event);
        }
    }
    comment
}

fn created() -> CommentCommand {
    CommentCommand::Create(new_comment(AUTHOR, None))
}

fn delete(actor: Actor, reason: Option<&str>) -> CommentCommand {
    CommentCommand::Delete(DeleteComment { actor, reason: reason.map(personal) })
}

fn restoring(actor: Actor, reason: Option<&str>) -> RestoreComment {
    RestoreComment { actor, post_open: true, reason: reason.map(personal) }
}

fn restore(actor: Actor, reason: Option<&str>) -> CommentCommand {
    CommentCommand::Restore(restoring(actor, reason))
}

fn rewrite(editor: Actor, body: &str, reason: Option<&str>) -> CommentCommand {
    CommentCommand::Edit(EditComment {
        editor,
        post_open: true,
        body: personal(body),
        reason: reason.map(personal),
    })
}

#[test]
fn cmt_03_a_reply_is_one_deeper_than_what_it_answers_without_end() {
    let mut parent = given([created()]).as_parent(id(10)).unwrap();
    for depth in 1..10_000 {
        let reply = given([CommentCommand::Create(new_comment(OTHER, Some(parent)))]);
        parent = reply.as_parent(id(10)).unwrap();
        assert_eq!(parent.depth, depth);
    }
}

#[test]
fn cmt_04_a_reply_answers_a_comment_on_the_same_post() {
    let parent = given([created()]).as_parent(id(10)).unwrap();
    let elsewhere = Parent { post_id: PostId(Uuid::from_u128(99)), ..parent };
    let decide = |parent| {
        Comment::default().decide(CommentCommand::Create(new_comment(OTHER, Some(parent))))
    };
    assert_eq!(decide(elsewhere), Err(CommentError::ParentElsewhere));
    assert_eq!(decide(parent).unwrap().len(), 1);
}

#[test]
fn cmt_05_the_author_is_a_member_an_admin_or_a_guest() {
    let decide =
        |author| Comment::default().decide(CommentCommand::Create(new_comment(author, None)));
    assert_eq!(decide(AUTHOR).unwrap().len(), 1);
    assert_eq!(decide(ADMIN).unwrap().len(), 1);
    assert_eq!(decide(GUEST).unwrap().len(), 1);
    assert_eq!(decide(Actor::SYSTEM), Err(CommentError::NoAuthor));
}

#[test]
fn cmt_09_a_guest_gives_no_name() {
    let display_name = Some(personal("Kari"));
    let named = CreateComment { display_name, ..new_comment(GUEST, None) };
    let refused = Comment::default().decide(CommentCommand::Create(named));
    assert_eq!(refused, Err(CommentError::GuestNamed));
}

#[test]
fn cmt_10_a_guest_changes_its_own_comments_and_no_others() {
    let by = |author| given([CommentCommand::Create(new_comment(author, None))]);
    let (own, anothers) = (by(GUEST), by(Actor::guest(GuestId(Uuid::from_u128(7)))));
    assert_eq!(own.decide(delete(GUEST, None)).unwrap().len(), 1);
    assert_eq!(anothers.decide(delete(GUEST, None)), Err(CommentError::NotTheAuthor));
    assert_eq!(by(AUTHOR).decide(delete(GUEST, None)), Err(CommentError::NotTheAuthor));
}

#[test]
fn cmt_06_cmt_07_deletion_is_soft_and_a_deleted_comment_is_not_answered() {
    let mut comment = given([created(), delete(AUTHOR, None)]);
    assert!(comment.is_deleted() && comment.exists());
    assert_eq!(comment.decide(delete(AUTHOR, None)), Ok(vec![]));
    assert_eq!(comment.decide(rewrite(AUTHOR, "Other words", None)), Err(CommentError::Deleted));
    let reply = new_comment(OTHER, comment.as_parent(id(10)));
    assert_eq!(
        Comment::default().decide(CommentCommand::Create(reply)),
        Err(CommentError::ParentDeleted)
    );
    for event in comment.decide(restore(AUTHOR, None)).unwrap() {
        Aggregate::apply(&mut comment, event);
    }
    assert!(!comment.is_deleted());
    assert_eq!(comment.decide(restore(AUTHOR, None)), Ok(vec![]));
}

#[test]
fn cmt_08_the_post_must_be_open() {
    let late = CreateComment { post_open: false, ..new_comment(AUTHOR, None) };
    assert_eq!(
        Comment::default().decide(CommentCommand::Create(late)),
        Err(CommentError::PostClosed)
    );
}

#[test]
fn cmt_08_under_a_closed_post_only_admins_edit_and_restore() {
    let comment = given([created()]);
    let edit = |editor, reason: Option<&str>| {
        let reason = reason.map(personal);
        let body = personal("Other words");
        comment.decide(CommentCommand::Edit(EditComment { editor, post_open: false, body, reason }))
    };
    assert_eq!(edit(AUTHOR, None), Err(CommentError::PostClosed));
    assert_eq!(edit(ADMIN, Some("rude")).unwrap().len(), 2);
    let deleted = given([created(), delete(AUTHOR, None)]);
    let late = RestoreComment { post_open: false, ..restoring(AUTHOR, None) };
    assert_eq!(deleted.decide(CommentCommand::Restore(late)), Err(CommentError::PostClosed));
}

#[test]
fn cmt_10_only_the_author_or_an_admin_with_a_reason_changes_a_comment() {
    let comment = given([created()]);
    let refused = |command| comment.decide(command).unwrap_err();
    assert_eq!(refused(rewrite(OTHER, "Other words", None)), CommentError::NotTheAuthor);
    assert_eq!(refused(delete(OTHER, None)), CommentError::NotTheAuthor);
    assert_eq!(refused(delete(ADMIN, None)), CommentError::ReasonMissing);
    assert_eq!(comment.decide(rewrite(AUTHOR, "Other words", None)).unwrap().len(), 1);
    let moderated = comment.decide(rewrite(ADMIN, "Other words", Some("rude"))).unwrap();
    assert!(matches!(
        moderated.as_slice(),
        [
            CommentEvent::CommentEdited { .. },
            CommentEvent::CommentModerated { action: ModerationAction::Edit, .. }
        ]
    ));
}

#[test]
fn cmt_10_an_author_cannot_undo_a_moderator() {
    let comment = given([created(), delete(ADMIN, Some("spam"))]);
    assert_eq!(comment.decide(restore(AUTHOR, None)), Err(CommentError::DeletedByModerator));
    let restored = comment.decide(restore(ADMIN, Some("a mistake"))).unwrap();
    assert_eq!(restored.len(), 2);
}

#[test]
fn cmt_10_mod_01_a_moderator_deletes_what_its_author_deleted_and_no_author_undoes_that() {
    let deleted = given([created(), delete(AUTHOR, None)]);
    let moderated = deleted.decide(delete(ADMIN, Some("spam"))).unwrap();
    assert_eq!(moderated.len(), 2);
    let mut after = deleted;
    for event in moderated {
        Aggregate::apply(&mut after, event);
    }
    let refused = Err(CommentError::DeletedByModerator);
    assert_eq!(after.decide(restore(AUTHOR, None)), refused);
    // An admin's own, deleted by another admin.
    let other = Actor::admin(AdminId(Uuid::from_u128(77)));
    let own =
        given([CommentCommand::Create(new_comment(ADMIN, None)), delete(other, Some("spam"))]);
    assert_eq!(own.decide(restore(ADMIN, None)), refused);
}

/// A comment that its author has edited so often.
fn edited(times: u32) -> Comment {
    let edits = (0..times).map(|time| rewrite(AUTHOR, &format!("Words, time {time}"), None));
    given(std::iter::once(created()).chain(edits))
}

#[test]
fn cmt_10_a_comment_takes_a_hundred_changes_by_its_author_and_no_more() {
    let max = changes::CHANGES_MAX;
    for (before, fits) in [(max - 2, true), (max - 1, true), (max, false)] {
        let decided = edited(before).decide(rewrite(AUTHOR, "More words", None));
        assert_eq!(decided.is_ok(), fits, "{before}");
    }
    let full = edited(max);
    let refused = full.decide(rewrite(AUTHOR, "More words", None)).unwrap_err();
    assert_eq!((refused.rule(), refused.kind()), ("CMT-10", RefusalKind::Invalid));
    let same = rewrite(AUTHOR, &format!("Words, time {}", max - 1), None);
    assert_eq!(full.decide(same), Ok(vec![]), "what changes nothing is not refused");
    assert_eq!(full.decide(rewrite(ADMIN, "More words", Some("rude"))).unwrap().len(), 2);
}

#[test]
fn cmt_10_whatever_is_done_a_comment_stays_below_200_events_and_can_be_deleted() {
    let rude = Some("rude");
    let toggled =
        exhausted(given([created()]), |_| vec![delete(AUTHOR, None), restore(AUTHOR, None)]);
    let moderated =
        exhausted(given([created()]), |_| vec![delete(ADMIN, rude), restore(ADMIN, rude)]);
    let fought_over = exhausted(given([created()]), |turn| {
        vec![
            rewrite(AUTHOR, &format!("Mine, time {turn}"), None),
            rewrite(ADMIN, &format!("Not so, time {turn}"), rude),
            delete(AUTHOR, None),
            delete(ADMIN, rude),
            restore(ADMIN, rude),
        ]
    });
    for (comment, events) in [toggled, moderated, fought_over] {
        assert!((100..200).contains(&events), "{events}");
        assert!(comment.is_deleted(), "no deletion was refused");
    }
}
