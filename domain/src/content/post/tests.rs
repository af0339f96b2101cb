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

fn personal<T: std::str::FromStr<Err = crate::RuleBreak>>(text: &str) -> Personal<T> {
    Personal::new(Subject::from(AUTHOR.id), Category::Content, text.parse().unwrap())
}

fn new_post(author: Actor) -> CreatePost {
    CreatePost {
        post_id: PostId(Uuid::from_u128(4)),
        community_id: CommunityId(Uuid::from_u128(5)),
        author,
        title: personal("A title"),
        body: personal("A body of a post"),
        author_display_name: None,
        community_open: true,
        author_may_post: true,
    }
}

fn given(commands: impl IntoIterator<Item = PostCommand>) -> Post {
    let mut post = Post::default();
    for command in commands {
        for event in post.decide(command).unwrap() {
            Aggregate::apply(&mut post, event);
        }
    }
    post
}

fn by(actor: Actor, reason: Option<&str>) -> ChangePostVisibility {
    ChangePostVisibility { actor, reason: reason.map(personal) }
}

fn retitle(editor: Actor, title: &str, reason: Option<&str>) -> PostCommand {
    PostCommand::Edit(EditPost {
        editor,
        title: Some(personal(title)),
        body: None,
        reason: reason.map(personal),
    })
}

fn created() -> PostCommand {
    PostCommand::Create(new_post(AUTHOR))
}

#[test]
fn pst_05_the_author_is_a_member_or_an_admin() {
    let decide = |author| Post::default().decide(PostCommand::Create(new_post(author)));
    assert_eq!(decide(AUTHOR).unwrap().len(), 1);
    assert_eq!(decide(ADMIN).unwrap().len(), 1);
    for nobody in [Actor::SYSTEM, Actor::guest(GuestId(Uuid::from_u128(1)))] {
        assert_eq!(decide(nobody), Err(PostError::NoAuthor));
    }
}

#[test]
fn pst_06_the_community_must_be_open() {
    let closed = CreatePost { community_open: false, ..new_post(AUTHOR) };
    assert_eq!(
        Post::default().decide(PostCommand::Create(closed)),
        Err(PostError::CommunityClosed)
    );
}

#[test]
fn pst_13_posting_needs_membership() {
    let stranger = CreatePost { author_may_post: false, ..new_post(AUTHOR) };
    assert_eq!(Post::default().decide(PostCommand::Create(stranger)), Err(PostError::NotAMember));
}

#[test]
fn pst_08_deletion_is_soft_and_repeating_it_changes_nothing() {
    let mut post = given([created(), PostCommand::Delete(by(AUTHOR, None))]);
    assert!(post.is_deleted() && post.exists());
    assert_eq!(post.decide(PostCommand::Delete(by(AUTHOR, None))), Ok(vec![]));
    assert_eq!(post.decide(retitle(AUTHOR, "Another title", None)), Err(PostError::Deleted));
    for event in post.decide(PostCommand::Restore(by(AUTHOR, None))).unwrap() {
        Aggregate::apply(&mut post, event);
    }
    assert!(!post.is_deleted());
    assert_eq!(post.decide(PostCommand::Restore(by(AUTHOR, None))), Ok(vec![]));
}

#[test]
fn pst_09_only_the_author_or_an_admin_with_a_reason_changes_a_post() {
    let post = given([created()]);
    assert_eq!(post.decide(retitle(OTHER, "Another title", None)), Err(PostError::NotTheAuthor));
    assert_eq!(post.decide(PostCommand::Delete(by(OTHER, None))), Err(PostError::NotTheAuthor));
    assert_eq!(post.decide(retitle(ADMIN, "Another title", None)), Err(PostError::ReasonMissing));
    assert_eq!(post.decide(retitle(AUTHOR, "Another title", None)).unwrap().len(), 1);
    let moderated = post.decide(retitle(ADMIN, "Another title", Some("off topic"))).unwrap();
    assert!(matches!(
        moderated.as_slice(),
        [
            PostEvent::PostEdited { .. },
            PostEvent::PostModerated { action: ModerationAction::Edit, .. }
        ]
    ));
}

