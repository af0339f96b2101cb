//! Configuration: command-line arguments, each of which may come from the environment. Binaries
//! flatten these into their own `clap` arguments, so `--help` tells everything that can be set.

use std::path::PathBuf;

use axum::http::HeaderValue;
use clap::{ArgAction, Args};
use ipnet::IpNet;
use url::Url;

use crate::client_address::{ForwardedHeader, TrustedProxies};

/// Where the log and the read tables are.
#[derive(Args, Clone, Debug)]
pub struct DatabaseArgs {
    /// Postgres with the log and the read tables: postgres://user:password@host:port/database
    #[arg(long, env = "DATABASE_URL", hide_env_values = true)]
    pub database_url: String,

    /// At most this many connections to it
    #[arg(long, env = "AGORA_DATABASE_CONNECTIONS", default_value_t = 16,
          value_parser = clap::value_parser!(u32).range(1..=1000))]
    pub database_connections: u32,
}

/// Where the keys of sealed personal data are.
#[derive(Args, Clone, Debug)]
pub struct VaultArgs {
    /// Postgres with the vault of keys, a database of its own
    #[arg(long, env = "AGORA_VAULT_URL", hide_env_values = true)]
    pub vault_url: String,

    /// File (mode 0600) with the master keys that wrap the vault's; `ledger init-master-key` makes it
    #[arg(long, env = "AGORA_MASTER_KEY_FILE")]
    pub master_key_file: PathBuf,
}

/// Where the broker is and what the stream is called.
#[derive(Args, Clone, Debug)]
pub struct NatsArgs {
    /// NATS with JetStream: nats://user:password@host:port (several: separated by commas)
    #[arg(long, env = "NATS_URL", hide_env_values = true)]
    pub nats_url: String,

    /// Credentials file (JWT and nkey), where the server asks for one
    #[arg(long, env = "AGORA_NATS_CREDENTIALS")]
    pub nats_credentials: Option<PathBuf>,

    /// The JetStream stream that carries the events
    #[arg(long, env = "AGORA_NATS_STREAM", default_value = "EVENTS")]
    pub nats_stream: String,

    /// What the events' subjects start with: <prefix>.<aggregate_type>.<event_type>
    #[arg(long, env = "AGORA_NATS_SUBJECTS", default_value = "events")]
    pub nats_subjects: String,

    /// Copies that a clustered JetStream keeps of the stream
    #[arg(long, env = "AGORA_NATS_REPLICAS", default_value_t = 1,
          value_parser = clap::value_parser!(u8).range(1..=5))]
    pub nats_replicas: u8,
}

/// How clients reach a service, and how much of it they may take. The address itself is each binary's own
/// argument: its default and its variable differ.
#[derive(Args, Clone, Debug)]
pub struct HttpArgs {
    /// Networks of the proxies that are believed on their clients' addresses, separated by commas:
    /// 10.0.0.0/8,::1/128
    #[arg(long, env = "AGORA_TRUSTED_PROXIES", value_delimiter = ',', value_parser = network)]
    pub trusted_proxies: Vec<Network>,

    /// The header in which they write them. The other one is ignored: a proxy passes it on as the client
    /// sent it
    #[arg(long, env = "AGORA_FORWARDED_HEADER", value_enum, default_value_t)]
    pub forwarded_header: ForwardedHeader,

    /// Sites whose pages may use the API from a browser (CORS), separated by commas, as
    /// https://app.example.org; `*` for all. None by default
    #[arg(long, env = "AGORA_CORS_ORIGINS", value_delimiter = ',', value_parser = origin)]
    pub cors_origins: Vec<Origin>,

    /// Clients come by TLS, which ends before this service: replies then carry
    /// Strict-Transport-Security
    #[arg(long, env = "AGORA_BEHIND_TLS", default_value_t = false, action = ArgAction::Set)]
    pub behind_tls: bool,

    /// How long a request's head may take to arrive, in seconds; also ends idle connections
    #[arg(long, env = "AGORA_HTTP_HEAD_SECONDS", default_value_t = 75,
          value_parser = clap::value_parser!(u32).range(1..))]
    pub http_head_seconds: u32,

    /// How long a request's body may take to arrive, in seconds
    #[arg(long, env = "AGORA_HTTP_BODY_SECONDS", default_value_t = 60,
          value_parser = clap::value_parser!(u32).range(1..))]
    pub http_body_seconds: u32,

    /// How long an answer may take to begin, in seconds
    #[arg(long, env = "AGORA_HTTP_REQUEST_SECONDS", default_value_t = 60,
          value_parser = clap::value_parser!(u32).range(1..))]
    pub http_request_seconds: u32,

    /// Bytes of a request's target, its query included
    #[arg(long, env = "AGORA_HTTP_URI_BYTES", default_value_t = 8_192)]
    pub http_uri_bytes: usize,

    /// Megabytes of large bodies, past 16 KiB of each, that are held at once; who sends more is told to come
    /// again (503)
    #[arg(long, env = "AGORA_HTTP_BODIES_MB", default_value_t = 64, value_parser = megabytes)]
    pub http_bodies_mb: usize,

    /// Connections at once; who comes then has to wait
    #[arg(long, env = "AGORA_HTTP_CONNECTIONS", default_value_t = 10_000)]
    pub http_connections: usize,

    /// Connections at once of one address (of IPv6, of one /64) that is no trusted proxy's; further ones
    /// are closed
    #[arg(long, env = "AGORA_HTTP_CONNECTIONS_PER_ADDRESS", default_value_t = 1_000)]
    pub http_connections_per_address: usize,
}

