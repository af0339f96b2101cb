//! How fast feeds, posts and search are read, on made-up content of three sizes, and how that grows.

use std::{num::NonZeroUsize, path::PathBuf, sync::Arc, time::Duration};

use agora_domain::ids::CommunityId;
use agora_event_store::{EventLog, LogConfig, MasterKeys, Vault};
use indicatif::HumanCount;
use serde_json::json;
use sqlx::{Executor, PgPool};
use tokio::time::sleep;

use super::{
    Failure,
    content::{self, Content, Mix, Place},
    head, machine,
    paced::{Paced, Read, Visit},
    peers,
    report::Report,
    watch::{self, Memory},
};
use crate::{
    agora::{Commands, Reads, Session},
    client,
    progress::Progress,
    random::Random,
    scene::{self, Stack},
};

const COMMUNITIES: usize = 100;
/// Members who read their home feeds.
const READERS: usize = 8;
/// Communities that each of them has joined.
const JOINED: usize = 25;
/// Different visits a row; after them the first comes again.
const VISITS: usize = 5_000;
/// Not counted: connections are opened, statements planned, pages brought in.
const WARM_UP: Duration = Duration::from_secs(2);
const GOAL_MS: f64 = 20.0;

/// What is read, in which sizes, and what the generator needs to write it.
#[derive(Clone, Debug, clap::Args)]
pub struct ReadsArguments {
    /// Posts in all, one size after the other; 0 leaves the reads out
    #[arg(long, value_delimiter = ',', default_value = "12500,50000,200000")]
    read_sizes: Vec<usize>,
    /// Comments by post, on average
    #[arg(long, default_value_t = 2.0)]
    comments_per_post: f64,
    /// Votes by post, on average: half on the post, half on its comments
    #[arg(long, default_value_t = 4.0)]
    votes_per_post: f64,
    /// Reads a second
    #[arg(long, default_value_t = 500, value_parser = clap::value_parser!(u32).range(1..))]
    read_rate: u32,
    /// Of each kind of read at each size
    #[arg(long, default_value_t = 10, value_parser = clap::value_parser!(u64).range(1..))]
    read_seconds: u64,
    /// The command API's own login
    #[arg(long, env = "AGORA_WRITER_URL", hide_env_values = true)]
    writer_url: Option<String>,
    /// The vault of keys: content is sealed as commands seal it
    #[arg(long, env = "AGORA_VAULT_URL", hide_env_values = true)]
    vault_url: String,
    #[arg(long, env = "AGORA_MASTER_KEY_FILE")]
    master_key_file: PathBuf,
}

impl ReadsArguments {
    /// One small size, and little time.
    pub(super) fn quick(&self) -> Self {
        let read_sizes = self.read_sizes.iter().take(1).map(|size| (*size).min(2_000)).collect();
        Self { read_sizes, read_seconds: self.read_seconds.min(2), ..self.clone() }
    }

    pub(super) async fn vault(&self) -> Result<Vault, Failure> {
        let masters = MasterKeys::load(&self.master_key_file)?;
        Ok(Vault::new(PgPool::connect(&self.vault_url).await?, masters))
    }

    async fn log(&self, database_url: &str) -> Result<EventLog, Failure> {
        let vault = self.vault().await?;
        let url = self.writer_url.as_deref().unwrap_or(database_url);
        let mut config = LogConfig::new(url.parse()?, vault);
        // Nothing is loaded.
        config.cache_entries_max = NonZeroUsize::MIN;
        Ok(EventLog::open(config).await?)
    }
}

/// Part of a run: measures and reports all sizes. Says what has gone wrong, and the most memory that
/// the services took.
pub(super) async fn all(
    arguments: &ReadsArguments,
    stack: &Stack,
    database_url: &str,
    pool: &PgPool,
    report: &mut Report,
) -> Result<(Vec<String>, Memory), Failure> {
    let (mut failures, mut memory) = (Vec::new(), Memory::new());
    let mut sizes = arguments.read_sizes.clone();
    sizes.retain(|size| *size > 0);
    sizes.sort_unstable();
    if sizes.is_empty() {
        return Ok((failures, memory));
    }
    let audience = Audience::gather(stack).await?;
    let log = arguments.log(database_url).await?;
    let mix = Mix { comments: arguments.comments_per_post, votes: arguments.votes_per_post };
    let mut content = Content::begin(&log, audience.places.clone(), mix).await?;
    let mut grown: Vec<Grown> = Vec::new();
    for size in sizes {
        write(&log, pool, &mut content, size, report).await?;
        let posts = HumanCount(size as u64).to_string();
        for (row, kind) in Kind::ALL.into_iter().enumerate() {
            let read = measure(arguments, stack, &audience, &content, kind).await?;
            memory = watch::largest(memory, &watch::memory_mb());
            let [p50, p99] = [0.5, 0.99].map(|it| read.latency.value_at_quantile(it) as f64 / 1e3);
            let mut measured = format!("p50 {p50:.1} ms, p99 {p99:.1} ms at {:.0}/s", read.rate);
            if let Some(why) = read.why {
                measured.push_str(&format!("; {} failed", read.failed));
                failures.push(format!("{} at {posts} posts: {why}", kind.name()));
            }
            let met = p99 <= GOAL_MS && read.failed == 0;
            let goal = format!("p99 ≤ {GOAL_MS} ms at {}/s", arguments.read_rate);
            let what = format!("{}, {posts} posts", kind.name());
            report.line(&what, measured, &goal, Some(met));
            if grown.len() == row {
                grown.push(Grown { kind, points: Vec::new() });
            }
            grown[row].points.push((size, p50, p99));
        }
    }
    for grown in grown.iter().filter(|grown| grown.points.len() > 1) {
        grown.tell(report);
    }
    Ok((failures, memory))
}

