//! Hashing passwords with Argon2id: off the async threads, at most two at once, a bounded queue.

use std::sync::Arc;

use agora_domain::identity::password::{Password, PasswordAttempt, PasswordHash};
use agora_service::problem::Problem;
use argon2::{
    Algorithm, Argon2, Params, PasswordHash as Phc, PasswordHasher, PasswordVerifier, Version,
};
use tokio::sync::Semaphore;

/// CRD-07: t = 1, m ≥ 46 MiB, p = 1.
const MEMORY_KIB: u32 = 46 * 1_024;
const AT_ONCE: usize = 2;
/// Waiting and running computations together; beyond them clients are asked to come back.
const QUEUE: usize = 256;

/// Verified against where there is no account, so that the time tells nothing (CRD-09): of the same
/// cost as a real one, and the hash of no password that anybody could find.
const DECOY: &str = "$argon2id$v=19$m=47104,t=1,p=1$AAAAAAAAAAAAAAAAAAAAAA$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";

#[derive(Clone)]
pub struct Hasher {
    running: Arc<Semaphore>,
    places: Arc<Semaphore>,
}

impl Hasher {
    pub fn new() -> Self {
        Self { running: Arc::new(Semaphore::new(AT_ONCE)), places: Arc::new(Semaphore::new(QUEUE)) }
    }

    /// The PHC string of a new password.
    pub async fn hash(&self, password: Password) -> Result<PasswordHash, Problem> {
        let phc = self.run(move || hash(password.as_bytes())).await?;
        phc.and_then(|phc| phc.parse().ok()).ok_or_else(Problem::internal)
    }

    /// Whether the attempt is the password. Without a hash it takes as long and says no.
    pub async fn verify(
        &self,
        attempt: PasswordAttempt,
        hash: Option<PasswordHash>,
    ) -> Result<bool, Problem> {
        self.run(move || {
            let phc = hash.as_ref().map_or(DECOY, PasswordHash::as_str);
            verify(attempt.as_bytes(), phc) && hash.is_some()
        })
        .await
    }

    async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, Problem> {
        let busy = || Problem::unavailable("Too many logins at once: try again in a moment.");
        let _place = self.places.try_acquire().map_err(|_| busy())?;
        let _turn = self.running.acquire().await.map_err(|_| busy())?;
        tokio::task::spawn_blocking(work).await.map_err(|_| Problem::internal())
    }
}

impl Default for Hasher {
    fn default() -> Self {
        Self::new()
    }
}

fn argon2() -> Argon2<'static> {
    let params = Params::new(MEMORY_KIB, 1, 1, None).expect("the constants are within the limits");
    Argon2::new(Algorithm::Argon2id, Version::V0x13, params)
}

fn hash(password: &[u8]) -> Option<String> {
    let mut salt = [0; 16];
    getrandom::fill(&mut salt).ok()?;
    let hash = argon2().hash_password_with_salt(password, &salt).ok()?;
    Some(hash.to_string())
}

fn verify(password: &[u8], phc: &str) -> bool {
    // The parameters are those of the hash, so older ones still verify.
    Phc::new(phc).is_ok_and(|hash| argon2().verify_password(password, &hash).is_ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn crd_02_crd_07_hashes_are_argon2id_and_verify_exactly_what_was_given() {
        let hasher = Hasher::new();
        let long = "correct horse battery staple ".repeat(5);
        let hash = hasher.hash(long.parse().unwrap()).await.unwrap();
        assert!(hash.as_str().starts_with("$argon2id$v=19$m=47104,t=1,p=1$"));
        for (attempt, right) in [
            (long.as_str(), true),
            (long.trim_end(), false),
            (&long[..72], false),
            (&long.to_uppercase(), false),
        ] {
            let attempt = attempt.parse().unwrap();
            assert_eq!(hasher.verify(attempt, Some(hash.clone())).await.unwrap(), right);
        }
        assert!(!hasher.verify(long.parse().unwrap(), None).await.unwrap());
    }

    #[test]
    fn crd_09_the_decoy_costs_as_much_as_a_real_hash() {
        let decoy = Phc::new(DECOY).unwrap();
        let real = hash(b"an uncommon phrase of words").unwrap();
        let real = Phc::new(&real).unwrap();
        assert_eq!((&decoy.algorithm, &decoy.params), (&real.algorithm, &real.params));
        assert!(decoy.salt.is_some() && decoy.hash.is_some(), "else nothing is computed");
        assert!(!verify(b"an uncommon phrase of words", DECOY));
    }
}
