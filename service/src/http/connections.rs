//! How many connections there may be: in all, and of one client.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::client_address::ClientAddress;

/// How many connections each client has.
type Clients = Arc<Mutex<HashMap<u128, usize>>>;

/// The places that there are. Cheap to clone.
#[derive(Clone)]
pub(super) struct Places {
    all: Arc<Semaphore>,
    per_client: usize,
    taken: Clients,
}

/// A connection's place; free again when it is dropped.
pub(super) struct Place {
    _of_all: OwnedSemaphorePermit,
    client: Option<(u128, Clients)>,
}

impl Places {
    pub(super) fn new(all: usize, per_client: usize) -> Self {
        let all = Arc::new(Semaphore::new(all.min(Semaphore::MAX_PERMITS)));
        Self { all, per_client, taken: Arc::default() }
    }

    /// Waits until there is room for another one; meanwhile the kernel keeps who comes.
    pub(super) async fn free(&self) -> OwnedSemaphorePermit {
        let all = Arc::clone(&self.all);
        all.acquire_owned().await.expect("the semaphore is never closed")
    }

    /// A place for a client; none where it has too many. `is_shared`: many clients come by it, as by a
    /// proxy, or it is the machine itself.
    pub(super) fn take(
        &self,
        free: OwnedSemaphorePermit,
        client: ClientAddress,
        is_shared: bool,
    ) -> Option<Place> {
        if is_shared {
            return Some(Place { _of_all: free, client: None });
        }
        let key = client.network_bits();
        let mut taken = self.taken.lock().unwrap_or_else(PoisonError::into_inner);
        let count = taken.entry(key).or_default();
        if *count >= self.per_client {
            return None;
        }
        *count += 1;
        Some(Place { _of_all: free, client: Some((key, Arc::clone(&self.taken))) })
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let Some((key, taken)) = &self.client else { return };
        let mut taken = taken.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = taken.get_mut(key) {
            *count -= 1;
            if *count == 0 {
                taken.remove(key);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn one_client_cannot_take_all_places_and_gives_its_own_back() {
        let places = Places::new(10, 2);
        let take = async |address: &str, is_shared| {
            let client = ClientAddress::of(address.parse().unwrap());
            places.take(places.free().await, client, is_shared)
        };
        let held = (take("2001:db8::1", false).await, take("2001:db8::2", false).await);
        assert!(held.0.is_some() && held.1.is_some());
        assert!(take("2001:db8::3", false).await.is_none(), "it is one client's network");
        assert!(take("2001:db8::3", true).await.is_some());
        assert!(take("192.0.2.1", false).await.is_some());
        drop(held);
        assert!(take("2001:db8::3", false).await.is_some());
        assert_eq!((places.all.available_permits(), places.taken.lock().unwrap().len()), (10, 0));
    }
}