/// Writes up to a size, and waits until it can be read.
async fn write(
    log: &EventLog,
    pool: &PgPool,
    content: &mut Content,
    size: usize,
    report: &mut Report,
) -> Result<(), Failure> {
    let (before, begun) = (head(pool).await?, std::time::Instant::now());
    content.grow(log, size).await?;
    let after = head(pool).await?;
    let appended = (after - before) as f64 / begun.elapsed().as_secs_f64();
    projected(pool, after).await?;
    let readable = (after - before) as f64 / begun.elapsed().as_secs_f64();
    report.line(
        &format!(
            "made-up content: {} posts, {} comments, {} votes in all",
            HumanCount(content.posts.len() as u64),
            HumanCount(content.comments as u64),
            HumanCount(content.votes as u64)
        ),
        format!(
            "written at {}, in all read tables at {}",
            peers::per_second(appended),
            peers::per_second(readable)
        ),
        "—",
        None,
    );
    // Autovacuum would do it in a while, perhaps while something is measured.
    let tables: Vec<String> = sqlx::query_scalar(
        "SELECT format('%I.%I', schemaname, tablename) FROM pg_tables WHERE schemaname = 'read'",
    )
    .fetch_all(pool)
    .await?;
    for table in tables {
        pool.execute(format!("VACUUM (ANALYZE) {table}").as_str()).await?;
    }
    pool.execute("CHECKPOINT").await?;
    Ok(())
}

/// Waits until all projections have come so far.
async fn projected(pool: &PgPool, position: i64) -> Result<(), Failure> {
    let mut served = watch::served(pool).await?;
    let progress = Progress::new("events to project", usize::try_from(position - served)?);
    while served < position {
        sleep(Duration::from_millis(20)).await;
        let now = watch::served(pool).await?.min(position);
        (served..now).for_each(|_| progress.tick());
        served = now.max(served);
    }
    progress.finish();
    Ok(())
}

/// Who reads, and where.
struct Audience {
    places: Vec<Place>,
    readers: Vec<Session>,
}

impl Audience {
    async fn gather(stack: &Stack) -> Result<Self, Failure> {
        let run = scene::run_suffix();
        let mut commands = Commands::new(&stack.command_addr);
        commands.log_in(&stack.admin_email, &stack.admin_password).await?;
        let category = json!({ "name": format!("reads-{run}") });
        let category = commands.send("create-category", &category).await?.aggregate_id;
        let readers = scene::members(stack, &run, READERS, |_| None, || {}).await?;
        let mut places = Vec::with_capacity(COMMUNITIES);
        for number in 0..COMMUNITIES {
            commands.act_as(&readers[number % READERS]);
            let name = format!("reads-{number}-{run}");
            let body = json!({ "name": name, "category_id": category });
            let community = commands.send("create-community", &body).await?;
            places.push(Place { id: CommunityId(community.aggregate_id), name });
        }
        for (number, reader) in readers.iter().enumerate() {
            commands.act_as(reader);
            for joined in 0..JOINED {
                // The largest communities and some of the small ones.
                let place = (joined * (1 + number % 4)) % COMMUNITIES;
                let body = json!({ "community_id": places[place].id });
                commands.send("join-community", &body).await?;
            }
        }
        Ok(Self { places, readers })
    }
}

/// One kind of read.
#[derive(Clone, Copy)]
enum Kind {
    CommunityNew,
    CommunityTop,
    CommunityHot,
    HomeHot,
    PostWithComments,
    SearchFrequent,
    SearchRare,
}

impl Kind {
    const ALL: [Self; 7] = [
        Self::CommunityNew,
        Self::CommunityTop,
        Self::CommunityHot,
        Self::HomeHot,
        Self::PostWithComments,
        Self::SearchFrequent,
        Self::SearchRare,
    ];

