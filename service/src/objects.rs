//! Where files are kept: a folder, or a bucket that speaks S3, as `AGORA_OBJECTS_URL` says.
//!
//! A file is written under its path at once or not at all: what is cut off in the middle shows nowhere.
//! Its SHA-256 is taken of the bytes as they go.

use std::{
    error::Error,
    io,
    os::unix::fs::DirBuilderExt,
    path::{Path as FsPath, PathBuf},
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
    time::Duration,
};

use futures::TryStreamExt;
use object_store::{
    ObjectStore, ObjectStoreExt, RetryConfig, aws::AmazonS3Builder, buffered::BufWriter,
    local::LocalFileSystem, path::Path, prefix::PrefixStore,
};
use sha2::{Digest, Sha256};
use tokio::io::AsyncWrite;
use url::Url;

use crate::tls;

/// What is sent at a time; S3 takes no less than 5 MiB, and ten thousand of them.
const PART_BYTES: usize = 6 << 20;
/// Parts that are under way at once.
const PARTS: usize = 2;

#[derive(clap::Args, Clone, Debug, Default)]
pub struct ObjectsArgs {
    /// Where the files of exports are kept: file:///folder, or s3://bucket/prefix with AWS_REGION,
    /// AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY and, for other stores than Amazon's, AWS_ENDPOINT.
    /// Without it, the folder `objects` below AGORA_HOME
    #[arg(long, env = "AGORA_OBJECTS_URL", hide_env_values = true)]
    pub objects_url: Option<String>,
}

#[derive(Debug, thiserror::Error)]
pub enum ObjectsConfigError {
    #[error("AGORA_OBJECTS_URL must be file:///folder or s3://bucket/prefix")]
    Url,
    #[error("the object store cannot be set up: {0}")]
    Store(#[from] object_store::Error),
}

/// Why a file could not be written, read or removed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum StorageError {
    #[error("the storage is full")]
    Full,
    #[error("the storage does not let itself be written")]
    ReadOnly,
    #[error("the storage cannot be reached")]
    Unavailable,
    #[error("there is no such file")]
    NotFound,
}

impl StorageError {
    /// As failed exports name it.
    pub const fn code(self) -> &'static str {
        match self {
            Self::Full => "STORAGE_FULL",
            Self::ReadOnly => "STORAGE_READ_ONLY",
            Self::Unavailable | Self::NotFound => "STORAGE_UNAVAILABLE",
        }
    }
}

/// The files. Cheap to clone.
#[derive(Clone)]
pub struct Objects {
    place: Place,
}

#[derive(Clone)]
enum Place {
    /// Opened anew each time: a folder whose disk was away is there again once it is back.
    Folder(Arc<FsPath>),
    Store(Arc<dyn ObjectStore>),
}

impl Objects {
    /// `home` is the state folder, for where no URL is given.
    ///
    /// # Errors
    /// Where the URL is none of the two. That a store is away shows at the first file.
    pub fn open(arguments: &ObjectsArgs, home: &FsPath) -> Result<Self, ObjectsConfigError> {
        let given = arguments.objects_url.as_deref().map(str::trim).filter(|url| !url.is_empty());
        let Some(given) = given else {
            let folder = home.join("objects");
            // Nobody else reads what is in it. Where this fails, so does the first file, with a
            // reason.
            let made = std::fs::DirBuilder::new().recursive(true).mode(0o700).create(&folder);
            if let Err(error) = made {
                tracing::warn!(error = %error.kind(), "the folder for objects cannot be made");
            }
            return Ok(Self::in_folder(folder));
        };
        let url: Url = given.parse().map_err(|_| ObjectsConfigError::Url)?;
        match url.scheme() {
            "file" => {
                let folder = url.to_file_path().map_err(|()| ObjectsConfigError::Url)?;
                Ok(Self::in_folder(folder))
            }
            "s3" => Ok(Self::of(bucket(&url)?)),
            _ => Err(ObjectsConfigError::Url),
        }
    }

    /// In a folder. It has to be there: where a disk is not mounted, nothing is written beside it.
    pub fn in_folder(folder: PathBuf) -> Self {
        Self { place: Place::Folder(folder.into()) }
    }

    pub fn of(store: Arc<dyn ObjectStore>) -> Self {
        Self { place: Place::Store(store) }
    }

    /// To read from.
    ///
    /// # Errors
    /// Where the folder is not there.
    pub fn store(&self) -> Result<Arc<dyn ObjectStore>, StorageError> {
        match &self.place {
            Place::Store(store) => Ok(Arc::clone(store)),
            Place::Folder(folder) => LocalFileSystem::new_with_prefix(folder)
                .map(|store| store.with_fsync(true).with_automatic_cleanup(true))
                .map(|store| Arc::new(store) as Arc<dyn ObjectStore>)
                .map_err(|_| StorageError::Unavailable),
        }
    }

    /// Begins a file. It is there once [`Upload::finish`] has returned; dropped before, it never was.
    ///
    /// # Errors
    /// Where the folder is not there.
    pub fn upload(&self, path: &str) -> Result<Upload, StorageError> {
        let inner = BufWriter::with_capacity(self.store()?, Path::from(path), PART_BYTES)
            .with_max_concurrency(PARTS);
        Ok(Upload { inner, hash: Sha256::new(), size_bytes: 0 })
    }

