//! Downloads of exports: the stored file is proven, the download counted, and then the bytes leave
//! (BUF-17 to BUF-19). The route is [`crate::routes::export_download`].

pub mod count;
pub mod range;
pub mod stored_file;

use std::sync::Arc;

use object_store::ObjectStore;

use count::Counter;

/// What downloads need beside the log.
#[derive(Clone)]
pub struct Downloads {
    pub store: Arc<dyn ObjectStore>,
    pub counter: Counter,
}
