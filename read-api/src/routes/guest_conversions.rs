//! How many guests come, and how many become members: sums by day, and nothing of whom (GST-06).

use axum::{extract::State, response::Response};
use chrono::NaiveDate;
use serde::Serialize;
use sqlx::FromRow;
use utoipa::ToSchema;

use crate::{
    app::Shared, error::ReadError, freshness::fresh, paging::Page, reply::List, request::Read,
    rows::with_position,
};

/// The guests of a day.
#[derive(Serialize, FromRow, ToSchema)]
pub struct GuestConversions {
    /// In UTC.
    #[schema(value_type = String, format = Date, example = "2026-11-20")]
    day: NaiveDate,
    /// Guests that were new.
    guests_first_seen: i64,
    /// Members who registered and were guests until then, new or not.
    members_registered: i64,
}

const LIST: &str = "guest-conversions";

/// Lists the days on which there was something to count, the latest first.
#[utoipa::path(get, path = "/v1/analytics/guest-conversions", tag = "Administration", params(Page),
    responses((status = 200, description = "A part of the list", body = List<GuestConversions>)))]
pub async fn list(State(app): State<Shared>, read: Read<Page>) -> Result<Response, ReadError> {
    let end_of_time = NaiveDate::from_ymd_opt(9999, 12, 31).expect("a day of the calendar");
    let before: NaiveDate = read.query.place(&app, LIST, end_of_time)?;
    let (position, rows) = fresh(&app.projected, read.freshness, || async {
        let rows = sqlx::query(
            "SELECT p.*, c.*
             FROM (SELECT coalesce(read.served_position('guest_conversion_counts'), 0) OFFSET 0) p
             LEFT JOIN LATERAL (
                 SELECT day, guests_first_seen, members_registered
                 FROM read.guest_conversion_counts WHERE day < $1
                 ORDER BY day DESC LIMIT $2
             ) c ON true
             ORDER BY c.day DESC",
        )
        .bind(before)
        .bind(read.query.rows())
        .fetch_all(&app.reads)
        .await?;
        with_position::<GuestConversions>(&rows)
    })
    .await?;
    let part = read.query.cut(&app, LIST, rows, |last| last.day);
    Ok(read.list(position, &part))
}
