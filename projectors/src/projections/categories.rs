//! Categories in their order (E01).

use std::collections::BTreeMap;

use agora_event_store::RecordedEvent;
use chrono::{DateTime, Utc};
use serde::Deserialize;
use sqlx::{FromRow, PgConnection};
use uuid::Uuid;

use crate::projection::{ApplyError, Columns, Projection, number, payload, stream_uuid};

pub(super) const PROJECTION: Projection = Projection {
    name: "categories",
    version: 1,
    event_types: &[
        "CategoryCreated",
        "CategoryDescribed",
        "CategoryRetired",
        "CategoriesReordered",
    ],
    columns: Columns::Payload,
    tables: &["categories"],
    apply: |events, connection| Box::pin(apply(events, connection)),
};

#[derive(Deserialize)]
enum Event {
    CategoryCreated { name: String, description: Option<String> },
    CategoryDescribed { description: Option<String> },
    CategoryRetired {},
    CategoriesReordered { order: Vec<Uuid> },
}

#[derive(FromRow)]
struct Category {
    id: Uuid,
    name: String,
    display_order: i32,
    description: Option<String>,
    created_at: DateTime<Utc>,
    updated_at: DateTime<Utc>,
    retired_at: Option<DateTime<Utc>>,
    sequence: i64,
}

/// Admins make categories by the dozen and change them by the week, so a batch reads all of them.
async fn apply(events: &[&RecordedEvent], connection: &mut PgConnection) -> Result<(), ApplyError> {
    let mut categories: BTreeMap<Uuid, Category> =
        sqlx::query_as::<_, Category>("SELECT * FROM categories")
            .fetch_all(&mut *connection)
            .await?
            .into_iter()
            .map(|category| (category.id, category))
            .collect();
    for event in events {
        let change: Event = payload(event)?;
        if let Event::CategoriesReordered { order } = &change {
            // The whole order after the change (CAT-07); who is retired is not in it.
            for (place, id) in (1..).zip(order) {
                if let Some(category) = categories.get_mut(id) {
                    category.display_order = place;
                }
            }
            continue;
        }
        let (id, at) = (stream_uuid(event)?, event.recorded_at);
        if let Event::CategoryCreated { name, description } = &change {
            let last = categories.values().map(|category| category.display_order).max();
            let category = Category {
                id,
                name: name.clone(),
                // Last, until the order that is written with it says where.
                display_order: last.unwrap_or(0) + 1,
                description: description.clone(),
                created_at: at,
                updated_at: at,
                retired_at: None,
                sequence: 0,
            };
            categories.insert(id, category);
        }
        if let Some(category) = categories.get_mut(&id) {
            match change {
                Event::CategoryDescribed { description } => category.description = description,
                Event::CategoryRetired {} => category.retired_at = Some(at),
                Event::CategoryCreated { .. } | Event::CategoriesReordered { .. } => {}
            }
            category.updated_at = at;
            category.sequence = number(event.sequence);
        }
    }
    write(&categories, connection).await
}

async fn write(
    categories: &BTreeMap<Uuid, Category>,
    connection: &mut PgConnection,
) -> Result<(), ApplyError> {
    let all = || categories.values();
    sqlx::query(
        "INSERT INTO categories (id, name, display_order, description, created_at, updated_at,
             retired_at, sequence)
         SELECT * FROM unnest($1::uuid[], $2::text[], $3::integer[], $4::text[],
             $5::timestamptz[], $6::timestamptz[], $7::timestamptz[], $8::bigint[])
         ON CONFLICT (id) DO UPDATE SET
             display_order = excluded.display_order, description = excluded.description,
             updated_at = excluded.updated_at, retired_at = excluded.retired_at,
             sequence = excluded.sequence",
    )
    .bind(categories.keys().copied().collect::<Vec<_>>())
    .bind(all().map(|category| category.name.as_str()).collect::<Vec<_>>())
    .bind(all().map(|category| category.display_order).collect::<Vec<_>>())
    .bind(all().map(|category| category.description.as_deref()).collect::<Vec<_>>())
    .bind(all().map(|category| category.created_at).collect::<Vec<_>>())
    .bind(all().map(|category| category.updated_at).collect::<Vec<_>>())
    .bind(all().map(|category| category.retired_at).collect::<Vec<_>>())
    .bind(all().map(|category| category.sequence).collect::<Vec<_>>())
    .execute(connection)
    .await?;
    Ok(())
}
