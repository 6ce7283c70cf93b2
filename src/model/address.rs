//! Addresses as clients are counted by.

use std::net::{IpAddr, Ipv6Addr};

/// What a client at `address` is counted as: an IPv4 address by itself, in whatever way it is written, and an IPv6 one
/// as its network of 64 bits, all of which one subscriber has (RFC 6177, section 2; RFC 4291, section 2.5.1).
pub fn counted(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) => Ipv6Addr::from_bits(address.to_bits() >> 64 << 64).into(),
        address @ IpAddr::V4(_) => address,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn neighbours_in_a_network_of_64_bits_are_counted_together_and_others_apart() {
        let of = |text: &str| counted(text.parse().unwrap());
        assert_eq!(of("2001:db8:1:2:3::4"), of("2001:db8:1:2:ffff::1"));
        assert_ne!(of("2001:db8:1:2::1"), of("2001:db8:1:3::1"));
        assert_eq!(of("::ffff:192.0.2.1"), of("192.0.2.1"));
        assert_ne!(of("192.0.2.1"), of("192.0.2.2"));
    }
}
