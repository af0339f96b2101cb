//! A mail server on loopback: the protocol is mailin's.

use std::{
    io,
    net::SocketAddr,
    sync::{Arc, Mutex},
    time::Duration,
};

use mailin::{Action, Handler, Response, SessionBuilder, response};
use tokio::{
    io::{AsyncBufReadExt, AsyncWriteExt, BufReader},
    net::{TcpListener, TcpStream},
};

/// What has arrived, and who is refused.
#[derive(Clone)]
pub struct SmtpServer {
    pub address: SocketAddr,
    mails: Arc<Mutex<Vec<Arrived>>>,
    refused: Arc<Mutex<Vec<(String, Response)>>>,
    delay: Arc<Mutex<Duration>>,
}

#[derive(Clone, Debug)]
pub struct Arrived {
    pub to: String,
    pub text: String,
}

impl Arrived {
    pub fn header(&self, name: &str) -> &str {
        let lines = self.text.lines();
        let line = lines.take_while(|line| !line.is_empty()).find_map(|line| {
            line.split_once(": ").filter(|(header, _)| header.eq_ignore_ascii_case(name))
        });
        line.unwrap().1
    }

    /// The token stands on a line of its own.
    pub fn token(&self) -> String {
        self.text.lines().find(|line| line.len() == 86 && !line.contains(' ')).unwrap().to_owned()
    }
}

impl SmtpServer {
    pub async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let server =
            Self { address, mails: Arc::default(), refused: Arc::default(), delay: Arc::default() };
        let each = server.clone();
        tokio::spawn(async move {
            while let Ok((stream, from)) = listener.accept().await {
                let mailbox = Mailbox { server: each.clone(), to: Vec::new(), data: Vec::new() };
                tokio::spawn(serve(stream, from, mailbox));
            }
        });
        server
    }

    pub fn url(&self) -> String {
        format!("smtp://{}", self.address)
    }

    pub fn mails(&self) -> Vec<Arrived> {
        self.mails.lock().unwrap().clone()
    }

    pub fn mails_to(&self, address: &str) -> Vec<Arrived> {
        self.mails().into_iter().filter(|mail| mail.to == address).collect()
    }

    pub fn refuse(&self, address: &str, response: Response) {
        self.refused.lock().unwrap().push((address.to_owned(), response));
    }

    /// How long it takes to answer for a mail that it has.
    pub fn delay(&self, delay: Duration) {
        *self.delay.lock().unwrap() = delay;
    }

    pub fn refuse_nobody(&self) {
        self.refused.lock().unwrap().clear();
    }
}

struct Mailbox {
    server: SmtpServer,
    to: Vec<String>,
    data: Vec<u8>,
}

impl Handler for Mailbox {
    fn rcpt(&mut self, to: &str) -> Response {
        let refused = self.server.refused.lock().unwrap();
        let response = refused.iter().find(|(address, _)| address == to);
        response.map_or(response::OK, |(_, response)| response.clone())
    }

    fn data_start(&mut self, _: &str, _: &str, _: bool, to: &[String]) -> Response {
        self.to = to.to_vec();
        self.data.clear();
        response::OK
    }

    fn data(&mut self, buffer: &[u8]) -> io::Result<()> {
        self.data.extend_from_slice(buffer);
        Ok(())
    }

    fn data_end(&mut self) -> Response {
        let text = String::from_utf8(self.data.clone()).unwrap().replace("\r\n", "\n");
        for to in self.to.drain(..) {
            self.server.mails.lock().unwrap().push(Arrived { to, text: text.clone() });
        }
        response::OK
    }
}

async fn serve(stream: TcpStream, from: SocketAddr, mailbox: Mailbox) {
    let server = mailbox.server.clone();
    let mut stream = BufReader::new(stream);
    let mut session = SessionBuilder::new("mail.example").build(from.ip(), mailbox);
    let mut reply = session.greeting();
    loop {
        if !matches!(reply.action, Action::NoReply) {
            let bytes = reply.buffer().unwrap();
            if stream.write_all(&bytes).await.is_err() {
                return;
            }
        }
        let mut line = Vec::new();
        if matches!(reply.action, Action::Close)
            || stream.read_until(b'\n', &mut line).await.unwrap_or(0) == 0
        {
            return;
        }
        let before = server.mails().len();
        reply = session.process(&line);
        if server.mails().len() > before {
            let delay = *server.delay.lock().unwrap();
            tokio::time::sleep(delay).await;
        }
    }
}
