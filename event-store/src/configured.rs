//! Numbers of the configuration that a process keeps in memory, since they are asked for with every
//! request: they follow the read table, so that a change holds within a second and without a restart.

use std::{collections::HashMap, time::Duration};

use agora_domain::site::settings::Setting;
use sqlx::PgPool;

/// How often it asks what is set.
const EVERY: Duration = Duration::from_millis(500);

/// Tells what is set of these settings, at first and whenever it has changed, for ever. What is known
/// holds on while the database is away.
pub async fn follow(
    pool: PgPool,
    settings: Vec<&'static Setting>,
    tell: impl Fn(&HashMap<&'static str, u32>) + Send,
) {
    let mut ticks = tokio::time::interval(EVERY);
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    let mut known = numbers(&settings, &HashMap::new());
    tell(&known);
    loop {
        ticks.tick().await;
        match look(&pool, &settings).await {
            Ok(now) if now != known => {
                tell(&now);
                known = now;
            }
            Ok(_) => {}
            Err(error) => tracing::warn!(%error, "cannot ask what is configured"),
        }
    }
}

/// The numbers that hold now.
///
/// # Errors
/// Where the database cannot be asked.
pub async fn look(
    pool: &PgPool,
    settings: &[&'static Setting],
) -> Result<HashMap<&'static str, u32>, sqlx::Error> {
    let keys: Vec<&str> = settings.iter().map(|setting| setting.key).collect();
    let set: Vec<(String, String)> =
        sqlx::query_as("SELECT key, value FROM read.configurations WHERE key = ANY($1)")
            .bind(keys)
            .fetch_all(pool)
            .await?;
    Ok(numbers(settings, &set.into_iter().collect()))
}

fn numbers(
    settings: &[&'static Setting],
    set: &HashMap<String, String>,
) -> HashMap<&'static str, u32> {
    let number = |setting: &&'static Setting| {
        (setting.key, setting.number_or_default(set.get(setting.key).map(String::as_str)))
    };
    settings.iter().map(number).collect()
}
