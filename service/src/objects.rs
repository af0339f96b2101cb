//! Where the files of exports are: a local folder, or a store that speaks S3.

use std::{
    os::unix::fs::DirBuilderExt,
    path::{Path, PathBuf},
    sync::Arc,
};

use clap::Args;
use object_store::{ObjectStore, local::LocalFileSystem, parse_url_opts, prefix::PrefixStore};
use url::Url;

use crate::tls;

/// Where files are kept.
#[derive(Args, Clone, Debug)]
pub struct ObjectsArgs {
    /// Where the files of exports are: file:///folder, or s3://bucket/prefix with AWS_REGION,
    /// AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY and, for other stores than Amazon's, AWS_ENDPOINT.
    /// Without it, the folder `objects` below AGORA_HOME
    #[arg(long, env = "AGORA_OBJECTS_URL", hide_env_values = true)]
    pub objects_url: Option<String>,
}

#[derive(Debug, thiserror::Error)]
pub enum ObjectsError {
    /// The URL may hold a key, so it is not repeated.
    #[error("AGORA_OBJECTS_URL must be file:///folder or s3://bucket/prefix")]
    Url,
    #[error("the folder for files, {path}, cannot be made: {source}")]
    Folder { path: PathBuf, source: std::io::Error },
    #[error("the store for files cannot be opened: {0}")]
    Store(#[from] object_store::Error),
}

impl ObjectsArgs {
    /// The store. `home` is AGORA_HOME.
    ///
    /// # Errors
    /// Where the URL is none of a store, or the folder cannot be made. Whether a remote store
    /// answers shows with the first file.
    pub fn open(&self, home: &Path) -> Result<Arc<dyn ObjectStore>, ObjectsError> {
        // A variable without a value is none.
        let url = self.objects_url.as_deref().map(str::trim).filter(|url| !url.is_empty());
        let Some(url) = url else { return local(&home.join("objects")) };
        let url: Url = url.parse().map_err(|_| ObjectsError::Url)?;
        match url.scheme() {
            "file" => local(&url.to_file_path().map_err(|()| ObjectsError::Url)?),
            "s3" => {
                tls::install();
                let named = std::env::vars().filter(|(name, _)| name.starts_with("AWS_"));
                let options = named.map(|(name, value)| (name.to_ascii_lowercase(), value));
                let (store, prefix) = parse_url_opts(&url, options)?;
                Ok(Arc::new(PrefixStore::new(store, prefix)))
            }
            _ => Err(ObjectsError::Url),
        }
    }
}

/// A folder that nobody else reads.
fn local(path: &Path) -> Result<Arc<dyn ObjectStore>, ObjectsError> {
    std::fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(path)
        .map_err(|source| ObjectsError::Folder { path: path.to_owned(), source })?;
    // A file that is told of in the log must outlive a power cut.
    Ok(Arc::new(LocalFileSystem::new_with_prefix(path)?.with_fsync(true)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_are_in_a_closed_folder_below_home_or_where_the_url_says() {
        use std::os::unix::fs::PermissionsExt;
        let home = std::env::temp_dir().join(format!("agora-objects-{}", std::process::id()));
        let open =
            |url: Option<&str>| ObjectsArgs { objects_url: url.map(str::to_owned) }.open(&home);
        for none in [None, Some(""), Some(" ")] {
            assert!(open(none).is_ok());
        }
        let mode = std::fs::metadata(home.join("objects")).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o700);
        let elsewhere = home.join("elsewhere");
        assert!(open(Some(&format!("file://{}", elsewhere.display()))).is_ok());
        assert!(elsewhere.is_dir());
        for wrong in ["objects", "file://host/x", "ftp://x/y", "s4://b", "http://x"] {
            assert!(open(Some(wrong)).is_err(), "{wrong}");
        }
        std::fs::remove_dir_all(&home).unwrap();
    }
}