#[test]
fn pst_09_an_author_cannot_undo_a_moderator() {
    let post = given([created(), PostCommand::Delete(by(ADMIN, Some("spam")))]);
    assert_eq!(
        post.decide(PostCommand::Restore(by(AUTHOR, None))),
        Err(PostError::DeletedByModerator)
    );
    assert_eq!(post.decide(PostCommand::Restore(by(ADMIN, Some("a mistake")))).unwrap().len(), 2);
}

/// A post that its author has edited so often.
fn edited(times: u32) -> Post {
    let edits = (0..times).map(|time| retitle(AUTHOR, &format!("Title number {time}"), None));
    given(std::iter::once(created()).chain(edits))
}

#[test]
fn pst_12_a_post_takes_a_hundred_changes_by_its_author_and_no_more() {
    let max = changes::CHANGES_MAX;
    for (before, fits) in [(max - 2, true), (max - 1, true), (max, false)] {
        let decided = edited(before).decide(retitle(AUTHOR, "One more title", None));
        assert_eq!(decided.is_ok(), fits, "{before}");
    }
    let full = edited(max);
    let refused = full.decide(retitle(AUTHOR, "One more title", None)).unwrap_err();
    assert_eq!((refused.rule(), refused.kind()), ("PST-12", RefusalKind::Invalid));
    let same = retitle(AUTHOR, &format!("Title number {}", max - 1), None);
    assert_eq!(full.decide(same), Ok(vec![]), "what changes nothing is not refused");
    let stranger = full.decide(retitle(OTHER, "One more title", None));
    assert_eq!(stranger, Err(PostError::NotTheAuthor));
    let moderated = full.decide(retitle(ADMIN, "One more title", Some("off topic")));
    assert_eq!(moderated.unwrap().len(), 2);
}

#[test]
fn pst_12_whatever_is_done_a_post_stays_below_200_events_and_can_be_deleted() {
    let spam = Some("spam");
    let (delete, restore) = (PostCommand::Delete, PostCommand::Restore);
    let toggled = exhausted(given([created()]), |_| {
        vec![delete(by(AUTHOR, None)), restore(by(AUTHOR, None))]
    });
    let moderated =
        exhausted(given([created()]), |_| vec![delete(by(ADMIN, spam)), restore(by(ADMIN, spam))]);
    let fought_over = exhausted(given([created()]), |turn| {
        vec![
            retitle(AUTHOR, &format!("Mine, time {turn}"), None),
            retitle(ADMIN, &format!("Not so, time {turn}"), spam),
            delete(by(AUTHOR, None)),
            delete(by(ADMIN, spam)),
            restore(by(ADMIN, spam)),
        ]
    });
    for (post, events) in [toggled, moderated, fought_over] {
        assert!((100..200).contains(&events), "{events}");
        assert!(post.is_deleted(), "no deletion was refused");
    }
}

#[test]
fn an_edit_that_changes_nothing_gives_no_event() {
    let post = given([created()]);
    assert_eq!(post.decide(retitle(AUTHOR, "A title", None)), Ok(vec![]));
}

#[test]
fn rel_10_what_does_not_exist_is_not_found() {
    assert_eq!(
        Post::default().decide(PostCommand::Delete(by(AUTHOR, None))),
        Err(PostError::NotFound)
    );
}

#[test]
fn pst_09_mod_01_a_moderator_deletes_what_its_author_deleted_and_no_author_undoes_that() {
    let deleted = given([created(), PostCommand::Delete(by(AUTHOR, None))]);
    let moderated = deleted.decide(PostCommand::Delete(by(ADMIN, Some("spam")))).unwrap();
    assert_eq!(moderated.len(), 2);
    let mut after = deleted;
    for event in moderated {
        Aggregate::apply(&mut after, event);
    }
    let refused = Err(PostError::DeletedByModerator);
    assert_eq!(after.decide(PostCommand::Restore(by(AUTHOR, None))), refused);
    // An admin's own, deleted by another admin.
    let other = Actor::admin(AdminId(Uuid::from_u128(77)));
    let own =
        given([PostCommand::Create(new_post(ADMIN)), PostCommand::Delete(by(other, Some("spam")))]);
    assert_eq!(own.decide(PostCommand::Restore(by(ADMIN, None))), refused);
}
