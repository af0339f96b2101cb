//! Mail as files, for an installation without a mail server: whoever runs it reads them, and nobody
//! else.

use std::{
    fs::{self, DirBuilder, File, OpenOptions},
    io::{self, Write},
    os::unix::fs::{DirBuilderExt, OpenOptionsExt},
    path::{Path, PathBuf},
};

use uuid::Uuid;

use super::SendError;

pub(super) struct Files {
    folder: PathBuf,
}

impl Files {
    pub(super) fn new(folder: PathBuf) -> Self {
        Self { folder }
    }

    /// Writes `<id>.eml`, whole or not at all; a mail that is there already stays as it is.
    pub(super) async fn write(&self, id: Uuid, bytes: Vec<u8>) -> Result<(), SendError> {
        let folder = self.folder.clone();
        let written = tokio::task::spawn_blocking(move || write(&folder, id, &bytes)).await;
        let written = written.unwrap_or_else(|_| Err(io::ErrorKind::Other.into()));
        written.map_err(|error| SendError::File(error.kind()))
    }
}

fn write(folder: &Path, id: Uuid, bytes: &[u8]) -> io::Result<()> {
    let path = folder.join(format!("{id}.eml"));
    if path.exists() {
        return Ok(());
    }
    DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
    // What a crash left behind is begun anew; one instance at a time runs the process.
    let unfinished = folder.join(format!(".{id}.unfinished"));
    match fs::remove_file(&unfinished) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&unfinished)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    fs::rename(&unfinished, &path)?;
    File::open(folder)?.sync_all()
}
