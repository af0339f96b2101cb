//! A small HTTP/1.1 client: one connection, kept alive, one request at a time.
//!
//! It is written by hand because a load generator shares the machine with what it measures: a request
//! costs two system calls and a search for the end of the head. It knows replies with a
//! `Content-Length`, which are all that the APIs send but for streams.

use std::{io, time::Duration};

use bytes::{Buf, BytesMut};
use serde_json::Value;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::timeout,
};

/// A header's name and value.
pub type Header<'h> = (&'h str, &'h str);

/// How long a reply may take before its outcome counts as unknown.
const PATIENCE: Duration = Duration::from_secs(30);

/// Why there is no reply. The request may have been carried out, unless it was not sent.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    #[error("cannot connect: {0}")]
    Connect(io::Error),
    #[error("the connection was lost: {0}")]
    Lost(#[from] io::Error),
    #[error("no reply in {} s", PATIENCE.as_secs())]
    Late,
    #[error("this is no HTTP/1.1 reply with a length: {0}")]
    Malformed(String),
}

/// The head of a reply, as far as it matters here.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Head {
    pub status: u16,
    pub content_type: String,
    pub retry_after: Option<Duration>,
    /// `Agora-Position` of the read API.
    pub position: Option<u64>,
}

/// A whole reply.
#[derive(Clone, Debug, Default)]
pub struct Reply {
    pub head: Head,
    pub body: Vec<u8>,
}

impl Reply {
    pub fn is_success(&self) -> bool {
        self.head.status == 200
    }

    /// The body as JSON; null where it is none.
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_default()
    }

    /// Whether it is an RFC 9457 problem document with the status of its reply.
    pub fn is_problem(&self) -> bool {
        self.head.content_type.starts_with("application/problem+json")
            && self.json()["status"] == self.head.status
    }
}

/// A connection that stays open.
pub struct Connection {
    stream: TcpStream,
    buffer: BytesMut,
}

impl Connection {
    pub async fn open(address: &str) -> Result<Self, ClientError> {
        let stream = TcpStream::connect(address).await.map_err(ClientError::Connect)?;
        stream.set_nodelay(true).map_err(ClientError::Connect)?;
        Ok(Self { stream, buffer: BytesMut::with_capacity(8 * 1_024) })
    }

    /// Sends a whole request and hands the whole reply to `read`.
    pub async fn exchange<T>(
        &mut self,
        request: &[u8],
        read: impl FnOnce(&[u8], &[u8]) -> T,
    ) -> Result<T, ClientError> {
        self.stream.write_all(request).await?;
        let (head, total) = loop {
            if let Some(found) = measure(&self.buffer)? {
                break found;
            }
            self.fill().await?;
        };
        while self.buffer.len() < total {
            self.fill().await?;
        }
        let result = read(&self.buffer[..head], &self.buffer[head..total]);
        self.buffer.advance(total);
        Ok(result)
    }

    async fn fill(&mut self) -> io::Result<()> {
        self.buffer.reserve(4 * 1_024);
        match self.stream.read_buf(&mut self.buffer).await? {
            0 => Err(io::ErrorKind::UnexpectedEof.into()),
            _ => Ok(()),
        }
    }
}

/// The lengths of the head and of the whole reply, once the head is there.
fn measure(buffer: &[u8]) -> Result<Option<(usize, usize)>, ClientError> {
    let Some(end) = memchr::memmem::find(buffer, b"\r\n\r\n") else { return Ok(None) };
    let head = &buffer[..end];
    if matches!(status(head), 204 | 304) {
        return Ok(Some((end + 4, end + 4)));
    }
    let length = header(head, "content-length").and_then(|text| text.parse::<usize>().ok());
    let Some(length) = length else {
        return Err(ClientError::Malformed(String::from_utf8_lossy(head).into_owned()));
    };
    Ok(Some((end + 4, end + 4 + length)))
}

/// The status in a reply's head; 0 where there is none.
pub fn status(head: &[u8]) -> u16 {
    let digits = head.get(9..12).and_then(|digits| std::str::from_utf8(digits).ok());
    digits.and_then(|digits| digits.parse().ok()).unwrap_or(0)
}

fn header<'h>(head: &'h [u8], name: &str) -> Option<&'h str> {
    head.split(|byte| *byte == b'\n').skip(1).find_map(|line| {
        let (key, value) = line.split_at(line.iter().position(|byte| *byte == b':')?);
        key.eq_ignore_ascii_case(name.as_bytes())
            .then(|| std::str::from_utf8(&value[1..]).ok().map(str::trim))
            .flatten()
    })
}

/// A client of one API, as one principal. It connects when it has to.
pub struct Client {
    address: String,
    token: Option<String>,
    headers: String,
    connection: Option<Connection>,
}

impl Client {
    pub fn new(address: impl Into<String>) -> Self {
        Self { address: address.into(), token: None, headers: String::new(), connection: None }
    }

