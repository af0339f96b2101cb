//! A request's body that can neither grow nor stall without bound.

use std::{
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

use axum::body::{Body, Bytes};
use http_body_util::Limited;
use hyper::body::{Body as HttpBody, Frame, SizeHint};
use tokio::time::Sleep;

use super::BODY_BYTES_MAX;

/// How long a body may pause.
const PAUSE_LIMIT: Duration = Duration::from_secs(15);

/// Bounds a body in bytes and in pauses. Where it has all arrived, as small ones have, this costs
/// no timer.
pub(super) fn bounded(body: Body) -> Body {
    if HttpBody::is_end_stream(&body) {
        return body;
    }
    Body::new(Bounded { inner: Limited::new(body, BODY_BYTES_MAX), pause: None })
}

struct Bounded {
    inner: Limited<Body>,
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
        let pause = self.pause.get_or_insert_with(|| Box::pin(tokio::time::sleep(PAUSE_LIMIT)));
        match pause.as_mut().poll(context) {
            Poll::Ready(()) => Poll::Ready(Some(Err("the body paused for too long".into()))),
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
