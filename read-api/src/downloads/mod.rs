//! Downloads of exports: the stored file is proven, the download counted, and then the bytes leave
//! (BUF-17 to BUF-19). The route is [`crate::routes::export_download`].

pub mod count;
pub mod range;
pub mod stored_file;

use std::sync::Arc;

use agora_domain::exports::export_values::ExportFile;
use agora_service::objects::Objects;
use tokio::sync::Semaphore;

use count::Counter;
use stored_file::{FileError, StoredFile};

/// So many files are read and hashed at the same time; who comes meanwhile waits.
const COMPARED_AT_ONCE: usize = 4;

/// What downloads need beside the log.
#[derive(Clone)]
pub struct Downloads {
    pub objects: Objects,
    pub counter: Counter,
    comparing: Arc<Semaphore>,
}

impl Downloads {
    pub fn new(objects: Objects, counter: Counter) -> Self {
        Self { objects, counter, comparing: Arc::new(Semaphore::new(COMPARED_AT_ONCE)) }
    }

    /// Reads the whole file and compares its size and checksum.
    ///
    /// # Errors
    /// Where the file is not the one that was made, or cannot be read.
    pub async fn verified<'f>(&self, file: &'f ExportFile) -> Result<StoredFile<'f>, FileError> {
        let _turn = self.comparing.acquire().await;
        StoredFile::verified(&self.objects, file).await
    }
}
