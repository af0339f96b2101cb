//! Members (E07).

use std::collections::BTreeMap;

use agora_event_store::RecordedEvent;
use chrono::{DateTime, Utc};
use serde::Deserialize;
use sqlx::{FromRow, PgConnection};
use uuid::Uuid;

use crate::projection::{ApplyError, Columns, Projection, number, payload, stream_uuid};

pub(super) const PROJECTION: Projection = Projection {
    name: "members",
    version: 1,
    event_types: &[
        "MemberRegistered",
        "DisplayNameChanged",
        "MemberSuspended",
        "MemberReinstated",
        "MemberDeletionPending",
        "MemberDeletionRejected",
        "MemberDeleted",
    ],
    columns: Columns::Payload,
    tables: &["members"],
    apply: |events, connection| Box::pin(apply(events, connection)),
};

/// Display names are sealed text.
#[derive(Deserialize)]
enum Event {
    MemberRegistered { credential_id: Uuid, display_name: Option<String> },
    DisplayNameChanged { display_name: Option<String> },
    MemberSuspended {},
    MemberReinstated {},
    MemberDeletionPending {},
    MemberDeletionRejected {},
    MemberDeleted {},
}

#[derive(FromRow)]
struct Member {
    id: Uuid,
    user_credential_id: Uuid,
    display_name: Option<String>,
    status: String,
    created_at: DateTime<Utc>,
    updated_at: DateTime<Utc>,
    deleted_at: Option<DateTime<Utc>>,
    sequence: i64,
}

impl Member {
    fn apply(&mut self, change: Event, at: DateTime<Utc>) {
        let status = match change {
            Event::MemberRegistered { .. } => return,
            Event::DisplayNameChanged { display_name } => {
                self.display_name = display_name;
                return;
            }
            Event::MemberSuspended {} => "suspended",
            Event::MemberReinstated {} | Event::MemberDeletionRejected {} => "active",
            Event::MemberDeletionPending {} => "pending_deletion",
            Event::MemberDeleted {} => {
                self.deleted_at = Some(at);
                "deleted"
            }
        };
        status.clone_into(&mut self.status);
    }
}

async fn apply(events: &[&RecordedEvent], connection: &mut PgConnection) -> Result<(), ApplyError> {
    let ids = events.iter().map(|event| stream_uuid(event)).collect::<Result<Vec<_>, _>>()?;
    let mut members: BTreeMap<Uuid, Member> =
        sqlx::query_as::<_, Member>("SELECT * FROM members WHERE id = ANY ($1)")
            .bind(&ids)
            .fetch_all(&mut *connection)
            .await?
            .into_iter()
            .map(|member| (member.id, member))
            .collect();
    for (event, id) in events.iter().zip(ids) {
        let at = event.recorded_at;
        let change: Event = payload(event)?;
        if let Event::MemberRegistered { credential_id, display_name } = &change {
            let member = Member {
                id,
                user_credential_id: *credential_id,
                display_name: display_name.clone(),
                status: "active".to_owned(),
                created_at: at,
                updated_at: at,
                deleted_at: None,
                sequence: 0,
            };
            members.insert(id, member);
        }
        if let Some(member) = members.get_mut(&id) {
            member.apply(change, at);
            member.updated_at = at;
            member.sequence = number(event.sequence);
        }
    }
    write(&members, connection).await
}

async fn write(
    members: &BTreeMap<Uuid, Member>,
    connection: &mut PgConnection,
) -> Result<(), ApplyError> {
    let all = || members.values();
    sqlx::query(
        "INSERT INTO members (id, user_credential_id, display_name, status, created_at,
             updated_at, deleted_at, sequence)
         SELECT * FROM unnest($1::uuid[], $2::uuid[], $3::text[], $4::text[], $5::timestamptz[],
             $6::timestamptz[], $7::timestamptz[], $8::bigint[])
         ON CONFLICT (id) DO UPDATE SET
             display_name = excluded.display_name, status = excluded.status,
             updated_at = excluded.updated_at, deleted_at = excluded.deleted_at,
             sequence = excluded.sequence",
    )
    .bind(members.keys().copied().collect::<Vec<_>>())
    .bind(all().map(|member| member.user_credential_id).collect::<Vec<_>>())
    .bind(all().map(|member| member.display_name.as_deref()).collect::<Vec<_>>())
    .bind(all().map(|member| member.status.as_str()).collect::<Vec<_>>())
    .bind(all().map(|member| member.created_at).collect::<Vec<_>>())
    .bind(all().map(|member| member.updated_at).collect::<Vec<_>>())
    .bind(all().map(|member| member.deleted_at).collect::<Vec<_>>())
    .bind(all().map(|member| member.sequence).collect::<Vec<_>>())
    .execute(connection)
    .await?;
    Ok(())
}
