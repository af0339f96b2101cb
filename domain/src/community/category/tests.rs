use cqrs_es::Aggregate;
use uuid::Uuid;

use super::*;
use crate::changes::tests::exhausted;

fn create(name: &str, description: Option<&str>) -> CategoryCommand {
    CategoryCommand::Create(CreateCategory {
        category_id: CategoryId(Uuid::from_u128(1)),
        name: name.parse().unwrap(),
        description: description.map(|text| text.parse().unwrap()),
    })
}

fn describe(description: Option<&str>) -> CategoryCommand {
    CategoryCommand::Describe(DescribeCategory {
        description: description.map(|text| text.parse().unwrap()),
    })
}

fn then(mut category: Category, command: CategoryCommand) -> Category {
    for event in category.decide(command).unwrap() {
        Aggregate::apply(&mut category, event);
    }
    category
}

fn given(commands: impl IntoIterator<Item = CategoryCommand>) -> Category {
    commands.into_iter().fold(Category::default(), then)
}

#[test]
fn cat_04_no_command_changes_the_name() {
    let category = given([create("News-Tech", None)]);
    let refused = category.decide(create("other-name", None)).unwrap_err();
    assert_eq!(refused.kind(), RefusalKind::Conflict);
    for command in [describe(Some("about")), CategoryCommand::Retire] {
        let changed = then(category.clone(), command);
        assert_eq!(changed.name(), category.name());
    }
}

#[test]
fn cat_05_the_description_is_optional_and_may_change() {
    let category = given([create("News-Tech", Some("a"))]);
    assert_eq!(category.decide(describe(Some("a"))), Ok(vec![]), "nothing changes");
    let described = then(category, describe(Some(&"a".repeat(200))));
    assert_eq!(described.description().unwrap().as_str().len(), 200);
    assert_eq!(then(described, describe(None)).description(), None);
}

#[test]
fn cat_08_a_retired_category_stays_and_takes_no_more_communities() {
    let category = given([create("News-Tech", None)]);
    assert!(category.is_open() && !category.is_retired());
    let retired = then(category, CategoryCommand::Retire);
    assert!(retired.exists() && retired.is_retired() && !retired.is_open());
    assert_eq!(retired.decide(CategoryCommand::Retire), Ok(vec![]), "twice is once");
    assert!(!Category::default().is_open());
}

#[test]
fn cat_03_cat_10_names_are_one_up_to_the_case_of_ascii_letters() {
    let folded = |name: &str| name.parse::<CategoryName>().unwrap().folded();
    assert_eq!(folded("News-Tech"), folded("nEWS-tECH"));
    assert_ne!(folded("News-Tech"), folded("News_Tech"));
    // What is folded is told by the event alone, so that it survives a rebuild.
    let category = given([create("News-Tech", None)]);
    assert_eq!(category.name().unwrap().folded(), "news-tech");
    assert_eq!(category.name().unwrap().as_str(), "News-Tech");
}

#[test]
fn rel_10_what_does_not_exist_is_not_found() {
    for command in [describe(None), CategoryCommand::Retire] {
        assert_eq!(Category::default().decide(command), Err(CategoryError::NotFound));
    }
}

#[test]
fn cat_05_whatever_is_done_a_category_stays_below_200_events_and_can_be_retired() {
    let created = given([create("News-Tech", None)]);
    let (category, events) =
        exhausted(created, |turn| vec![describe(Some(&format!("About {turn}")))]);
    assert_eq!(events, 190);
    let refused = category.decide(describe(Some("Once more"))).unwrap_err();
    assert_eq!((refused.rule(), refused.kind()), ("CAT-05", RefusalKind::Invalid));
    assert!(then(category, CategoryCommand::Retire).is_retired());
}
