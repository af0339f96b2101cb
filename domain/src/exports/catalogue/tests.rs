use std::collections::HashSet;

use super::*;
use crate::registry::AGGREGATES;

#[test]
fn law_07_every_line_is_of_an_entity_whose_places_are_listed_and_no_field_stands_twice() {
    let mut seen = HashSet::new();
    for line in FIELDS {
        assert!(TABLES.iter().any(|(entity, _)| *entity == line.entity), "{}", line.entity);
        assert!(!line.fields.is_empty());
        for field in line.fields {
            assert!(seen.insert((line.entity, *field)), "{} {field}", line.entity);
        }
    }
}

#[test]
fn law_07_entities_are_aggregates_or_records() {
    for (entity, _) in TABLES {
        let aggregate = AGGREGATES.iter().any(|types| types.aggregate_type == *entity);
        let record = matches!(
            *entity,
            "audit_record" | "event" | "mail" | "search_record" | "security_record"
        );
        assert!(aggregate || record, "{entity}");
        assert_eq!(stored_in(entity).contains(&"log.events"), aggregate || *entity == "event");
    }
}
