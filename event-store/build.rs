//! The migrations are embedded, so a new file must lead to a new build.

fn main() {
    for folder in ["event_store", "read_models", "vault"] {
        println!("cargo:rerun-if-changed=../migrations/{folder}");
    }
}
