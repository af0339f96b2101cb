//! Who the client is, in terms of addresses, when proxies stand between.
//!
//! `Forwarded` (RFC 7239) and `X-Forwarded-For` can be written by anybody, so they are read from
//! right to left, for as long as the address that reports is a trusted proxy's: the first that is
//! not trusted is the client. From anybody else the headers are ignored.

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
pub struct ClientAddress(pub IpAddr);

impl ClientAddress {
    /// What is counted as one client: the address, of IPv6 its /64, since whoever has one address of that
    /// has them all.
    pub fn network_bits(self) -> u128 {
        match self.0.to_canonical() {
            IpAddr::V4(address) => address.to_ipv6_mapped().to_bits(),
            IpAddr::V6(address) => address.to_bits() & !u128::from(u64::MAX),
        }
    }

    /// Whether it is the machine itself, or no address at all (K20).
    pub fn is_own(self) -> bool {
        self.0.is_loopback() || self.0.is_unspecified()
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

/// The networks whose word on addresses is believed.
#[derive(Clone, Debug, Default)]
pub struct TrustedProxies(Arc<[IpNet]>);

impl TrustedProxies {
    pub fn new(networks: Vec<IpNet>) -> Self {
        Self(networks.into())
    }

    /// The client of a request that came from `peer`.
    pub fn client(&self, peer: SocketAddr, headers: &HeaderMap) -> ClientAddress {
        let mut client = peer.ip().to_canonical();
        if !self.trusts(client) {
            return ClientAddress(client);
        }
        let standard = headers.contains_key(header::FORWARDED);
        let name = if standard { &header::FORWARDED } else { &X_FORWARDED_FOR };
        // Several headers of one name are one list, in their order.
        let lines: Vec<_> = headers.get_all(name).iter().collect();
        for line in lines.into_iter().rev() {
            // Text that is not ASCII cannot be an address: nothing left of it can be believed.
            let Ok(line) = line.to_str() else { break };
            for element in elements(line).into_iter().rev() {
                let address = if standard { forwarded_for(element) } else { address(element) };
                let Some(address) = address else { return ClientAddress(client) };
                client = address;
                if !self.trusts(client) {
                    return ClientAddress(client);
                }
            }
        }
        ClientAddress(client)
    }

    pub(crate) fn trusts(&self, address: IpAddr) -> bool {
        self.0.iter().any(|network| network.contains(&address))
    }
}

/// The elements of a list, parted by commas outside of quotes.
fn elements(line: &str) -> Vec<&str> {
    split_outside_quotes(line, b',')
}

fn split_outside_quotes(text: &str, separator: u8) -> Vec<&str> {
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
    parts
}

/// The address of an element's `for=`; none where it is hidden (`for=_secret`, `for=unknown`).
fn forwarded_for(element: &str) -> Option<IpAddr> {
    let value = split_outside_quotes(element, b';').into_iter().find_map(|pair| {
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
