//! A storage that is full, read-only or away.

use std::{
    fmt, io,
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
};

use agora_domain::exports::{
    export_job::{ExportJobEvent, ExportStatus},
    export_values::ReportFormat,
};
use agora_service::objects::Objects;
use async_trait::async_trait;
use futures::stream::BoxStream;
use object_store::{
    CopyOptions, GetOptions, GetResult, ListResult, MultipartUpload, ObjectMeta, ObjectStore,
    PutMultipartOptions, PutOptions, PutPayload, PutResult, Result, memory::InMemory, path::Path,
};

use super::world::{World, hasty};

/// Refuses to be written for a while, as a disk does.
#[derive(Debug)]
struct Refusing {
    inner: InMemory,
    kind: io::ErrorKind,
    times: AtomicU32,
}

impl fmt::Display for Refusing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("refusing")
    }
}

impl Refusing {
    fn refused(&self) -> Result<()> {
        let left = self.times.load(Ordering::SeqCst);
        if left == 0 {
            return Ok(());
        }
        self.times.store(left - 1, Ordering::SeqCst);
        let source = Box::new(io::Error::from(self.kind));
        Err(object_store::Error::Generic { store: "refusing", source })
    }
}

#[async_trait]
impl ObjectStore for Refusing {
    async fn put_opts(
        &self,
        location: &Path,
        payload: PutPayload,
        options: PutOptions,
    ) -> Result<PutResult> {
        self.refused()?;
        self.inner.put_opts(location, payload, options).await
    }

    async fn put_multipart_opts(
        &self,
        location: &Path,
        options: PutMultipartOptions,
    ) -> Result<Box<dyn MultipartUpload>> {
        self.refused()?;
        self.inner.put_multipart_opts(location, options).await
    }

    async fn get_opts(&self, location: &Path, options: GetOptions) -> Result<GetResult> {
        self.inner.get_opts(location, options).await
    }

    fn delete_stream(
        &self,
        locations: BoxStream<'static, Result<Path>>,
    ) -> BoxStream<'static, Result<Path>> {
        self.inner.delete_stream(locations)
    }

    fn list(&self, prefix: Option<&Path>) -> BoxStream<'static, Result<ObjectMeta>> {
        self.inner.list(prefix)
    }

    async fn list_with_delimiter(&self, prefix: Option<&Path>) -> Result<ListResult> {
        self.inner.list_with_delimiter(prefix).await
    }

    async fn copy_opts(&self, from: &Path, to: &Path, options: CopyOptions) -> Result<()> {
        self.inner.copy_opts(from, to, options).await
    }
}

fn refusing(kind: io::ErrorKind, times: u32) -> Objects {
    let times = AtomicU32::new(times);
    Objects::of(Arc::new(Refusing { inner: InMemory::new(), kind, times }))
}

#[tokio::test]
async fn buf_26_a_storage_that_stays_full_read_only_or_away_fails_the_export_with_its_code() {
    let world = World::new().await;
    let reporting = world.reporting().await;
    for (kind, code) in [
        (io::ErrorKind::StorageFull, "STORAGE_FULL"),
        (io::ErrorKind::ReadOnlyFilesystem, "STORAGE_READ_ONLY"),
        (io::ErrorKind::ConnectionRefused, "STORAGE_UNAVAILABLE"),
    ] {
        let job_id = world.ask_for(&reporting, ReportFormat::Csv).await;
        // Exactly as often as it is tried.
        let making = world.make_exports(1, &refusing(kind, 5), &hasty()).await;
        assert_eq!(world.until_ended(job_id).await.status, ExportStatus::Failed);
        making.stop().await;
        let last = world.events(job_id).await.pop();
        let Some(ExportJobEvent::ExportFailed { error_code, error_message, .. }) = last else {
            panic!("{last:?}")
        };
        assert_eq!(error_code.as_str(), code);
        assert!(error_message.as_str().contains("storage"), "{error_message}");
    }
}

#[tokio::test]
async fn buf_26_a_storage_that_comes_back_costs_nothing_but_time() {
    let world = World::new().await;
    let reporting = world.reporting().await;
    let job_id = world.ask_for(&reporting, ReportFormat::Csv).await;
    let objects = refusing(io::ErrorKind::StorageFull, 4);
    let making = world.make_exports(1, &objects, &hasty()).await;
    let job = world.until_ended(job_id).await;
    assert_eq!(job.status, ExportStatus::Completed);
    making.stop().await;
    let file = job.file.unwrap();
    assert_eq!(file.file_name.as_str(), "bufdir-report-2025-q1-draft-5.csv");
    let store = objects.store().unwrap();
    let stored = store.get_opts(&Path::from(file.file_path.as_str()), GetOptions::default()).await;
    assert_eq!(stored.unwrap().meta.size, file.file_size_bytes.get());
}

#[tokio::test]
async fn buf_26_a_folder_that_is_not_mounted_is_waited_for() {
    let world = World::new().await;
    let reporting = world.reporting().await;
    let job_id = world.ask_for(&reporting, ReportFormat::Csv).await;
    let folder = world.folder().join("mount");
    let arguments =
        agora_process_managers::exports::worker::WorkerArgs { export_retry_seconds: 1, ..hasty() };
    let making = world.make_exports(1, &Objects::in_folder(folder.clone()), &arguments).await;
    agora_event_store::testing::eventually("it was tried", || async {
        sqlx::query_scalar("SELECT EXISTS (SELECT FROM process.export_jobs WHERE last_code = 'STORAGE_UNAVAILABLE')")
            .fetch_one(&world.database.pool)
            .await
            .unwrap()
    })
    .await;
    std::fs::create_dir(&folder).unwrap();
    assert_eq!(world.until_ended(job_id).await.status, ExportStatus::Completed);
    making.stop().await;
}