    const fn name(self) -> &'static str {
        match self {
            Self::CommunityNew => "community feed, new",
            Self::CommunityTop => "community feed, top",
            Self::CommunityHot => "community feed, hot",
            Self::HomeHot => "home feed, hot",
            Self::PostWithComments => "a post, then its first page of comments",
            Self::SearchFrequent => "search of posts, a frequent word",
            Self::SearchRare => "search of posts, a rare word",
        }
    }

    /// What one reader asks for, and as whom.
    fn visit<'a>(
        self,
        audience: &'a Audience,
        content: &Content,
        random: &mut Random,
    ) -> (Vec<String>, Option<&'a Session>) {
        let feed = |random: &mut Random, sort| {
            let name = &audience.places[random.zipf(COMMUNITIES)].name;
            vec![format!("/v1/communities/{name}/posts?sort={sort}")]
        };
        let search = |rank| vec![format!("/v1/search/posts?q={}", content::word(rank))];
        match self {
            Self::CommunityNew => (feed(random, "new"), None),
            Self::CommunityTop => (feed(random, "top"), None),
            Self::CommunityHot => (feed(random, "hot"), None),
            Self::HomeHot => {
                let reader = &audience.readers[random.below(READERS)];
                (vec!["/v1/me/feed?sort=hot".to_owned()], Some(reader))
            }
            Self::PostWithComments => {
                // Each second one has comments for a whole page.
                let busy = !content.busy.is_empty() && random.below(2) == 0;
                let posts = if busy { &content.busy } else { &content.posts };
                let post = format!("/v1/posts/{}", posts[random.below(posts.len())]);
                let comments = format!("{post}/comments");
                (vec![post, comments], None)
            }
            // In a third to two thirds of the posts.
            Self::SearchFrequent => (search(5 + random.below(10)), None),
            // In a few of a hundred thousand.
            Self::SearchRare => {
                let half = content::WORDS / 2;
                (search(half + random.below(half)), None)
            }
        }
    }
}

async fn measure(
    arguments: &ReadsArguments,
    stack: &Stack,
    audience: &Audience,
    content: &Content,
    kind: Kind,
) -> Result<Read, Failure> {
    let mut random = Random(0x6167_6f72_6123);
    probe(stack, audience, content, kind, &mut random).await?;
    let address = &stack.read_addr;
    let visits: Vec<Visit> = (0..VISITS)
        .map(|_| {
            let (paths, reader) = kind.visit(audience, content, &mut random);
            let token = reader.map(|reader| reader.token.as_str());
            paths.iter().map(|path| client::get(path, address, token).into_bytes()).collect()
        })
        .collect();
    let paced = Paced {
        address: address.clone(),
        visits: Arc::new(visits),
        rate: arguments.read_rate,
        time: WARM_UP,
    };
    paced.clone().run().await?;
    let time = Duration::from_secs(arguments.read_seconds);
    Paced { time, ..paced }.run().await
}

/// Fails where a reply is no reply, or empty: then nothing would be measured. A rare word may be in
/// no post.
async fn probe(
    stack: &Stack,
    audience: &Audience,
    content: &Content,
    kind: Kind,
    random: &mut Random,
) -> Result<(), Failure> {
    let (paths, reader) = kind.visit(audience, content, random);
    let mut reads = Reads::new(&stack.read_addr);
    if let Some(reader) = reader {
        reads.act_as(reader);
    }
    for path in paths {
        let reply = reads.json(&path).await?;
        let is_empty = reply["items"].as_array().is_some_and(Vec::is_empty);
        let may_be = matches!(kind, Kind::SearchRare | Kind::PostWithComments);
        if is_empty && !may_be {
            return Err(format!("{path} lists nothing").into());
        }
    }
    Ok(())
}

/// One kind of read at all sizes: posts, p50 and p99 in milliseconds.
struct Grown {
    kind: Kind,
    points: Vec<(usize, f64, f64)>,
}

impl Grown {
    fn tell(&self, report: &mut Report) {
        let (Some(first), Some(last)) = (self.points.first(), self.points.last()) else { return };
        let list = |value: fn(&(usize, f64, f64)) -> String| {
            self.points.iter().map(value).collect::<Vec<_>>().join(" → ")
        };
        let sizes = list(|point| HumanCount(point.0 as u64).to_string());
        let measured = format!(
            "p50 {} ms, × {:.2}; p99 {} ms, × {:.2}; posts × {:.0}",
            list(|point| format!("{:.1}", point.1)),
            last.1 / first.1,
            list(|point| format!("{:.1}", point.2)),
            last.2 / first.2,
            last.0 as f64 / first.0 as f64,
        );
        let what = format!("growth of {}, {sizes} posts", self.kind.name());
        report.line(&what, measured, "—", None);
    }
}

/// The reads alone, for profiling.
#[derive(Clone, Debug, clap::Args)]
pub struct ReadsAloneArguments {
    #[command(flatten)]
    stack: Stack,
    #[command(flatten)]
    reads: ReadsArguments,
    /// An owner's rights
    #[arg(long, env = "DATABASE_URL", hide_env_values = true)]
    database_url: String,
}

pub async fn reads(arguments: ReadsAloneArguments) -> Result<(), Failure> {
    let ReadsAloneArguments { stack, reads, database_url } = arguments;
    let pool = PgPool::connect(&database_url).await?;
    let mut report = Report::new(machine::describe(&pool).await?);
    let (failures, _) = all(&reads, &stack, &database_url, &pool, &mut report).await?;
    if failures.is_empty() { Ok(()) } else { Err(failures.join("; ").into()) }
}
