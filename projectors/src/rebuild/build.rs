//! Fills the new tables: one task reads the log while this one applies what was read.

use agora_event_store::{Opener, Position};
use indicatif::ProgressBar;
use sqlx::{ConnectOptions, Connection, PgConnection, postgres::PgConnectOptions};
use tokio::sync::mpsc;

use super::RebuildError;
use crate::{
    checkpoints,
    log::{self, Piece},
    projection::{Columns, Projection},
};

/// How many positions one statement of the first pass reads: enough for sets to pay, and no
/// snapshot that lasts.
const WINDOW: Position = 20_000;
/// As [`WINDOW`], for what is left after the first pass.
const REST_WINDOW: Position = 2_000;
/// Pieces that are read ahead.
const AHEAD: usize = 2;

/// A projection's new tables while they are made.
pub(super) struct Build {
    pub(super) projection: &'static Projection,
    opener: Opener,
    /// Everything up to here is in the new tables.
    pub(super) position: Position,
    pub(super) events: u64,
    /// Why it can't be swapped.
    pub(super) failed: Option<RebuildError>,
}

impl Build {
    pub(super) fn new(projection: &'static Projection, opener: Opener) -> Self {
        Self { projection, opener, position: 0, events: 0, failed: None }
    }

    pub(super) fn note(&mut self, result: Result<(), RebuildError>) {
        if let Err(error) = result {
            self.failed = Some(error);
        }
    }

    /// Applies a piece in a transaction of its own.
    async fn apply(
        &mut self,
        piece: &Piece,
        connection: &mut PgConnection,
    ) -> Result<(), RebuildError> {
        let wanted: Vec<_> =
            piece.events.iter().filter(|event| self.projection.wants(event)).collect();
        if !wanted.is_empty() {
            let mut tx = connection.begin().await?;
            self.projection.take(&wanted, &self.opener, &mut tx).await?;
            tx.commit().await?;
        }
        self.events += u64::try_from(wanted.len()).unwrap_or(0);
        self.position = piece.to;
        Ok(())
    }

    /// Brings this one up to a position, without a task of its own for reading.
    pub(super) async fn catch_up(
        &mut self,
        to: Position,
        connection: &mut PgConnection,
    ) -> Result<(), RebuildError> {
        while self.position < to {
            let to = to.min(self.position + REST_WINDOW);
            let (types, columns) = (self.projection.event_types, self.projection.columns);
            let events = log::copy(connection, self.position, to, types, columns).await?;
            self.apply(&Piece { to, events }, connection).await?;
        }
        Ok(())
    }

    /// As [`Self::catch_up`], in the caller's transaction; whether it is kept is the caller's to say.
    pub(super) async fn catch_up_within(
        &self,
        to: Position,
        connection: &mut PgConnection,
    ) -> Result<u64, RebuildError> {
        let (mut at, mut count) = (self.position, 0);
        while at < to {
            let end = to.min(at + REST_WINDOW);
            let (types, columns) = (self.projection.event_types, self.projection.columns);
            let events = log::copy(connection, at, end, types, columns).await?;
            let wanted: Vec<_> = events.iter().collect();
            if !wanted.is_empty() {
                self.projection.take(&wanted, &self.opener, connection).await?;
            }
            count += u64::try_from(wanted.len()).unwrap_or(0);
            at = end;
        }
        Ok(count)
    }
}

/// Brings all of them up to `target` in one pass over the log. One that fails is left behind.
pub(super) async fn all(
    connect: &PgConnectOptions,
    connection: &mut PgConnection,
    builds: &mut [Build],
    target: Position,
    bar: &ProgressBar,
) -> Result<(), RebuildError> {
    let mut types: Vec<_> = builds
        .iter()
        .filter(|build| build.failed.is_none())
        .flat_map(|build| build.projection.event_types.iter().copied())
        .collect();
    types.sort_unstable();
    types.dedup();
    let columns = builds.iter().map(|build| build.projection.columns).max();
    let (sender, mut pieces) = mpsc::channel(AHEAD);
    let reader = checkpoints::build(connect.clone()).connect().await?;
    let reading =
        tokio::spawn(read(reader, types, columns.unwrap_or(Columns::Payload), target, sender));
    while let Some(piece) = pieces.recv().await {
        for build in builds.iter_mut().filter(|build| build.failed.is_none()) {
            let applied = build.apply(&piece, connection).await;
            build.note(applied);
        }
        bar.set_position(piece.to);
        if builds.iter().all(|build| build.failed.is_some()) {
            break;
        }
    }
    drop(pieces);
    // It ends by itself once nobody listens; it does not panic.
    reading.await.unwrap_or(Ok(())).map_err(RebuildError::from)
}

async fn read(
    mut connection: PgConnection,
    types: Vec<&'static str>,
    columns: Columns,
    target: Position,
    pieces: mpsc::Sender<Piece>,
) -> Result<(), sqlx::Error> {
    let mut at = 0;
    while at < target && !types.is_empty() {
        let to = target.min(at + WINDOW);
        if !log::copy_pieces(&mut connection, at, to, &types, columns, &pieces).await? {
            return Ok(());
        }
        at = to;
    }
    connection.close().await
}
