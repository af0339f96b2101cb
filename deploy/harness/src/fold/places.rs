//! Categories, communities, memberships, recent communities.

use serde_json::{Value, json};

use super::{Event, Tables, micros, put, row, set};

pub(super) fn apply(tables: &mut Tables, event: &Event) {
    categories(tables, event);
    communities(tables, event);
    rules(tables, event);
    memberships(tables, event);
    if event.event_type == "CommunityVisited" {
        visited(tables, event);
    }
}

/// The list after the event, in the place of the one before.
fn rules(tables: &mut Tables, event: &Event) {
    if !["CommunityRulesSet", "CommunityRulesCleared"].contains(&event.event_type.as_str()) {
        return;
    }
    let community = event.text("community_id");
    let all = tables.entry("community_rules").or_default();
    all.retain(|_, rule| rule["community_id"] != community.as_str());
    for (index, rule) in (1..).zip(event.fields["rules"].as_array().into_iter().flatten()) {
        let index: i64 = index;
        let id = rule["id"].as_str().unwrap_or_default();
        let row = json!({
            "id": id, "community_id": community, "rule_index": index,
            "rule_text": rule["rule_text"], "sequence": event.sequence,
            "created_at": rule["created_at"].as_str().and_then(micros),
        });
        all.insert(id.to_owned(), row);
    }
}

fn categories(tables: &mut Tables, event: &Event) {
    let (id, fields, at) = (&event.aggregate_id, &event.fields, event.at());
    match event.event_type.as_str() {
        "CategoryCreated" => {
            let others = tables.entry("categories").or_default().values();
            let last = others.filter_map(|it| it["display_order"].as_i64()).max().unwrap_or(0);
            let category = json!({
                "id": id, "name": fields["name"], "display_order": last + 1,
                "description": fields["description"], "created_at": at, "updated_at": at,
                "retired_at": null, "sequence": event.sequence,
            });
            put(tables, "categories", id, category);
        }
        "CategoryDescribed" => {
            let description = fields["description"].clone();
            set(tables, "categories", event, &[("description", description), ("updated_at", at)]);
        }
        "CategoryRetired" => {
            set(tables, "categories", event, &[("retired_at", at.clone()), ("updated_at", at)]);
        }
        "CategoriesReordered" => {
            for (place, id) in (1..).zip(fields["order"].as_array().into_iter().flatten()) {
                let place: i64 = place;
                if let Some(row) = row(tables, "categories", id.as_str().unwrap_or_default()) {
                    row["display_order"] = place.into();
                }
            }
        }
        _ => {}
    }
}

fn communities(tables: &mut Tables, event: &Event) {
    let (id, fields, at) = (&event.aggregate_id, &event.fields, event.at());
    match event.event_type.as_str() {
        "CommunityCreated" => {
            let community = json!({
                "id": id, "owner_id": fields["owner"], "category_id": fields["category_id"],
                "name": fields["name"], "description": fields["description"],
                "logo_uri": fields["logo_uri"], "banner_uri": fields["banner_uri"],
                "created_at": at, "updated_at": at, "deleted_at": null, "member_count": 0,
                "sequence": event.sequence,
            });
            put(tables, "communities", id, community);
        }
        "CommunityUpdated" => {
            let same = ["description", "logo_uri", "banner_uri"];
            let mut columns = same.map(|column| (column, fields[column].clone())).to_vec();
            columns.push(("updated_at", at));
            set(tables, "communities", event, &columns);
        }
        "CommunityRecategorised" => {
            let category = fields["category_id"].clone();
            set(tables, "communities", event, &[("category_id", category), ("updated_at", at)]);
        }
        "CommunityDeleted" => {
            set(tables, "communities", event, &[("deleted_at", at)]);
            put(tables, "recent_communities_deleted", id, json!({ "community_id": id }));
        }
        "CommunityRestored" => {
            set(tables, "communities", event, &[("deleted_at", Value::Null)]);
            tables.entry("recent_communities_deleted").or_default().remove(id);
        }
        "CommunityModerated" => set(tables, "communities", event, &[]),
        _ => {}
    }
}

fn memberships(tables: &mut Tables, event: &Event) {
    let change = match event.event_type.as_str() {
        "CommunityJoined" => 1,
        "CommunityLeft" => -1,
        _ => return,
    };
    let id = event.text("id");
    if change == 1 {
        let membership = json!({
            "id": id, "community_id": event.fields["community_id"],
            "memberuser_id": event.fields["member_id"], "joined_at": event.at(),
        });
        put(tables, "memberships", &id, membership);
    } else {
        tables.entry("memberships").or_default().remove(&id);
    }
    if let Some(community) = row(tables, "communities", &event.text("community_id")) {
        let count = community["member_count"].as_i64().unwrap_or(0);
        community["member_count"] = (count + change).into();
    }
}

/// The whole list after the visit takes the place of the one before.
fn visited(tables: &mut Tables, event: &Event) {
    let member = event.fields["member_id"].clone();
    let rows = tables.entry("recent_communities").or_default();
    rows.retain(|_, row| row["memberuser_id"] != member);
    for (index, recent) in (1..).zip(event.fields["recent"].as_array().into_iter().flatten()) {
        let index: i64 = index;
        let id = recent["id"].as_str().unwrap_or_default().to_owned();
        let row = json!({
            "id": id, "memberuser_id": member, "community_id": recent["community_id"],
            "recent_rank": null, "list_index": index,
            "last_activity_at": recent["last_activity_at"].as_str().and_then(micros),
        });
        rows.insert(id, row);
    }
}

/// Ranks count what is shown: communities that are not deleted (REC-06).
pub(super) fn rank(tables: &mut Tables) {
    let deleted = tables.get("recent_communities_deleted").cloned().unwrap_or_default();
    let rows = tables.entry("recent_communities").or_default();
    let mut shown: Vec<(String, i64, String)> = rows
        .iter()
        .filter(|(_, row)| !deleted.contains_key(row["community_id"].as_str().unwrap_or_default()))
        .map(|(id, row)| {
            let member = row["memberuser_id"].as_str().unwrap_or_default().to_owned();
            (member, row["list_index"].as_i64().unwrap_or(0), id.clone())
        })
        .collect();
    shown.sort();
    let (mut member, mut rank) = (String::new(), 0_i64);
    for (of, _, id) in shown {
        rank = if of == member { rank + 1 } else { 1 };
        member = of;
        if let Some(row) = rows.get_mut(&id) {
            row["recent_rank"] = rank.into();
        }
    }
}
