//! Which addresses and names are of the public internet: what an admin may point the platform at
//! (INT-06; OWASP API7:2023). Everything that is not known to be public is refused.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Whether an address is one of the public internet: no private, loopback, link-local (where clouds
/// serve their metadata), shared (CGNAT), documentation, multicast or reserved one.
pub fn is_public(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => is_public_v4(address),
        IpAddr::V6(address) => is_public_v6(address),
    }
}

fn is_public_v4(address: Ipv4Addr) -> bool {
    let private = match address.octets() {
        // "This network", private, loopback.
        [0 | 10 | 127, ..] | [172, 16..=31, ..] | [192, 168, ..] => true,
        // Shared between a carrier's customers; link-local.
        [100, 64..=127, ..] | [169, 254, ..] => true,
        // Protocol assignments, documentation, 6to4 relays, benchmarks.
        [192, 0, 0 | 2, _] | [192, 88, 99, _] | [198, 18 | 19, ..] => true,
        [198, 51, 100, _] | [203, 0, 113, _] => true,
        // Multicast, reserved, broadcast.
        [224..=255, ..] => true,
        _ => false,
    };
    !private
}

/// Only 2000::/3 is given out to the public, and of it not what stands for something else: Teredo and
/// its like (2001::/23), 6to4 (2002::/16), documentation. IPv4 in IPv6 (`::ffff:127.0.0.1`,
/// `64:ff9b::7f00:1`) lies outside of it.
fn is_public_v6(address: Ipv6Addr) -> bool {
    match address.segments() {
        [0x2001, 0..=0x01ff, ..] | [0x2001, 0x0db8, ..] | [0x2002, ..] => false,
        [0x3fff, 0..=0x0fff, ..] => false,
        [0x2000..=0x3fff, ..] => true,
        _ => false,
    }
}

/// Whether a name can be one of the public domain name system: it has a dot and something on both sides
/// of each, and does not end in a name that is kept for what is near (RFC 6761, 6762, 8375, 9476).
pub fn is_public_name(name: &str) -> bool {
    let name = name.trim_end_matches('.').to_ascii_lowercase();
    let near = ["localhost", "local", "localdomain", "internal", "intranet", "lan", "home", "corp"];
    let Some((_, last)) = name.rsplit_once('.') else { return false };
    !name.split('.').any(str::is_empty)
        && !near.contains(&last)
        && !["alt", "arpa", "onion", "test", "invalid"].contains(&last)
        // A resolver reads a name of digits as an address.
        && !last.bytes().all(|byte| byte.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn int_06_only_addresses_of_the_public_internet_are_public() {
        for private in [
            "0.0.0.0",
            "10.0.0.1",
            "100.64.0.1",
            "100.127.255.255",
            "127.0.0.1",
            "127.255.0.1",
            "169.254.169.254",
            "172.16.0.1",
            "172.31.255.255",
            "192.0.0.1",
            "192.0.2.1",
            "192.88.99.1",
            "192.168.1.1",
            "198.18.0.1",
            "198.19.255.255",
            "198.51.100.1",
            "203.0.113.1",
            "224.0.0.1",
            "240.0.0.1",
            "255.255.255.255",
            "::",
            "::1",
            "::ffff:10.0.0.1",
            "::ffff:8.8.8.8",
            "::127.0.0.1",
            "64:ff9b::7f00:1",
            "100::1",
            "2001::1",
            "2001:db8::1",
            "2002:7f00:1::",
            "3fff::1",
            "fc00::1",
            "fd00:ec2::254",
            "fe80::1",
            "fec0::1",
            "ff02::1",
        ] {
            assert!(!is_public(private.parse().unwrap()), "{private}");
        }
        for public in
            ["1.1.1.1", "100.63.0.1", "100.128.0.1", "172.15.0.1", "172.32.0.1", "2606:4700::1111"]
        {
            assert!(is_public(public.parse().unwrap()), "{public}");
        }
    }

    #[test]
    fn int_06_names_of_what_is_near_are_not_public() {
        for near in [
            "localhost",
            "LOCALHOST.",
            "a.localhost",
            "printer.local",
            "metadata.google.internal",
            "postgres",
            "router.lan",
            "1.0.0.127.in-addr.arpa",
            "x.home.arpa",
            "a.test",
            "1.2.3.4",
            ".com",
            "a..com",
        ] {
            assert!(!is_public_name(near), "{near}");
        }
        for public in ["example.com", "localhost.example.com", "api.sendgrid.com."] {
            assert!(is_public_name(public), "{public}");
        }
    }
}
