//! What projectors ask of the log besides `agora_event_store::read`: its head and history, and
//! events of chosen types in bulk.

use agora_event_store::{
    Position, RecordedEvent,
    read::{from_db, to_db},
};
use bytes::{Buf, Bytes};
use chrono::DateTime;
use futures::TryStreamExt;
use sqlx::PgConnection;
use tokio::sync::mpsc;
use uuid::Uuid;

use crate::projection::Columns;

/// The log as it is now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Head {
    pub position: Position,
    pub epoch: Uuid,
    /// The lowest head at which an epoch after the known one began: what of the known history is
    /// still part of the log. `None` where the known epoch is the present one.
    pub kept: Option<Position>,
}

/// The head, seen by somebody who knows the log as of `known_epoch`.
pub async fn head(connection: &mut PgConnection, known_epoch: Uuid) -> Result<Head, sqlx::Error> {
    let (position, epoch, kept): (i64, Uuid, Option<i64>) = sqlx::query_as(
        "SELECT coalesce((SELECT position FROM log.events ORDER BY position DESC LIMIT 1), 0),
                (SELECT epoch FROM log.epochs ORDER BY number DESC LIMIT 1),
                (SELECT min(head) FROM log.epochs WHERE number > coalesce(
                     (SELECT number FROM log.epochs WHERE epoch = $1), 0))",
    )
    .bind(known_epoch)
    .fetch_one(connection)
    .await?;
    Ok(Head { position: from_db(position), epoch, kept: kept.map(from_db) })
}

/// Events that were read together.
pub struct Piece {
    /// There are no other wanted events up to here.
    pub to: Position,
    pub events: Vec<RecordedEvent>,
}

/// The most bytes of payloads and metadata in a piece, but for one event.
const PIECE_BYTES_MAX: usize = 8 << 20;

/// The events of the wanted types in `(after, up_to]`, oldest first, by COPY: several times as fast
/// as rows. Fields that `columns` does not ask for are empty.
pub async fn copy(
    connection: &mut PgConnection,
    after: Position,
    up_to: Position,
    event_types: &[&str],
    columns: Columns,
) -> Result<Vec<RecordedEvent>, sqlx::Error> {
    let statement = statement(after, up_to, event_types, columns);
    let mut events = Vec::new();
    let mut rows = connection.copy_out_raw(&statement).await?;
    while let Some(row) = rows.try_next().await? {
        events.extend(decode(row, columns)?);
    }
    Ok(events)
}

/// As [`copy`], in pieces that fit in memory. Once nobody wants them any more (`false`), the
/// connection is in the middle of a copy: drop it.
pub async fn copy_pieces(
    connection: &mut PgConnection,
    after: Position,
    up_to: Position,
    event_types: &[&str],
    columns: Columns,
    pieces: &mpsc::Sender<Piece>,
) -> Result<bool, sqlx::Error> {
    let statement = statement(after, up_to, event_types, columns);
    let (mut events, mut bytes) = (Vec::new(), 0);
    let mut rows = connection.copy_out_raw(&statement).await?;
    while let Some(row) = rows.try_next().await? {
        let Some(event) = decode(row, columns)? else { continue };
        let more = event.payload.len() + event.metadata.len();
        if bytes + more > PIECE_BYTES_MAX && !events.is_empty() {
            let piece = Piece { to: event.position - 1, events: std::mem::take(&mut events) };
            bytes = 0;
            if pieces.send(piece).await.is_err() {
                return Ok(false);
            }
        }
        bytes += more;
        events.push(event);
    }
    Ok(pieces.send(Piece { to: up_to, events }).await.is_ok())
}

fn statement(after: Position, up_to: Position, event_types: &[&str], columns: Columns) -> String {
    let rest = match columns {
        Columns::Payload => "",
        Columns::All | Columns::Opened => {
            ", event_id, aggregate_type, event_version, metadata::text"
        }
    };
    // Names of types are constants of the code; COPY takes no parameters.
    let types: Vec<_> = event_types.iter().map(|name| format!("'{name}'")).collect();
    format!(
        "COPY (SELECT position, aggregate_id, sequence, event_type, recorded_at, payload::text{rest}
               FROM log.events
               WHERE position > {} AND position <= {} AND event_type IN ({})
               ORDER BY position) TO STDOUT (FORMAT binary)",
        to_db(after),
        to_db(up_to),
        types.join(", "),
    )
}

/// What a binary COPY starts with, before the first row.
const SIGNATURE: &[u8] = b"PGCOPY\n\xff\r\n\0";
const HEADER_BYTES: usize = SIGNATURE.len() + 8;
/// 2000-01-01, where Postgres counts microseconds from.
const POSTGRES_EPOCH_MICROS: i64 = 946_684_800_000_000;

/// A row's event; the trailer has none.
fn decode(mut row: Bytes, columns: Columns) -> Result<Option<RecordedEvent>, sqlx::Error> {
    decoded(&mut row, columns)
        .ok_or_else(|| sqlx::Error::Protocol("COPY gave a row of another shape".to_owned()))
}

fn decoded(row: &mut Bytes, columns: Columns) -> Option<Option<RecordedEvent>> {
    if row.starts_with(SIGNATURE) {
        row.advance(HEADER_BYTES);
    }
    if row.try_get_i16().ok()? == -1 {
        return Some(None);
    }
    let position = field(row)?.try_get_i64().ok()?;
    let aggregate_id = text(row)?;
    let sequence = field(row)?.try_get_i64().ok()?;
    let event_type = text(row)?;
    let micros = field(row)?.try_get_i64().ok()?.checked_add(POSTGRES_EPOCH_MICROS)?;
    let payload = text(row)?;
    let mut event = RecordedEvent {
        position: from_db(position),
        event_id: Uuid::nil(),
        aggregate_type: String::new(),
        aggregate_id,
        sequence: from_db(sequence),
        event_type,
        event_version: String::new(),
        payload,
        metadata: String::new(),
        recorded_at: DateTime::from_timestamp_micros(micros)?,
    };
    if columns != Columns::Payload {
        event.event_id = Uuid::from_slice(&field(row)?).ok()?;
        event.aggregate_type = text(row)?;
        event.event_version = text(row)?;
        event.metadata = text(row)?;
    }
    Some(Some(event))
}

/// The next field; none of the log's columns is ever null.
fn field(row: &mut Bytes) -> Option<Bytes> {
    let length = usize::try_from(row.try_get_i32().ok()?).ok()?;
    (length <= row.len()).then(|| row.split_to(length))
}

fn text(row: &mut Bytes) -> Option<String> {
    String::from_utf8(field(row)?.into()).ok()
}
