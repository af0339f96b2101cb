//! Clients of live streams.

use std::time::Duration;

use agora_event_store::{Position, testing};
use axum::{body::Body, http::Request};
use http_body_util::BodyExt;
use serde_json::Value;
use tokio::time::timeout;

use crate::world::{User, World};

/// Long after everything that a stream tells without a broker's help.
pub const SOON: Duration = Duration::from_secs(10);

/// An event of a stream as its client reads it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Heard {
    pub id: Option<Position>,
    pub event: String,
    pub data: Value,
}

/// A client that listens.
pub struct Listener {
    body: Body,
    text: String,
}

impl Listener {
    /// The next event; `None` at the stream's end.
    pub async fn next(&mut self) -> Option<Heard> {
        loop {
            if let Some((event, rest)) = self.text.split_once("\n\n") {
                let heard = read(event);
                self.text = rest.to_owned();
                match heard {
                    Some(heard) => return Some(heard),
                    None => continue,
                }
            }
            let frame = timeout(SOON, self.body.frame()).await.expect("something is told soon")?;
            self.text += std::str::from_utf8(&frame.unwrap().into_data().unwrap()).unwrap();
        }
    }

    pub async fn expect(&mut self, event: &str) -> Heard {
        let heard = self.next().await.expect("the stream goes on");
        assert_eq!(heard.event, event, "{heard:?}");
        heard
    }

    /// Why the stream ended; nothing comes after it.
    pub async fn end(&mut self) -> String {
        let heard = self.expect("end").await;
        assert_eq!(self.next().await, None);
        heard.data["reason"].as_str().unwrap().to_owned()
    }
}

/// `None` for a comment.
fn read(text: &str) -> Option<Heard> {
    let mut heard = Heard::default();
    for line in text.lines() {
        match line.split_once(':') {
            Some(("id", id)) => heard.id = Some(id.trim().parse().unwrap()),
            Some(("event", event)) => heard.event = event.trim().to_owned(),
            Some(("data", data)) => heard.data = serde_json::from_str(data).unwrap(),
            _ => {}
        }
    }
    (!heard.event.is_empty()).then_some(heard)
}

impl World {
    pub async fn listen(
        &self,
        user: Option<&User>,
        path: &str,
        last: Option<Position>,
    ) -> Listener {
        let mut request = Request::get(path);
        if let Some(user) = user {
            request = request.header("authorization", format!("Bearer {}", user.token));
        }
        if let Some(last) = last {
            request = request.header("last-event-id", last.to_string());
        }
        let (reply, body) = self.open(request).await;
        assert_eq!(reply.status, 200);
        assert_eq!(reply.header("content-type"), "text/event-stream");
        assert_eq!(reply.header("cache-control"), "no-store");
        let mut listener = Listener { body, text: String::new() };
        listener.expect("ready").await;
        listener
    }

    /// What the projectors do after a commit.
    pub async fn project_and_tell(&self) -> Position {
        let position = self.project().await;
        let broker = testing::broker().await;
        broker.publish("agora.projected", position.to_string().into()).await.unwrap();
        broker.flush().await.unwrap();
        position
    }

    /// Hears of the projectors by the broker, as the service does.
    pub async fn with_broker(&self) {
        let broker = testing::broker().await;
        tokio::spawn(self.projected.clone().listen(broker, self.shutdown.clone()));
    }
}
