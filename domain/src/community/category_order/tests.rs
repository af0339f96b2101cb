use cqrs_es::Aggregate;
use proptest::prelude::*;
use uuid::Uuid;

use super::*;

fn id(number: u128) -> CategoryId {
    CategoryId(Uuid::from_u128(number))
}

fn insert_at(number: u128, at: Option<i64>) -> CategoryOrderCommand {
    CategoryOrderCommand::Insert(InsertCategory {
        category_id: id(number),
        at: at.map(|at| DisplayOrder::try_from(at).unwrap()),
    })
}

fn reorder_to(numbers: &[u128]) -> CategoryOrderCommand {
    CategoryOrderCommand::Reorder(ReorderCategories {
        order: numbers.iter().copied().map(id).collect(),
    })
}

fn removed(number: u128) -> CategoryOrderCommand {
    CategoryOrderCommand::Remove(RemoveCategory { category_id: id(number) })
}

fn then(mut order: CategoryOrder, command: CategoryOrderCommand) -> CategoryOrder {
    for event in order.decide(command).unwrap() {
        Aggregate::apply(&mut order, event);
    }
    order
}

fn given(numbers: impl IntoIterator<Item = u128>) -> CategoryOrder {
    numbers
        .into_iter()
        .fold(CategoryOrder::default(), |order, number| then(order, insert_at(number, None)))
}

#[test]
fn cat_06_cat_07_a_category_comes_in_where_it_is_put_or_at_the_end() {
    for (at, expected) in [
        (None, [1, 2, 9]),
        (Some(1), [9, 1, 2]),
        (Some(2), [1, 9, 2]),
        (Some(3), [1, 2, 9]),
        (Some(1_000), [1, 2, 9]),
    ] {
        let order = then(given([1, 2]), insert_at(9, at));
        assert_eq!(order.order(), expected.map(id), "{at:?}");
        assert_eq!(order.decide(insert_at(9, Some(1))), Ok(vec![]), "it is in already");
    }
}

#[test]
fn cat_07_a_new_order_names_every_category_once() {
    let order = given([1, 2, 3]);
    assert_eq!(then(order.clone(), reorder_to(&[3, 1, 2])).order(), [3, 1, 2].map(id));
    assert_eq!(order.decide(reorder_to(&[1, 2, 3])), Ok(vec![]), "nothing changes");
    for bad in [&[1, 2][..], &[1, 2, 3, 4], &[1, 2, 2], &[1, 2, 3, 3], &[1, 2, 4], &[]] {
        let refused = order.decide(reorder_to(bad)).unwrap_err();
        assert_eq!((refused.rule(), refused.kind()), ("CAT-07", RefusalKind::Invalid), "{bad:?}");
    }
}

#[test]
fn cat_07_retiring_closes_the_gap() {
    let order = then(given([1, 2, 3]), removed(2));
    assert_eq!(order.order(), [1, 3].map(id));
    assert_eq!(order.decide(removed(2)), Ok(vec![]));
}

proptest! {
    /// The place is the order's index, so that no gaps and no doubles is: each category once.
    #[test]
    fn cat_07_whatever_happens_each_category_has_one_place(
        steps in prop::collection::vec((0u8..3, 0u128..8, 1i64..12), 1..60)
    ) {
        let mut current = CategoryOrder::default();
        let mut expected = BTreeSet::new();
        for (kind, number, at) in steps {
            let command = match kind {
                0 => insert_at(number, Some(at)),
                1 => removed(number),
                _ => {
                    let mut order = current.order().to_vec();
                    let places = order.len().max(1);
                    order.rotate_left(usize::try_from(at).unwrap() % places);
                    CategoryOrderCommand::Reorder(ReorderCategories { order })
                }
            };
            match kind {
                0 => { expected.insert(id(number)); }
                1 => { expected.remove(&id(number)); }
                _ => {}
            }
            current = then(current, command);
            prop_assert_eq!(current.order().len(), expected.len());
            prop_assert_eq!(&current.order().iter().copied().collect::<BTreeSet<_>>(), &expected);
        }
    }
}
