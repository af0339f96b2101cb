use tokio::io::AsyncWriteExt;

use super::*;

struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Self {
        let folder = std::env::temp_dir().join(format!("agora-{name}-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        Self(folder)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        std::fs::remove_dir_all(&self.0).ok();
    }
}

#[tokio::test]
async fn buf_26_a_file_is_there_whole_or_not_at_all() {
    let folder = Folder::new("whole");
    let objects = Objects::in_folder(folder.0.clone());
    let path = "exports/platform_data/1/a.csv";
    let file = folder.0.join(path);
    let mut upload = objects.upload(path).unwrap();
    // Longer than a part, so that something is on the disk before the end.
    upload.write_all(&vec![7; 3 * PART_BYTES]).await.unwrap();
    upload.flush().await.unwrap();
    assert!(!file.exists());
    drop(upload);
    let mut upload = objects.upload(path).unwrap();
    upload.write_all(&vec![7; 2 * PART_BYTES]).await.unwrap();
    upload.write_all(b"end").await.unwrap();
    let stored = upload.finish().await.unwrap();
    let bytes = std::fs::read(&file).unwrap();
    assert_eq!(bytes.len() as u64, stored.size_bytes);
    assert_eq!(hex::encode(Sha256::digest(&bytes)), stored.sha256);
}

#[tokio::test]
async fn buf_14_a_folder_is_cleared_of_all_but_one_file() {
    let folder = Folder::new("clear");
    let objects = Objects::in_folder(folder.0.clone());
    let job = "exports/platform_data/1";
    for name in ["a.csv", "b.csv"] {
        let mut upload = objects.upload(&format!("{job}/{name}")).unwrap();
        upload.write_all(b"x").await.unwrap();
        upload.finish().await.unwrap();
    }
    let left = folder.0.join(job).join("a.csv#1");
    std::fs::write(&left, "of a writer that was killed").unwrap();
    objects.clear(job, Some("exports/platform_data/1/a.csv")).await.unwrap();
    assert!(folder.0.join(job).join("a.csv").exists());
    assert!(!folder.0.join(job).join("b.csv").exists() && !left.exists());
    objects.clear(job, None).await.unwrap();
    assert!(!folder.0.join(job).exists());
    objects.clear(job, None).await.unwrap();
    assert_eq!(objects.clear("exports/none", None).await, Ok(()));
}

#[tokio::test]
async fn a_store_that_is_away_says_so_and_is_there_once_it_is_back() {
    let folder = Folder::new("away");
    let mount = folder.0.join("mount");
    let objects = Objects::in_folder(mount.clone());
    assert_eq!(objects.upload("a").err(), Some(StorageError::Unavailable));
    assert!(!mount.exists(), "nothing is written where a disk should be");
    std::fs::create_dir(&mount).unwrap();
    let mut upload = objects.upload("a/b").unwrap();
    upload.write_all(b"x").await.unwrap();
    upload.finish().await.unwrap();
    // A file where a folder should be.
    std::fs::write(mount.join("c"), "").unwrap();
    let mut upload = objects.upload("c/d").unwrap();
    upload.write_all(b"x").await.unwrap();
    assert_eq!(upload.finish().await, Err(StorageError::Unavailable));
}

#[test]
fn errors_are_told_apart_however_deep_they_are() {
    let wrapped = |kind: io::ErrorKind| {
        io::Error::other(object_store::Error::Generic {
            store: "test",
            source: Box::new(io::Error::other(io::Error::from(kind))),
        })
    };
    for (kind, expected) in [
        (io::ErrorKind::StorageFull, StorageError::Full),
        (io::ErrorKind::QuotaExceeded, StorageError::Full),
        (io::ErrorKind::ReadOnlyFilesystem, StorageError::ReadOnly),
        (io::ErrorKind::PermissionDenied, StorageError::ReadOnly),
        (io::ErrorKind::ConnectionRefused, StorageError::Unavailable),
    ] {
        assert_eq!(why(&wrapped(kind)), expected, "{kind}");
    }
    let s3 = |text: &str| object_store::Error::Generic { store: "S3", source: text.into() };
    assert_eq!(why(&s3("Server returned 507 Insufficient Storage")), StorageError::Full);
    assert_eq!(why(&s3("timeout")), StorageError::Unavailable);
    assert_eq!(StorageError::Full.code(), "STORAGE_FULL");
}

#[test]
fn only_folders_and_buckets_are_places() {
    let open = |url: &str| {
        let arguments = ObjectsArgs { objects_url: Some(url.into()) };
        Objects::open(&arguments, FsPath::new("/nonexistent"))
    };
    for url in ["http://example.org/x", "file://host/x", "x", "gs://bucket"] {
        assert!(open(url).is_err(), "{url}");
    }
    for url in ["file:///var/lib/agora/objects", "s3://bucket/some/prefix", "s3://bucket"] {
        assert!(open(url).is_ok(), "{url}");
    }
}