    /// These go with each request, too.
    #[must_use]
    pub fn with_headers(mut self, headers: &[Header<'_>]) -> Self {
        self.headers = lines(headers);
        self
    }

    /// As another principal, on the same connection.
    pub fn set_token(&mut self, token: Option<String>) {
        self.token = token;
    }

    pub async fn get(&mut self, path: &str) -> Result<Reply, ClientError> {
        let mut request = head("GET", path, &self.address, self.token.as_deref());
        request.push_str(&self.headers);
        request.push_str("\r\n");
        self.send(request.as_bytes()).await
    }

    pub async fn post(
        &mut self,
        path: &str,
        body: &Value,
        idempotency_key: Option<&str>,
    ) -> Result<Reply, ClientError> {
        self.post_traced(path, body, idempotency_key, None).await
    }

    /// With a `traceparent`, by which the log tells whose events are whose.
    pub async fn post_traced(
        &mut self,
        path: &str,
        body: &Value,
        idempotency_key: Option<&str>,
        traceparent: Option<&str>,
    ) -> Result<Reply, ClientError> {
        let mut request = head("POST", path, &self.address, self.token.as_deref());
        request.push_str(&self.headers);
        for (name, value) in [("idempotency-key", idempotency_key), ("traceparent", traceparent)] {
            if let Some(value) = value {
                request.push_str(&format!("{name}: {value}\r\n"));
            }
        }
        let body = body.to_string();
        request.push_str("content-type: application/json\r\n");
        request.push_str(&format!("content-length: {}\r\n\r\n{body}", body.len()));
        self.send(request.as_bytes()).await
    }

    /// Whether the last request got a reply.
    pub fn reached(&self) -> bool {
        self.connection.is_some()
    }

    async fn send(&mut self, request: &[u8]) -> Result<Reply, ClientError> {
        let mut connection = match self.connection.take() {
            Some(connection) => connection,
            None => Connection::open(&self.address).await?,
        };
        let whole = |head: &[u8], body: &[u8]| Reply {
            head: Head {
                status: status(head),
                content_type: header(head, "content-type").unwrap_or_default().to_owned(),
                retry_after: header(head, "retry-after")
                    .and_then(|text| text.parse().ok())
                    .map(Duration::from_secs),
                position: header(head, "agora-position").and_then(|text| text.parse().ok()),
            },
            body: body.to_vec(),
        };
        let reply = timeout(PATIENCE, connection.exchange(request, whole))
            .await
            .map_err(|_| ClientError::Late)??;
        // Only after a whole reply: anything else leaves the connection in an unknown state.
        self.connection = Some(connection);
        Ok(reply)
    }
}

/// A whole GET request, for a [`Connection`].
pub fn get(path: &str, host: &str, token: Option<&str>) -> String {
    head("GET", path, host, token) + "\r\n"
}

/// A reply as it came.
#[derive(Debug)]
pub struct Raw {
    pub status: u16,
    pub head: String,
    pub body: Vec<u8>,
}

impl Raw {
    pub fn header(&self, name: &str) -> Option<&str> {
        header(self.head.as_bytes(), name)
    }
}

/// One request on a connection of its own. As HTTP/1.0: what is streamed, as the log is, then ends
/// with the connection instead of coming in chunks.
pub async fn once(
    address: &str,
    method: &str,
    path: &str,
    headers: &[Header<'_>],
    body: Option<&Value>,
) -> Result<Raw, ClientError> {
    let mut request = format!("{method} {path} HTTP/1.0\r\nhost: {address}\r\n{}", lines(headers));
    let body = body.map(Value::to_string).unwrap_or_default();
    if !body.is_empty() {
        request.push_str("content-type: application/json\r\n");
    }
    request.push_str(&format!("content-length: {}\r\n\r\n{body}", body.len()));
    let mut stream = TcpStream::connect(address).await.map_err(ClientError::Connect)?;
    stream.write_all(request.as_bytes()).await?;
    let mut reply = Vec::new();
    stream.read_to_end(&mut reply).await?;
    let Some(end) = memchr::memmem::find(&reply, b"\r\n\r\n") else {
        return Err(ClientError::Malformed(String::from_utf8_lossy(&reply).into_owned()));
    };
    let body = reply.split_off(end + 4);
    let head = String::from_utf8_lossy(&reply).into_owned();
    Ok(Raw { status: status(head.as_bytes()), head, body })
}

fn lines(headers: &[Header<'_>]) -> String {
    headers.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect()
}

fn head(method: &str, path: &str, host: &str, token: Option<&str>) -> String {
    let mut head = format!("{method} {path} HTTP/1.1\r\nhost: {host}\r\n");
    if let Some(token) = token {
        head.push_str(&format!("authorization: Bearer {token}\r\n"));
    }
    head
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reply_is_whole_when_its_length_is_there() {
        let reply = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello";
        assert_eq!(measure(reply).unwrap(), Some((38, 43)));
        assert_eq!(measure(&reply[..30]).unwrap(), None);
        assert_eq!(status(reply), 200);
        assert!(measure(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n").is_err());
        assert_eq!(measure(b"HTTP/1.1 304 Not Modified\r\n\r\nHTTP").unwrap(), Some((29, 29)));
    }
}
