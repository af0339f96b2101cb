use cqrs_es::Aggregate;
use uuid::Uuid;

use super::*;
use crate::{changes::tests::exhausted, ids::AdminId};

const OWNER: Actor = Actor::member(MemberId(Uuid::from_u128(1)));
const OTHER: Actor = Actor::member(MemberId(Uuid::from_u128(2)));
const ADMIN: Actor = Actor::admin(AdminId(Uuid::from_u128(3)));
const CATEGORY: CategoryId = CategoryId(Uuid::from_u128(4));
const OTHER_CATEGORY: CategoryId = CategoryId(Uuid::from_u128(5));

fn new_community() -> CreateCommunity {
    CreateCommunity {
        community_id: CommunityId(Uuid::from_u128(6)),
        creator: OWNER,
        category_id: CATEGORY,
        name: "Rust-Norge".parse().unwrap(),
        description: Some("about".parse().unwrap()),
        logo_uri: Some("https://example.org/logo.png".parse().unwrap()),
        banner_uri: None,
        creator_is_active: true,
        category_open: true,
    }
}

fn unchanged(actor: Actor) -> UpdateCommunity {
    UpdateCommunity {
        actor,
        description: None,
        logo_uri: None,
        banner_uri: None,
        category: None,
        owner_is_gone: false,
    }
}

fn described(actor: Actor, text: &str) -> CommunityCommand {
    let description = Some(Some(text.parse().unwrap()));
    CommunityCommand::Update(UpdateCommunity { description, ..unchanged(actor) })
}

fn moved(category_id: CategoryId, open: bool) -> CommunityCommand {
    let category = Some(NewCategory { category_id, open });
    CommunityCommand::Update(UpdateCommunity { category, ..unchanged(OWNER) })
}

fn because() -> Option<Personal<ModerationReason>> {
    let owner = crate::personal::Subject::from(OWNER.id);
    Some(Personal::new(owner, crate::personal::Category::Content, "Abandoned.".parse().unwrap()))
}

fn delete_by(actor: Actor) -> CommunityCommand {
    CommunityCommand::Delete(ChangeCommunityVisibility { actor, reason: because() })
}

fn restore_by(actor: Actor) -> CommunityCommand {
    CommunityCommand::Restore(ChangeCommunityVisibility { actor, reason: because() })
}

fn decide_create(command: CreateCommunity) -> Result<Vec<CommunityEvent>, CommunityError> {
    Community::default().decide(CommunityCommand::Create(command))
}

fn then(mut community: Community, command: CommunityCommand) -> Community {
    for event in community.decide(command).unwrap() {
        Aggregate::apply(&mut community, event);
    }
    community
}

fn given(commands: impl IntoIterator<Item = CommunityCommand>) -> Community {
    let created = then(Community::default(), CommunityCommand::Create(new_community()));
    commands.into_iter().fold(created, then)
}

#[test]
fn com_02_com_03_com_06_name_and_owner_stay_whatever_happens() {
    let commands = [
        described(OWNER, "another text"),
        moved(OTHER_CATEGORY, true),
        delete_by(ADMIN),
        restore_by(ADMIN),
        delete_by(OWNER),
    ];
    let mut community = given([]);
    for command in commands {
        community = then(community, command);
        assert_eq!(community.name().unwrap().as_str(), "Rust-Norge");
        assert_eq!(community.name().unwrap().folded(), "rust-norge");
        assert_eq!(community.owner(), OWNER.as_member());
    }
    assert_eq!(
        community.decide(CommunityCommand::Create(new_community())),
        Err(CommunityError::AlreadyExists)
    );
}

#[test]
fn com_05_cat_08_the_category_must_exist_and_not_be_retired() {
    let closed = CreateCommunity { category_open: false, ..new_community() };
    assert_eq!(decide_create(closed), Err(CommunityError::CategoryClosed));
    let community = given([]);
    assert_eq!(community.decide(moved(OTHER_CATEGORY, false)), Err(CommunityError::CategoryClosed));
    assert_eq!(community.decide(moved(CATEGORY, false)), Ok(vec![]), "it stays where it is");
    assert_eq!(then(community, moved(OTHER_CATEGORY, true)).category_id(), Some(OTHER_CATEGORY));
}

#[test]
fn com_07_only_the_owner_changes_a_community() {
    let community = given([]);
    for actor in [OTHER, ADMIN, Actor::SYSTEM] {
        let refused = community.decide(described(actor, "mine")).unwrap_err();
        assert_eq!((refused.rule(), refused.kind()), ("COM-07", RefusalKind::Forbidden));
    }
    assert_eq!(community.decide(described(OWNER, "mine")).unwrap().len(), 1);
}

