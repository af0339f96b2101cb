//! A file in the object store: proven to be the one that the log names before its first byte leaves,
//! and again while it does (BUF-19).

use std::sync::Arc;

use agora_domain::exports::export_values::ExportFile;
use agora_service::objects::{Objects, StorageError, why};
use axum::body::{Body, Bytes};
use futures::{Stream, StreamExt, TryStreamExt, stream};
use object_store::{GetOptions, GetRange, ObjectStore, ObjectStoreExt, path::Path};
use sha2::{Digest, Sha256};

use super::range::Part;

#[derive(Debug, thiserror::Error)]
pub enum FileError {
    /// It is not there, or not the one whose checksum the log has.
    #[error("the stored file is not the one that was made")]
    Tampered,
    #[error("the object store cannot be used now: {0}")]
    Unavailable(StorageError),
}

impl From<object_store::Error> for FileError {
    fn from(error: object_store::Error) -> Self {
        match error {
            // What is not there any more has been taken away; what has changed since it was read, changed.
            object_store::Error::NotFound { .. } | object_store::Error::Precondition { .. } => {
                Self::Tampered
            }
            error => Self::Unavailable(why(&error)),
        }
    }
}

/// A file whose content has been compared.
pub struct StoredFile<'f> {
    store: Arc<dyn ObjectStore>,
    file: &'f ExportFile,
    path: Path,
    /// The store's own mark of the content that was compared.
    e_tag: Option<String>,
}

impl<'f> StoredFile<'f> {
    /// Reads the whole file and compares its size and checksum.
    pub async fn verified(objects: &Objects, file: &'f ExportFile) -> Result<Self, FileError> {
        let store = objects.store().map_err(FileError::Unavailable)?;
        let path = Path::parse(file.file_path.as_str()).map_err(|_| FileError::Tampered)?;
        let found = store.get(&path).await?;
        let e_tag = found.meta.e_tag.clone();
        let (mut hash, mut size) = (Sha256::new(), 0_u64);
        let mut chunks = found.into_stream();
        while let Some(chunk) = chunks.try_next().await? {
            hash.update(&chunk);
            size += chunk.len() as u64;
        }
        if size != file.file_size_bytes.get() || !is(file, hash) {
            return Err(FileError::Tampered);
        }
        Ok(Self { store, file, path, e_tag })
    }

    /// The bytes of a part. One of the whole ends early, so that its reader sees that it is not
    /// whole, where the file was changed since it was compared.
    pub async fn body(&self, part: Part) -> Result<Body, FileError> {
        let range = match part {
            Part::Whole => None,
            Part::Bytes { first, last } => Some(GetRange::Bounded(first..last + 1)),
            Part::Nothing => return Ok(Body::empty()),
        };
        let is_whole = range.is_none();
        let options = GetOptions { if_match: self.e_tag.clone(), range, ..GetOptions::default() };
        let chunks = self.store.get_opts(&self.path, options).await?.into_stream();
        let chunks = chunks.map_err(std::io::Error::other);
        Ok(match is_whole {
            true => Body::from_stream(proven(chunks.boxed(), self.file.clone())),
            false => Body::from_stream(chunks),
        })
    }
}

fn is(file: &ExportFile, hash: Sha256) -> bool {
    hex::encode(hash.finalize()) == file.checksum_sha256.as_str()
}

/// The chunks, of which the last leaves only when all of them together have the checksum.
fn proven(
    chunks: stream::BoxStream<'static, std::io::Result<Bytes>>,
    file: ExportFile,
) -> impl Stream<Item = std::io::Result<Bytes>> {
    let state = (chunks, file, Sha256::new(), None::<Bytes>);
    stream::try_unfold(state, |(mut chunks, file, mut hash, mut held)| async move {
        loop {
            match chunks.try_next().await? {
                Some(chunk) => {
                    hash.update(&chunk);
                    if let Some(before) = held.replace(chunk) {
                        return Ok(Some((before, (chunks, file, hash, held))));
                    }
                }
                None => {
                    let Some(last) = held.take() else { return Ok(None) };
                    if !is(&file, hash.clone()) {
                        tracing::error!(
                            "a file changed while it was downloaded: the reply ends early"
                        );
                        return Err(std::io::Error::other("the file has changed"));
                    }
                    return Ok(Some((last, (chunks, file, hash, None))));
                }
            }
        }
    })
}

#[cfg(test)]
mod tests {
    use axum::body::to_bytes;
    use object_store::memory::InMemory;
    use serde_json::json;

    use super::*;

    const CONTENT: &[u8] = b"the file that was made";

    fn file() -> ExportFile {
        let file = json!({ "file_name": "a.csv", "file_path": "exports/a.csv",
            "file_size_bytes": CONTENT.len(),
            "checksum_sha256": hex::encode(Sha256::digest(CONTENT)) });
        serde_json::from_value(file).unwrap()
    }

    #[tokio::test]
    async fn buf_19_a_file_that_changes_after_it_was_compared_is_not_sent() {
        let store: Arc<dyn ObjectStore> = Arc::new(InMemory::new());
        let path = Path::from("exports/a.csv");
        store.put(&path, CONTENT.into()).await.unwrap();
        let (objects, file) = (Objects::of(Arc::clone(&store)), file());
        let stored = StoredFile::verified(&objects, &file).await.unwrap();
        let body = stored.body(Part::Whole).await.unwrap();
        assert_eq!(to_bytes(body, 1_000).await.unwrap(), CONTENT);
        store.put(&path, b"another of the same length".as_slice().into()).await.unwrap();
        for part in [Part::Whole, Part::Bytes { first: 0, last: 1 }] {
            assert!(matches!(stored.body(part).await, Err(FileError::Tampered)));
        }
    }

    #[tokio::test]
    async fn buf_19_of_a_whole_file_the_last_piece_leaves_only_if_all_have_the_checksum() {
        let sent = async |pieces: [&'static [u8]; 2]| {
            let pieces = pieces.map(|piece| Ok(Bytes::from_static(piece)));
            proven(stream::iter(pieces).boxed(), file()).collect::<Vec<_>>().await
        };
        let right = sent([b"the file ", b"that was made"]).await;
        let right: Vec<u8> = right.into_iter().flat_map(Result::unwrap).collect();
        assert_eq!(right, CONTENT);
        let wrong = sent([b"the file ", b"that was not"]).await;
        assert_eq!(wrong.len(), 2);
        assert!(wrong[0].is_ok() && wrong[1].is_err());
    }
}
