//! The one task that follows the log for all who listen.

use std::time::Duration;

use agora_event_store::{
    Position,
    read::{from_db, of_types},
};
use sqlx::PgConnection;
use tokio::time::{sleep, timeout};
use uuid::Uuid;

use super::{Place, event};
use crate::app::{App, Shared};

/// Events that are read at a time.
pub(super) const PAGE: usize = 500;
/// The poll beneath all wake-ups: how live the streams are while the broker is away.
const POLL: Duration = Duration::from_millis(500);
/// At least so long between two batches, so that a burst of votes is told as one new score.
const PACE: Duration = Duration::from_millis(25);

/// The projections whose tables must hold an event before it is told.
const PROJECTIONS: [&str; 8] = [
    "comment_scores",
    "comments",
    "communities",
    "community_rules",
    "moderation_log",
    "post_scores",
    "posts",
    "sessions",
];

/// Where the read tables are, and the log's head, in one snapshot.
pub(super) struct Served {
    pub(super) place: Place,
    pub(super) head: Position,
}

pub(super) async fn served(connection: &mut PgConnection) -> Result<Served, sqlx::Error> {
    let (position, head, epoch): (i64, i64, Uuid) = sqlx::query_as(
        "SELECT (SELECT min(coalesce(read.served_position(name), 0))
                 FROM unnest($1::text[]) AS name),
                coalesce((SELECT position FROM log.events ORDER BY position DESC LIMIT 1), 0),
                (SELECT epoch FROM log.epochs ORDER BY number DESC LIMIT 1)",
    )
    .bind(PROJECTIONS.as_slice())
    .fetch_one(connection)
    .await?;
    Ok(Served { place: Place { position: from_db(position), epoch }, head: from_db(head) })
}

/// Follows the log for ever.
pub(super) async fn follow(app: &Shared) {
    let mut news = app.projected.news();
    let mut quiet = false;
    loop {
        let Some(from) = app.live.followed() else {
            app.live.woken.notified().await;
            continue;
        };
        news.mark_unchanged();
        match step(app, from).await {
            Ok(true) => quiet = false,
            Ok(false) => {
                quiet = false;
                sleep(PACE).await;
                // Whatever is told, and by whom, only makes the tables be looked at.
                let _ = timeout(POLL, news.changed()).await;
            }
            Err(error) => {
                if !quiet {
                    tracing::warn!(%error, "live streams wait: the log cannot be read");
                }
                quiet = true;
                sleep(POLL).await;
            }
        }
    }
}

/// Tells the next batch; whether there is more to read at once.
async fn step(app: &App, from: Place) -> Result<bool, sqlx::Error> {
    let mut connection = app.reads.acquire().await?;
    let served = served(&mut connection).await?.place;
    if served.epoch != from.epoch {
        app.live.begin_anew(served);
        return Ok(false);
    }
    if served.position <= from.position {
        return Ok(false);
    }
    let types: Vec<String> = event::TYPES.iter().map(|name| (*name).to_owned()).collect();
    let limit = i64::try_from(PAGE).unwrap_or(i64::MAX);
    let events = of_types(&mut connection, from.position, served.position, limit, &types).await?;
    let is_full = events.len() == PAGE;
    let up_to = match events.last() {
        Some(last) if is_full => last.position,
        _ => served.position,
    };
    let told = event::compose(&mut connection, &events).await?;
    drop(connection);
    app.live.tell(up_to, told);
    metrics::gauge!("agora_live_position").set(up_to as f64);
    Ok(is_full)
}