#[test]
fn com_16_once_the_owner_is_gone_admins_change_a_community_and_nobody_else() {
    let community = given([]);
    let update = |actor| {
        let description = Some(Some("In good hands.".parse().unwrap()));
        UpdateCommunity { description, owner_is_gone: true, ..unchanged(actor) }
    };
    for actor in [OTHER, Actor::SYSTEM] {
        let refused = community.decide(CommunityCommand::Update(update(actor)));
        assert_eq!(refused, Err(CommunityError::NotTheOwner));
    }
    let tended = then(community, CommunityCommand::Update(update(ADMIN)));
    assert_eq!(tended.owner(), OWNER.as_member(), "it stays the owner");
    let deleted = then(tended, delete_by(ADMIN));
    let refused = deleted.decide(CommunityCommand::Update(update(ADMIN)));
    assert_eq!(refused, Err(CommunityError::Deleted));
}

#[test]
fn com_07_an_update_tells_all_that_it_leaves() {
    let update = CommunityCommand::Update(UpdateCommunity {
        logo_uri: Some(None),
        banner_uri: Some(Some("https://example.org/banner.png".parse().unwrap())),
        category: Some(NewCategory { category_id: OTHER_CATEGORY, open: true }),
        ..unchanged(OWNER)
    });
    let community = given([]);
    assert_eq!(
        community.decide(update.clone()).unwrap(),
        [
            CommunityEvent::CommunityUpdated {
                description: Some("about".parse().unwrap()),
                logo_uri: None,
                banner_uri: Some("https://example.org/banner.png".parse().unwrap()),
            },
            CommunityEvent::CommunityRecategorised { category_id: OTHER_CATEGORY },
        ]
    );
    assert_eq!(then(community, update.clone()).decide(update), Ok(vec![]), "twice is once");
}

#[test]
fn an_update_that_changes_nothing_gives_no_event() {
    let community = given([]);
    assert_eq!(community.decide(CommunityCommand::Update(unchanged(OWNER))), Ok(vec![]));
    assert_eq!(community.decide(described(OWNER, "about")), Ok(vec![]));
}

#[test]
fn com_08_owner_and_admin_delete_and_an_admin_restores() {
    let community = given([]);
    for actor in [OWNER, ADMIN] {
        let deleted = then(community.clone(), delete_by(actor));
        assert!(!deleted.is_open());
        assert_eq!(deleted.decide(restore_by(actor)).is_ok(), actor == ADMIN);
    }
    for actor in [OTHER, Actor::SYSTEM] {
        assert_eq!(community.decide(delete_by(actor)), Err(CommunityError::MayNotDelete));
        assert_eq!(community.decide(restore_by(actor)), Err(CommunityError::MayNotRestore));
    }
}

#[test]
fn com_09_deletion_is_soft_and_repeating_it_changes_nothing() {
    let deleted = given([delete_by(OWNER)]);
    assert!(deleted.exists() && !deleted.is_open());
    assert_eq!(deleted.decide(delete_by(OWNER)), Ok(vec![]));
    let refused = deleted.decide(described(OWNER, "late")).unwrap_err();
    assert_eq!((refused.rule(), refused.kind()), ("COM-09", RefusalKind::Gone));
    let restored = then(deleted, restore_by(ADMIN));
    assert!(restored.is_open());
    assert_eq!(restored.decide(restore_by(ADMIN)), Ok(vec![]));
}

#[test]
fn com_12_only_an_active_member_creates_a_community() {
    for (creator, creator_is_active) in
        [(OWNER, false), (ADMIN, true), (ADMIN, false), (Actor::SYSTEM, true)]
    {
        let refused =
            decide_create(CreateCommunity { creator, creator_is_active, ..new_community() });
        assert_eq!(refused, Err(CommunityError::NoOwner), "{creator} {creator_is_active}");
    }
    assert_eq!(decide_create(new_community()).unwrap().len(), 1);
}

#[test]
fn rel_10_what_does_not_exist_is_not_found() {
    for command in [described(OWNER, "text"), delete_by(OWNER), restore_by(ADMIN)] {
        assert_eq!(Community::default().decide(command), Err(CommunityError::NotFound));
    }
}

#[test]
fn com_07_whatever_is_done_a_community_stays_below_200_events_and_can_be_deleted() {
    let updated = exhausted(given([]), |turn| {
        vec![
            described(OWNER, &format!("Time {turn}")),
            moved(OTHER_CATEGORY, true),
            moved(CATEGORY, true),
        ]
    });
    assert_eq!(updated.1, 100);
    let refused = updated.0.decide(described(OWNER, "Once more")).unwrap_err();
    assert_eq!((refused.rule(), refused.kind()), ("COM-07", RefusalKind::Invalid));
    let category_id = updated.0.category_id().unwrap();
    let same = updated.0.decide(moved(category_id, true));
    assert_eq!(same, Ok(vec![]), "what changes nothing is not refused");
    let (community, events) =
        exhausted(updated.0, |_| vec![delete_by(ADMIN), restore_by(ADMIN), delete_by(OWNER)]);
    assert!((190..200).contains(&(1 + 100 + events)), "{events}");
    assert!(!community.is_open(), "no deletion was refused");
}
