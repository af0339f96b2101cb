//! Downloads of exports: the stored file is proven, the download counted, and then the bytes leave
//! (BUF-17 to BUF-19). The route is [`crate::routes::export_download`].

pub mod count;
pub mod range;
pub mod stored_file;

use agora_service::objects::Objects;

use count::Counter;

/// What downloads need beside the log.
#[derive(Clone)]
pub struct Downloads {
    pub objects: Objects,
    pub counter: Counter,
}