impl HttpArgs {
    pub fn trusted_proxies(&self) -> TrustedProxies {
        let networks = self.trusted_proxies.iter().filter_map(|network| network.0).collect();
        TrustedProxies::new(networks).reading(self.forwarded_header)
    }

    pub(crate) fn cors_origins(&self) -> Vec<HeaderValue> {
        self.cors_origins.iter().filter_map(|origin| origin.0.clone()).collect()
    }
}

/// A site, as browsers name it in `Origin`; none where the text is empty, as a variable without a value is.
#[derive(Clone, Debug)]
pub struct Origin(Option<HeaderValue>);

fn origin(text: &str) -> Result<Origin, String> {
    let text = text.trim();
    if text.is_empty() {
        return Ok(Origin(None));
    }
    let is_site = |url: &Url| {
        matches!(url.scheme(), "http" | "https") && url.origin().ascii_serialization() == text
    };
    let is_right = text == "*" || Url::parse(text).is_ok_and(|url| is_site(&url));
    HeaderValue::from_str(text)
        .ok()
        .filter(|_| is_right)
        .map(|origin| Origin(Some(origin)))
        .ok_or_else(|| {
            "write a scheme and a host, such as https://app.example.org, or *".to_owned()
        })
}

fn megabytes(text: &str) -> Result<usize, String> {
    let number = text.parse().ok().filter(|number| (1..=1 << 20).contains(number));
    number.ok_or_else(|| "write a number from 1 on".to_owned())
}

/// A network; none where the text is empty, as a variable without a value is.
#[derive(Clone, Copy, Debug)]
pub struct Network(Option<IpNet>);

/// A network, or a single address as the network that holds only it.
fn network(text: &str) -> Result<Network, String> {
    let text = text.trim();
    if text.is_empty() {
        return Ok(Network(None));
    }
    text.parse::<IpNet>()
        .or_else(|_| text.parse::<std::net::IpAddr>().map(IpNet::from))
        .map(|network| Network(Some(network)))
        .map_err(|_| "write an address or a network, such as 10.0.0.0/8 or ::1".to_owned())
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct Cli {
        #[command(flatten)]
        http: HttpArgs,
        #[command(flatten)]
        database: DatabaseArgs,
    }

    #[test]
    fn trusted_proxies_may_be_networks_and_single_addresses() {
        let cli = Cli::try_parse_from([
            "x",
            "--database-url",
            "postgres://h/d",
            "--trusted-proxies",
            "10.0.0.0/8, ::1",
        ])
        .expect("valid arguments");
        assert_eq!(cli.http.trusted_proxies.len(), 2);
        assert_eq!(cli.database.database_connections, 16);
    }

    #[test]
    fn an_empty_variable_trusts_nobody() {
        let cli =
            Cli::try_parse_from(["x", "--database-url", "postgres://h/d", "--trusted-proxies", ""]);
        let proxies = cli.expect("valid arguments").http.trusted_proxies();
        let headers = axum::http::HeaderMap::new();
        let peer = "192.0.2.1:80".parse().unwrap();
        assert_eq!(proxies.client(peer, &headers).to_string(), "192.0.2.1");
    }

    #[test]
    fn no_other_site_is_let_in_unless_it_is_named_as_browsers_do() {
        let origins = |text: &str| {
            let cli = Cli::try_parse_from(["x", "--database-url", "u", "--cors-origins", text]);
            cli.ok().map(|cli| cli.http.cors_origins().len())
        };
        assert_eq!(origins(""), Some(0));
        assert_eq!(origins("https://a.example, http://localhost:3000"), Some(2));
        assert_eq!(origins("*"), Some(1));
        for bad in ["a.example", "https://a.example/", "https://a.example/app", "file:///x", "null"]
        {
            assert_eq!(origins(bad), None, "{bad}");
        }
    }

    #[test]
    fn what_is_wrong_is_said_by_its_name() {
        let error = Cli::try_parse_from(["x", "--trusted-proxies", "ten"]).err().expect("refused");
        assert!(error.to_string().contains("--trusted-proxies"));
    }
}
