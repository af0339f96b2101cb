//! The one implementation of TLS, for clients that take whichever the process has.

/// Makes it the process's own.
pub fn install() {
    // Where one is set already it is the same.
    let _already_set = rustls::crypto::ring::default_provider().install_default();
}
