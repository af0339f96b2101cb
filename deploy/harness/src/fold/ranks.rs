//! The lists by rank, made from posts, comments and their scores as docs/ranking.md says.

use serde_json::{Value, json};

use super::{Tables, put};

/// To be called once, after all events: a rank is where a score has led.
pub(super) fn apply(tables: &mut Tables) {
    for (id, score) in tables["post_scores"].clone() {
        let shown = tables["posts"].get(&id).is_some_and(|post| post["deleted_at"].is_null());
        if shown {
            for (ranking, level) in (1..).zip(levels(&score)) {
                let place = ("community_id", &score["community_id"]);
                enter(tables, "post_ranks", ("post_id", &id), place, ranking, level, &score);
            }
        }
    }
    for (id, score) in tables["comment_scores"].clone() {
        for (ranking, level) in (1..).zip(&levels(&score)[..2]) {
            let place = ("answers", &score["answers"]);
            enter(tables, "comment_ranks", ("comment_id", &id), place, ranking, *level, &score);
        }
    }
}

fn enter(
    tables: &mut Tables,
    table: &'static str,
    (id_column, id): (&str, &str),
    (place_column, place): (&str, &Value),
    ranking: i64,
    level: i64,
    score: &Value,
) {
    let row = json!({
        place_column: place, "ranking": ranking, "level": level,
        "created_at": score["created_at"], id_column: id,
    });
    put(tables, table, &format!("{id}:{ranking}"), row);
}

/// By score, hot, controversial.
fn levels(score: &Value) -> [i64; 3] {
    let of = |column: &str| score[column].as_i64().unwrap_or(0);
    let (up, down) = (of("upvotes"), of("downvotes"));
    let (fewer, more) = (up.min(down) as f64, up.max(down) as f64);
    let controversy =
        if fewer < 1.0 { 0.0 } else { 4.0 * fewer * (up as f64 + down as f64).log2() / more };
    [leading(up - down, 32), leading((up - down).max(0), 4), controversy.floor() as i64]
}

/// Halves until less than `limit` is left, and doubles as often again.
fn leading(number: i64, limit: i64) -> i64 {
    if number.abs() < limit { number } else { 2 * leading(number / 2, limit) }
}
