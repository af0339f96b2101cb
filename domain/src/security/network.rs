//! Addresses and the networks that are blocked as one: a single address, an IPv4 /24, an IPv6 /64.

use std::{
    fmt,
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
    str::FromStr,
};

use serde::{Deserialize, Serialize};

use crate::refusal::RuleBreak;

const BROKEN: RuleBreak = RuleBreak::new(
    "IPR-05",
    "must be an IP address, an IPv4 network such as 192.0.2.0/24 or an IPv6 network such as 2001:db8::/64",
);

/// An address or a network, in one canonical form (RFC 5952; IPv4-mapped IPv6 is IPv4): one client has
/// one spelling (IPR-05).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Network {
    first: IpAddr,
    is_range: bool,
}

impl Network {
    pub fn of(address: IpAddr) -> Self {
        Self { first: address.to_canonical(), is_range: false }
    }

    /// The network that the address is in: its /24, or of IPv6 its /64, since whoever has one address of
    /// that has them all (fail2ban #927).
    pub fn around(address: IpAddr) -> Self {
        let first = match address.to_canonical() {
            IpAddr::V4(address) => Ipv4Addr::from_bits(address.to_bits() & !0xff).into(),
            IpAddr::V6(address) => {
                Ipv6Addr::from_bits(address.to_bits() & !u128::from(u64::MAX)).into()
            }
        };
        Self { first, is_range: true }
    }

    /// The single address; none of a network.
    pub fn address(&self) -> Option<IpAddr> {
        (!self.is_range).then_some(self.first)
    }

    pub fn is_range(&self) -> bool {
        self.is_range
    }

    /// Whether nothing automatic is done about it: the machine itself, and `::`, which stands for no
    /// address at all (K20).
    pub fn is_exempt(&self) -> bool {
        self.first.is_loopback() || self.first.is_unspecified()
    }
}

impl FromStr for Network {
    type Err = RuleBreak;

    fn from_str(text: &str) -> Result<Self, RuleBreak> {
        // Rust's parser takes no octal numbers, no zone ids and no short forms.
        let Some((first, length)) = text.split_once('/') else {
            return text.parse().map(Self::of).map_err(|_| BROKEN);
        };
        let first: IpAddr = first.parse().map_err(|_| BROKEN)?;
        let around = Self::around(first);
        let right = match first {
            IpAddr::V4(_) => length == "24",
            IpAddr::V6(_) => length == "64" && around.first.is_ipv6(),
        };
        // 192.0.2.7/24 may mean the address or the network: who writes it says which.
        if right && around.first == first { Ok(around) } else { Err(BROKEN) }
    }
}

impl fmt::Display for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let length = match self.first {
            _ if !self.is_range => return self.first.fmt(f),
            IpAddr::V4(_) => 24,
            IpAddr::V6(_) => 64,
        };
        write!(f, "{}/{length}", self.first)
    }
}

/// Says nothing: addresses are personal.
impl fmt::Debug for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Network(…)")
    }
}

impl From<Network> for String {
    fn from(network: Network) -> Self {
        network.to_string()
    }
}

impl TryFrom<String> for Network {
    type Error = RuleBreak;

    fn try_from(text: String) -> Result<Self, RuleBreak> {
        text.parse()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn canonical(text: &str) -> Option<String> {
        text.parse::<Network>().ok().map(|network| network.to_string())
    }

    #[test]
    fn ipr_05_one_address_has_one_spelling() {
        for (text, expected) in [
            ("1.2.3.4", "1.2.3.4"),
            ("::ffff:1.2.3.4", "1.2.3.4"),
            ("::FFFF:102:304", "1.2.3.4"),
            ("2001:DB8:0:0:0:0:0:1", "2001:db8::1"),
            ("192.0.2.0/24", "192.0.2.0/24"),
            ("2001:db8:1:2::/64", "2001:db8:1:2::/64"),
            ("::", "::"),
        ] {
            assert_eq!(canonical(text).as_deref(), Some(expected), "{text}");
        }
        for bad in [
            "",
            "1.2.3",
            "01.2.3.4",
            "0x1.2.3.4",
            "1.2.3.4 ",
            "fe80::1%eth0",
            "1.2.3.4:80",
            "192.0.2.1/24",
            "192.0.2.0/16",
            "192.0.2.0/024",
            "2001:db8::1/64",
            "2001:db8::/63",
            "::ffff:1.2.3.0/24",
            "::ffff:0:0/64",
            "localhost",
        ] {
            assert_eq!(bad.parse::<Network>().unwrap_err().rule, Some("IPR-05"), "{bad}");
        }
    }

    #[test]
    fn ipr_12_an_address_is_in_its_24_or_64() {
        let around = |text: &str| Network::around(text.parse().unwrap()).to_string();
        assert_eq!(around("192.0.2.77"), "192.0.2.0/24");
        assert_eq!(around("::ffff:192.0.2.77"), "192.0.2.0/24");
        assert_eq!(around("2001:db8:1:2:3:4:5:6"), "2001:db8:1:2::/64");
    }

    #[test]
    fn k20_the_machine_itself_and_nowhere_are_exempt() {
        for exempt in ["127.0.0.1", "::1", "::", "0.0.0.0", "127.0.0.0/24"] {
            assert!(exempt.parse::<Network>().unwrap().is_exempt(), "{exempt}");
        }
        assert!(!"192.0.2.1".parse::<Network>().unwrap().is_exempt());
    }
}
