//! A proxy before Postgres that cuts connections at the worst moments.

use std::{
    net::SocketAddr,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::Duration,
};

use sqlx::postgres::PgConnectOptions;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    task::JoinHandle,
};

/// When the next connection that runs `log.append` dies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cut {
    Never,
    /// The query does not reach the server.
    BeforeTheQuery,
    /// The server has committed; its answer is lost.
    AfterTheCommit,
}

#[derive(Clone)]
pub struct Proxy {
    shared: Arc<Shared>,
    pub address: SocketAddr,
}

struct Shared {
    server: SocketAddr,
    cut: Mutex<Cut>,
    cuts: AtomicUsize,
    is_away: AtomicBool,
    connections: Mutex<Vec<JoinHandle<()>>>,
}

impl Proxy {
    pub async fn before(server: &PgConnectOptions) -> Self {
        let server = format!("{}:{}", server.get_host(), server.get_port());
        let server = tokio::net::lookup_host(server).await.unwrap().next().unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let shared = Arc::new(Shared {
            server,
            cut: Mutex::new(Cut::Never),
            cuts: AtomicUsize::new(0),
            is_away: AtomicBool::new(false),
            connections: Mutex::new(Vec::new()),
        });
        let proxy = Self { shared, address };
        tokio::spawn(proxy.clone().serve(listener));
        proxy
    }

    /// Options that lead through the proxy.
    pub fn leads(&self, options: PgConnectOptions) -> PgConnectOptions {
        options.host(&self.address.ip().to_string()).port(self.address.port())
    }

    pub fn cut(&self, when: Cut) {
        *self.shared.cut.lock().unwrap() = when;
    }

    /// How many connections were cut.
    pub fn cuts(&self) -> usize {
        self.shared.cuts.load(Ordering::SeqCst)
    }

    /// Ends every connection and refuses new ones.
    pub fn go_away(&self) {
        self.shared.is_away.store(true, Ordering::SeqCst);
        for connection in self.shared.connections.lock().unwrap().drain(..) {
            connection.abort();
        }
    }

    pub fn come_back(&self) {
        self.shared.is_away.store(false, Ordering::SeqCst);
    }

    async fn serve(self, listener: TcpListener) {
        loop {
            let (client, _) = listener.accept().await.unwrap();
            if self.shared.is_away.load(Ordering::SeqCst) {
                continue;
            }
            let shared = Arc::clone(&self.shared);
            let connection = tokio::spawn(async move { shared.connect(client).await });
            self.shared.connections.lock().unwrap().push(connection);
        }
    }
}

impl Shared {
    async fn connect(&self, mut client: TcpStream) {
        let mut server = TcpStream::connect(self.server).await.unwrap();
        let (mut from_client, mut from_server) = ([0; 65_536], [0; 65_536]);
        // The statement is named in the clear only when it is prepared; later calls go by a number.
        let mut appends = false;
        loop {
            tokio::select! {
                read = client.read(&mut from_client) => {
                    let Some(length) = read.ok().filter(|length| *length > 0) else { return };
                    let bytes = &from_client[..length];
                    appends |= bytes.windows(10).any(|window| window == b"log.append");
                    // A call carries its events; preparing and describing the statement does not.
                    let is_call = appends && bytes.windows(7).any(|window| window == b"Tallied");
                    let cut = *self.cut.lock().unwrap();
                    if is_call && cut == Cut::BeforeTheQuery {
                        return self.has_cut();
                    }
                    if server.write_all(bytes).await.is_err() {
                        return;
                    }
                    if is_call && cut == Cut::AfterTheCommit {
                        // The answer to the whole call ends with ReadyForQuery: it has committed.
                        let mut answer = Vec::new();
                        while !answer.ends_with(b"Z\0\0\0\x05I") {
                            let Ok(length) = server.read(&mut from_server).await else { return };
                            answer.extend_from_slice(&from_server[..length]);
                        }
                        tokio::time::sleep(Duration::from_millis(20)).await;
                        return self.has_cut();
                    }
                }
                read = server.read(&mut from_server) => {
                    let Some(length) = read.ok().filter(|length| *length > 0) else { return };
                    if client.write_all(&from_server[..length]).await.is_err() {
                        return;
                    }
                }
            }
        }
    }

    /// One cut an order.
    fn has_cut(&self) {
        *self.cut.lock().unwrap() = Cut::Never;
        self.cuts.fetch_add(1, Ordering::SeqCst);
    }
}
