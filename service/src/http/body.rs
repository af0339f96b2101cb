//! A request's body that can neither grow nor stall without bound, and bodies that together cannot grow
//! without bound either: they are read before it is known who sends them.

use std::{
    pin::Pin,
    sync::{Arc, Mutex, PoisonError},
    task::{Context, Poll},
    time::Duration,
};

use axum::body::{Body, Bytes};
use http_body_util::Limited;
use hyper::body::{Body as HttpBody, Frame, SizeHint};
use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore},
    time::{Instant, Sleep},
};

use super::{BODY_BYTES_MAX, access::Payload};

/// How long a body may pause.
const PAUSE_LIMIT: Duration = Duration::from_secs(15);
/// Of each body so much takes no room: whoever has taken all of it does not keep ordinary commands out.
const SMALL_BYTES_MAX: usize = 16 << 10;
/// What room is counted in.
const UNIT_BYTES: usize = 1 << 10;

/// How much of large bodies a process holds at once. Cheap to clone.
#[derive(Clone)]
pub(super) struct Room(Arc<Semaphore>);

/// What a request has taken of it; given back when nobody has it any more.
#[derive(Clone)]
pub(super) struct Held {
    room: Room,
    taken: Arc<Mutex<Option<OwnedSemaphorePermit>>>,
}

/// Why a body is not read on.
#[derive(Debug, thiserror::Error)]
#[error("there is no room for another large body")]
pub(crate) struct NoRoom;

impl Room {
    pub(super) fn of_bytes(bytes: usize) -> Self {
        Self(Arc::new(Semaphore::new((bytes / UNIT_BYTES).min(Semaphore::MAX_PERMITS))))
    }

    /// Nothing yet. Not what a request announces: who announces much and sends nothing takes nothing.
    pub(super) fn hold(&self) -> Held {
        Held { room: self.clone(), taken: Arc::default() }
    }

    #[cfg(test)]
    pub(super) fn free_bytes(&self) -> usize {
        self.0.available_permits() * UNIT_BYTES
    }
}

impl Held {
    /// Takes what is missing to hold so many bytes.
    fn reach(&self, bytes: usize) -> Result<(), NoRoom> {
        let units = bytes.saturating_sub(SMALL_BYTES_MAX).div_ceil(UNIT_BYTES);
        let mut taken = self.taken.lock().unwrap_or_else(PoisonError::into_inner);
        let missing = units.saturating_sub(taken.as_ref().map_or(0, |taken| taken.num_permits()));
        if missing == 0 {
            return Ok(());
        }
        let missing = u32::try_from(missing).map_err(|_| NoRoom)?;
        let more = Arc::clone(&self.room.0).try_acquire_many_owned(missing).map_err(|_| {
            metrics::counter!("agora_http_bodies_refused_total").increment(1);
            NoRoom
        })?;
        match taken.as_mut() {
            Some(taken) => taken.merge(more),
            None => *taken = Some(more),
        }
        Ok(())
    }
}

/// Bounds a body in bytes, in pauses and in the time that it takes in all: whoever sends a byte every few
/// seconds does not pause. Where it has all arrived, as small ones have, this costs no timer. What is read is
/// added to `payload`.
pub(super) fn bounded(body: Body, limit: Duration, held: Held, payload: Option<Payload>) -> Body {
    let inner = Limited::new(body, BODY_BYTES_MAX);
    Body::new(Bounded { inner, held, payload, bytes: 0, limit, ends_at: None, pause: None })
}

struct Bounded {
    inner: Limited<Body>,
    held: Held,
    payload: Option<Payload>,
    bytes: usize,
    limit: Duration,
    /// Since something was waited for.
    ends_at: Option<Instant>,
    pause: Option<Pin<Box<Sleep>>>,
}

type BoxError = Box<dyn std::error::Error + Send + Sync>;

impl HttpBody for Bounded {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        if let Poll::Ready(frame) = Pin::new(&mut self.inner).poll_frame(context) {
            self.pause = None;
            if let (None, Some(payload)) = (&frame, &self.payload) {
                payload.end();
            }
            if let Some(data) = frame.as_ref().and_then(|it| it.as_ref().ok()?.data_ref()) {
                let bytes = self.bytes + data.len();
                self.bytes = bytes;
                if let Err(full) = self.held.reach(bytes) {
                    return Poll::Ready(Some(Err(full.into())));
                }
                if let Some(payload) = &self.payload {
                    payload.add(data);
                }
            }
            return Poll::Ready(frame);
        }
        let now = Instant::now();
        let limit = self.limit;
        let ends_at = *self.ends_at.get_or_insert(now + limit);
        let pause = self.pause.get_or_insert_with(|| {
            Box::pin(tokio::time::sleep_until(ends_at.min(now + PAUSE_LIMIT)))
        });
        match pause.as_mut().poll(context) {
            Poll::Ready(()) => Poll::Ready(Some(Err("the body took too long".into()))),
            Poll::Pending => Poll::Pending,
        }
    }

    fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}
