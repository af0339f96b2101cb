//! A request's body that can neither grow nor stall without bound.

use std::{
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

use axum::body::{Body, Bytes};
use http_body_util::Limited;
use hyper::body::{Body as HttpBody, Frame, SizeHint};
use tokio::time::{Instant, Sleep};

use super::BODY_BYTES_MAX;

/// How long a body may pause.
const PAUSE_LIMIT: Duration = Duration::from_secs(15);

/// Bounds a body in bytes, in pauses and in the time that it takes in all: whoever sends a byte every few
/// seconds does not pause. Where it has all arrived, as small ones have, this costs no timer.
pub(super) fn bounded(body: Body, limit: Duration) -> Body {
    if HttpBody::is_end_stream(&body) {
        return body;
    }
    let inner = Limited::new(body, BODY_BYTES_MAX);
    Body::new(Bounded { inner, limit, ends_at: None, pause: None })
}

struct Bounded {
    inner: Limited<Body>,
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
