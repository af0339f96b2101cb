//! The one implementation of TLS, for clients that take whichever the process has.

/// Makes it the process's own, where none is yet.
pub fn install() {
    // Refused where there is one already, which is as good.
    let _ = async_nats::rustls::crypto::ring::default_provider().install_default();
}