    /// Removes what lies in a folder, but for one file, and what writers that were killed left there.
    /// What is not there is no error.
    ///
    /// # Errors
    /// Where something stays.
    pub async fn clear(&self, folder: &str, but_for: Option<&str>) -> Result<(), StorageError> {
        let store = self.store()?;
        let folder_path = Path::from(folder);
        let found: Vec<Path> = store
            .list(Some(&folder_path))
            .map_ok(|object| object.location)
            .try_collect()
            .await
            .map_err(|error| why(&error))?;
        for path in found {
            if Some(path.as_ref()) != but_for {
                match store.delete(&path).await {
                    Ok(()) | Err(object_store::Error::NotFound { .. }) => {}
                    Err(error) => return Err(why(&error)),
                }
            }
        }
        if let Place::Folder(root) = &self.place {
            let folder = root.join(folder_path.as_ref());
            tokio::task::spawn_blocking(move || remove_unfinished(&folder))
                .await
                .map_err(|_| StorageError::Unavailable)?
                .map_err(|error| why(&error))?;
        }
        Ok(())
    }
}

fn bucket(url: &Url) -> Result<Arc<dyn ObjectStore>, ObjectsConfigError> {
    tls::install();
    let retry = RetryConfig {
        max_retries: 3,
        retry_timeout: Duration::from_secs(20),
        ..RetryConfig::default()
    };
    let mut address = url.clone();
    address.set_path("");
    let store = AmazonS3Builder::from_env().with_url(address.as_str()).with_retry(retry).build()?;
    let prefix = Path::from_url_path(url.path()).map_err(|_| ObjectsConfigError::Url)?;
    Ok(match prefix.as_ref() {
        "" => Arc::new(store),
        _ => Arc::new(PrefixStore::new(store, prefix)),
    })
}

/// A file in the making is `name#number`, which no list shows.
fn remove_unfinished(folder: &FsPath) -> io::Result<()> {
    let entries = match std::fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(error),
    };
    for entry in entries {
        let entry = entry?;
        if entry.file_name().to_string_lossy().contains('#') {
            std::fs::remove_file(entry.path())?;
        }
    }
    // It goes where nothing is left in it.
    let _not_empty = std::fs::remove_dir(folder);
    Ok(())
}

/// A file in the making.
pub struct Upload {
    inner: BufWriter,
    hash: Sha256,
    size_bytes: u64,
}

/// A file that is there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stored {
    pub size_bytes: u64,
    /// In lower-case hex.
    pub sha256: String,
}

impl Upload {
    /// # Errors
    /// Where it could not be written; nothing is there then.
    pub async fn finish(mut self) -> Result<Stored, StorageError> {
        use tokio::io::AsyncWriteExt;
        // What a bucket holds of it then, it gives up by itself after some days (docs/exports.md).
        self.inner.shutdown().await.map_err(|error| why(&error))?;
        let sha256 = hex::encode(self.hash.finalize());
        Ok(Stored { size_bytes: self.size_bytes, sha256 })
    }

    /// Gives back what a bucket holds of it already.
    pub async fn abort(mut self) {
        if let Err(error) = self.inner.abort().await {
            tracing::warn!(%error, "an upload could not be given up");
        }
    }
}

impl AsyncWrite for Upload {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let written = ready!(Pin::new(&mut self.inner).poll_write(context, bytes))?;
        self.hash.update(&bytes[..written]);
        self.size_bytes += written as u64;
        Poll::Ready(Ok(written))
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_flush(context)
    }

    /// The file ends with [`Upload::finish`] alone: who only drops a writer has not finished it.
    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.poll_flush(context)
    }
}

/// What is behind an error, however deep.
pub fn why(error: &(dyn Error + 'static)) -> StorageError {
    let mut next = Some(error);
    while let Some(error) = next {
        if let Some(error) = error.downcast_ref::<io::Error>() {
            match error.kind() {
                io::ErrorKind::StorageFull
                | io::ErrorKind::QuotaExceeded
                | io::ErrorKind::FileTooLarge => return StorageError::Full,
                io::ErrorKind::ReadOnlyFilesystem | io::ErrorKind::PermissionDenied => {
                    return StorageError::ReadOnly;
                }
                _ => {}
            }
            // Its source would pass over the error that it wraps.
            next = error.get_ref().map(|inner| inner as &(dyn Error + 'static));
            continue;
        }
        match error.downcast_ref::<object_store::Error>() {
            Some(object_store::Error::PermissionDenied { .. }) => return StorageError::ReadOnly,
            Some(object_store::Error::NotFound { .. }) => return StorageError::NotFound,
            _ => {}
        }
        next = error.source();
    }
    // What S3 has no status of its own for.
    let text = error.to_string();
    if text.contains("507 Insufficient Storage") || text.contains("StorageFull") {
        return StorageError::Full;
    }
    StorageError::Unavailable
}

#[cfg(test)]
mod tests;
