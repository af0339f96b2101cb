//! Who the client is, in terms of addresses, when proxies stand between.
//!
//! `X-Forwarded-For` and `Forwarded` (RFC 7239) can be written by anybody. Only the one that the trusted
//! proxies write is read ([`ForwardedHeader`]), since they pass the other on as the client sent it; from
//! right to left, for as long as the address that reports is a trusted proxy's: the first that is not
//! trusted is the client. From anybody else the headers are ignored.

use std::{
    net::{IpAddr, SocketAddr},
    sync::Arc,
};

use axum::{
    extract::FromRequestParts,
    http::{HeaderMap, HeaderName, header, request::Parts},
};
use ipnet::IpNet;

use crate::problem::Problem;

const X_FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");

/// The client's address; `Display` is its canonical text (RFC 5952). A handler takes it as an
/// argument; [`crate::http::serve`] puts it there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct ClientAddress(pub IpAddr, Source);

/// How an address is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Source {
    /// It is the peer, who speaks for nobody else.
    Peer,
    /// A trusted proxy told it.
    Told,
    /// It is a trusted proxy's, since what it told of its client could not be read.
    Unread,
}

impl ClientAddress {
    /// The address of a client without proxies between.
    pub const fn of(address: IpAddr) -> Self {
        Self(address, Source::Peer)
    }

    /// What is counted as one client: the address, of IPv6 its /64, since whoever has one address of that
    /// has them all.
    pub fn network_bits(self) -> u128 {
        match self.0.to_canonical() {
            IpAddr::V4(address) => address.to_ipv6_mapped().to_bits(),
            IpAddr::V6(address) => address.to_bits() & !u128::from(u64::MAX),
        }
    }

    /// Whether it is the machine itself, or no address at all (K20). Never by what a header says.
    pub fn is_own(self) -> bool {
        let address = self.0.to_canonical();
        self.1 == Source::Peer && (address.is_loopback() || address.is_unspecified())
    }

    /// Whether the address is the client's. Else it is a proxy's, whose rights nobody gets by having it
    /// tell what cannot be read.
    pub fn is_clients(self) -> bool {
        self.1 != Source::Unread
    }
}

impl std::fmt::Display for ClientAddress {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.fmt(f)
    }
}

impl<S: Sync> FromRequestParts<S> for ClientAddress {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        // Missing only where a router is not served by `http::serve`.
        parts.extensions.get::<Self>().copied().ok_or_else(Problem::internal)
    }
}

/// In which header the trusted proxies tell of their clients. The other is the client's own words.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum ForwardedHeader {
    #[default]
    XForwardedFor,
    /// RFC 7239.
    Forwarded,
}

/// The networks whose word on addresses is believed.
#[derive(Clone, Debug, Default)]
pub struct TrustedProxies(Arc<[IpNet]>, ForwardedHeader);

impl TrustedProxies {
    pub fn new(networks: Vec<IpNet>) -> Self {
        Self(networks.into(), ForwardedHeader::default())
    }

    /// Reads what they tell from this header.
    #[must_use]
    pub fn reading(self, header: ForwardedHeader) -> Self {
        Self(self.0, header)
    }

    /// The client of a request that came from `peer`. A trusted proxy that sends no header speaks for
    /// itself.
    pub fn client(&self, peer: SocketAddr, headers: &HeaderMap) -> ClientAddress {
        let mut client = ClientAddress::of(peer.ip().to_canonical());
        if !self.trusts(client.0) {
            return client;
        }
        let name = match self.1 {
            ForwardedHeader::XForwardedFor => &X_FORWARDED_FOR,
            ForwardedHeader::Forwarded => &header::FORWARDED,
        };
        // Several headers of one name are one list, in their order.
        let lines: Vec<_> = headers.get_all(name).iter().collect();
        for line in lines.into_iter().rev() {
            // Text that is not ASCII cannot be an address: nothing left of it can be believed.
            let told = line.to_str().map_or_else(|_| vec![None], |line| self.addresses(line));
            for address in told.into_iter().rev() {
                let Some(address) = address else { return ClientAddress(client.0, Source::Unread) };
                client = ClientAddress(address, Source::Told);
                if !self.trusts(address) {
                    return client;
                }
            }
        }
        client
    }

    /// The addresses that a line lists; none for each that cannot be read.
    fn addresses(&self, line: &str) -> Vec<Option<IpAddr>> {
        match self.1 {
            // Nothing is quoted here: a quote is the client's, and must not hide what comes after it.
            ForwardedHeader::XForwardedFor => line.split(',').map(address).collect(),
            ForwardedHeader::Forwarded => {
                // Where a quote does not end the client has begun it, to hide what the proxies add.
                let elements = split_outside_quotes(line, b',')
                    .unwrap_or_else(|| line.split(',').map(str::trim).collect());
                elements.into_iter().map(forwarded_for).collect()
            }
        }
    }

    pub(crate) fn trusts(&self, address: IpAddr) -> bool {
        self.0.iter().any(|network| network.contains(&address))
    }
}

/// None where a quote does not end.
fn split_outside_quotes(text: &str, separator: u8) -> Option<Vec<&str>> {
    let (mut parts, mut start, mut quoted, mut escaped) = (Vec::new(), 0, false, false);
    for (at, byte) in text.bytes().enumerate() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if quoted => escaped = true,
            b'"' => quoted = !quoted,
            _ if byte == separator && !quoted => {
                parts.push(text[start..at].trim());
                start = at + 1;
            }
            _ => {}
        }
    }
    parts.push(text[start..].trim());
    (!quoted).then_some(parts)
}

/// The address of an element's `for=`; none where it is hidden (`for=_secret`, `for=unknown`).
fn forwarded_for(element: &str) -> Option<IpAddr> {
    let value = split_outside_quotes(element, b';')?.into_iter().find_map(|pair| {
        let (name, value) = pair.split_once('=')?;
        name.trim().eq_ignore_ascii_case("for").then(|| value.trim())
    })?;
    address(value.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')).unwrap_or(value))
}

/// An address with or without port: `192.0.2.1`, `192.0.2.1:80`, `2001:db8::1`, `[2001:db8::1]:80`.
fn address(text: &str) -> Option<IpAddr> {
    let text = text.trim();
    let parsed = text
        .parse::<IpAddr>()
        .or_else(|_| text.parse::<SocketAddr>().map(|socket| socket.ip()))
        .ok()
        .or_else(|| text.strip_prefix('[')?.strip_suffix(']')?.parse().ok());
    parsed.map(|address| address.to_canonical())
}

#[cfg(test)]
mod tests;
