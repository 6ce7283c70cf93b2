//! Where a client is, if it comes through proxies: by what those say that the configuration trusts. Pure.
//!
//! A proxy adds the address of whoever came to it at the right end of a list. So the list is read from there: as long as
//! the one that says something is trusted, what it says is believed, and the first that is not trusted is the client.
//! What cannot be read (no address, `unknown`, a name that hides one) ends the reading, and the proxy that passed it on is
//! counted in the client's place: a header that nobody understands never makes a new client. A proxy at a Unix socket has
//! no address of its own, and all whom it does not name share the unspecified one.
//!
//! Only the one header counts that the configuration names. The other one is whatever the client wrote.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use actix_web::http::header::{FORWARDED, HeaderMap, HeaderName, X_FORWARDED_FOR};
use ipnet::IpNet;

use crate::config::{Proxy, ProxyHeader, Server};

/// The proxies that are believed.
#[derive(Clone, Debug)]
pub struct Proxies {
    nets: Vec<IpNet>,
    unix: bool,
    header: ProxyHeader,
}

impl Proxies {
    /// As the configuration says.
    pub fn new(server: &Server) -> Self {
        let net = |proxy: &Proxy| match proxy {
            Proxy::Net(net) => Some(*net),
            Proxy::Unix => None,
        };
        Self {
            nets: server.trusted_proxies.iter().filter_map(net).collect(),
            unix: server.trusted_proxies.contains(&Proxy::Unix),
            header: server.proxy_header,
        }
    }

    /// Whether someone at this address is believed; none is the peer of a Unix socket.
    pub fn trust(&self, address: Option<IpAddr>) -> bool {
        match address {
            None => self.unix,
            Some(address) => self.nets.iter().any(|net| net.contains(&address.to_canonical())),
        }
    }

    /// The address of the client behind a request that came from `peer`; none if that is a Unix socket where nobody is
    /// believed.
    pub fn client(&self, peer: Option<SocketAddr>, headers: &HeaderMap) -> Option<IpAddr> {
        let mut at = peer.map(|peer| peer.ip().to_canonical());
        if !self.trust(at) {
            return at;
        }
        let all = |name: HeaderName| {
            let values = headers.get_all(name).map(|value| String::from_utf8_lossy(value.as_bytes()));
            values.collect::<Vec<_>>().join(",")
        };
        let hops: Vec<_> = match self.header {
            ProxyHeader::XForwardedFor => all(X_FORWARDED_FOR).split(',').map(address).collect(),
            ProxyHeader::Forwarded => forwarded(&all(FORWARDED)),
        };
        for hop in hops.into_iter().rev() {
            let Some(hop) = hop else { break };
            at = Some(hop);
            if !self.trust(at) {
                break;
            }
        }
        at.or(Some(Ipv4Addr::UNSPECIFIED.into()))
    }
}

/// An address, with or without a port: `192.0.2.1`, `192.0.2.1:80`, `2001:db8::1`, `[2001:db8::1]:80`.
fn address(text: &str) -> Option<IpAddr> {
    let text = text.trim();
    let bare = || text.strip_prefix('[')?.strip_suffix(']')?.parse().ok().map(IpAddr::V6);
    let with_port = || text.parse::<SocketAddr>().ok().map(|address| address.ip());
    text.parse().ok().or_else(bare).or_else(with_port).map(|address| address.to_canonical())
}

/// What each element says in `for` (RFC 7239, sections 4 and 6), in their order. Where a quote does not end, it may have
/// been opened to swallow what the proxies added, and nothing of it can be read.
fn forwarded(list: &str) -> Vec<Option<IpAddr>> {
    let of = |element: String| {
        let mut named = split(&element, ';')?.into_iter().filter_map(|pair| {
            let (name, value) = pair.split_once('=')?;
            name.trim().eq_ignore_ascii_case("for").then(|| unquoted(value.trim()))
        });
        // Said twice it says nothing.
        named.next().filter(|_| named.next().is_none())
    };
    let elements = split(list, ',').into_iter().flatten();
    elements.map(|element| address(&of(element)?)).collect()
}

/// The parts between separators that stand in no quoted string (RFC 9110, section 5.6.4); none if one does not end.
fn split(text: &str, separator: char) -> Option<Vec<String>> {
    let (mut parts, mut part, mut quoted, mut escaped) = (Vec::new(), String::new(), false, false);
    for c in text.chars() {
        if c == separator && !quoted {
            parts.push(std::mem::take(&mut part));
            continue;
        }
        quoted ^= c == '"' && !escaped;
        escaped = c == '\\' && quoted && !escaped;
        part.push(c);
    }
    parts.push(part);
    (!quoted).then_some(parts)
}

fn unquoted(value: &str) -> String {
    match value.strip_prefix('"').and_then(|value| value.strip_suffix('"')) {
        Some(inner) => inner.replace('\\', ""),
        None => value.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use actix_web::http::header::HeaderValue;
    use proptest::prelude::*;

    use super::*;
    use crate::model::cases::{damaged, many};

    fn proxies(header: ProxyHeader) -> Proxies {
        let nets = ["10.0.0.0/8", "2001:db8:9::/48"].map(|net| net.parse().unwrap());
        Proxies { nets: nets.into(), unix: true, header }
    }

    fn client<V: AsRef<[u8]>>(header: ProxyHeader, peer: &str, said: &[(&'static str, V)]) -> Option<IpAddr> {
        let mut headers = HeaderMap::new();
        for (name, value) in said {
            headers.append(HeaderName::from_static(name), HeaderValue::from_bytes(value.as_ref()).unwrap());
        }
        proxies(header).client(peer.parse().ok(), &headers)
    }

    #[test]
    fn the_rightmost_that_is_not_trusted_is_the_client() {
        for (peer, said, is) in [
            ("192.0.2.7:1", "198.51.100.1", Some("192.0.2.7")),
            ("10.1.1.1:1", "198.51.100.1", Some("198.51.100.1")),
            ("10.1.1.1:1", "203.0.113.5, 198.51.100.1", Some("198.51.100.1")),
            ("10.1.1.1:1", "203.0.113.5, 198.51.100.1, 10.2.2.2", Some("198.51.100.1")),
            ("10.1.1.1:1", "198.51.100.1:4711,[2001:db8:9::1]:80", Some("198.51.100.1")),
            ("[::ffff:10.1.1.1]:1", "2001:db8::1", Some("2001:db8::1")),
            ("10.1.1.1:1", "10.3.3.3, 10.2.2.2", Some("10.3.3.3")),
            ("unix", "198.51.100.1", Some("198.51.100.1")),
        ] {
            let found = client(ProxyHeader::XForwardedFor, peer, &[("x-forwarded-for", said)]);
            assert_eq!(found, is.map(|is| is.parse().unwrap()), "{peer}: {said}");
        }
    }

    #[test]
    fn what_cannot_be_read_counts_against_the_proxy_that_passed_it_on() {
        for said in ["", "unknown", "198.51.100.1, unknown", "198.51.100.1 192.0.2.1", "300.1.1.1", "é", "1.2.3.4,"] {
            let found = client(ProxyHeader::XForwardedFor, "10.1.1.1:1", &[("x-forwarded-for", said)]);
            assert_eq!(found, Some("10.1.1.1".parse().unwrap()), "{said}");
        }
        let hidden = client(ProxyHeader::XForwardedFor, "10.1.1.1:1", &[("x-forwarded-for", "_x, 10.2.2.2")]);
        assert_eq!(hidden, Some("10.2.2.2".parse().unwrap()));
    }

    #[test]
    fn one_that_cannot_be_read_makes_the_others_no_less_readable() {
        for (header, name, said) in [
            (ProxyHeader::XForwardedFor, "x-forwarded-for", &b"\xff, 198.51.100.1"[..]),
            (ProxyHeader::Forwarded, "forwarded", b"for=\xff, for=198.51.100.1"),
        ] {
            for peer in ["10.1.1.1:1", "unix"] {
                assert_eq!(client(header, peer, &[(name, said)]), "198.51.100.1".parse().ok(), "{peer}: {name}");
            }
        }
    }

    #[test]
    fn whom_a_proxy_without_an_address_does_not_name_is_somebody_all_the_same() {
        let shared = Some(IpAddr::from(Ipv4Addr::UNSPECIFIED));
        for said in [&b"\xff"[..], b"198.51.100.1, unknown", b""] {
            assert_eq!(client(ProxyHeader::XForwardedFor, "unix", &[("x-forwarded-for", said)]), shared);
        }
        assert_eq!(client(ProxyHeader::Forwarded, "unix", &[("forwarded", "for=\"x, for=198.51.100.1")]), shared);
        assert_eq!(client::<&str>(ProxyHeader::Forwarded, "unix", &[]), shared);
        let nobody = Proxies { unix: false, ..proxies(ProxyHeader::Forwarded) };
        assert_eq!(
            nobody.client(None, &HeaderMap::new()),
            None,
            "where no proxy is, all who come are the system's own"
        );
    }

    #[test]
    fn several_lines_are_one_list_and_the_other_header_is_nobodys_word() {
        let said =
            [("x-forwarded-for", "203.0.113.5"), ("x-forwarded-for", "198.51.100.1"), ("forwarded", "for=1.1.1.1")];
        assert_eq!(client(ProxyHeader::XForwardedFor, "10.1.1.1:1", &said), "198.51.100.1".parse().ok());
        assert_eq!(client(ProxyHeader::Forwarded, "10.1.1.1:1", &said), "1.1.1.1".parse().ok());
    }

    #[test]
    fn forwarded_is_read_as_its_rfc_writes_it() {
        for (said, is) in [
            ("for=192.0.2.60;proto=http;by=203.0.113.43", "192.0.2.60"),
            ("For=\"[2001:db8:cafe::17]:4711\"", "2001:db8:cafe::17"),
            ("for=192.0.2.43, for=198.51.100.17", "198.51.100.17"),
            ("for=192.0.2.43, for=10.7.7.7;by=\"a,b;c\"", "192.0.2.43"),
            ("for=\"_gazonk\"", "10.1.1.1"),
            ("for=unknown", "10.1.1.1"),
            ("proto=https", "10.1.1.1"),
            ("for=192.0.2.1;for=192.0.2.2", "10.1.1.1"),
            ("for=\"192.0.2.43", "10.1.1.1"),
            ("for=6.6.6.6;by=\", for=198.51.100.17", "10.1.1.1"),
            ("for=6.6.6.6;by=\"\\, for=\"[2001:db8::1]\"", "10.1.1.1"),
        ] {
            assert_eq!(client(ProxyHeader::Forwarded, "10.1.1.1:1", &[("forwarded", said)]), is.parse().ok(), "{said}");
        }
    }

    proptest! {
        #![proptest_config(many())]

        #[test]
        fn whatever_a_proxy_passes_on_the_client_is_one_that_it_named_or_the_proxy(seed: u64, which: bool) {
            let (header, name, whole) = if which {
                (ProxyHeader::Forwarded, "forwarded", "for=203.0.113.5;by=\"a,b\", for=\"[2001:db8::17]:80\", for=10.2.2.2")
            } else {
                (ProxyHeader::XForwardedFor, "x-forwarded-for", "203.0.113.5, [2001:db8::17]:80, 198.51.100.1:4711,10.2.2.2")
            };
            let said = damaged(whole.as_bytes(), seed);
            if HeaderValue::from_bytes(&said).is_err() {
                return Ok(());
            }
            let found = client(header, "10.1.1.1:1", &[(name, &said)]).unwrap();
            let said = String::from_utf8_lossy(&said).replace('\\', "");
            let mut parts = said.split([',', ';', '=']).map(|part| part.trim_matches(['"', ' ', '\t']));
            let named = parts.any(|part| address(part) == Some(found));
            prop_assert!(named || found.to_string() == "10.1.1.1", "{} in {}", found, said);
        }

        #[test]
        fn nobody_who_is_not_trusted_is_believed_whatever_is_said(said in "[ -~]{0,80}") {
            for header in [ProxyHeader::XForwardedFor, ProxyHeader::Forwarded] {
                let all = [("x-forwarded-for", said.as_str()), ("forwarded", said.as_str())];
                prop_assert_eq!(client(header, "192.0.2.7:1", &all), "192.0.2.7".parse().ok());
                let appended = format!("{said},198.51.100.9");
                let last = client(ProxyHeader::XForwardedFor, "10.1.1.1:1", &[("x-forwarded-for", &appended)]);
                prop_assert_eq!(last, "198.51.100.9".parse().ok());
            }
        }
    }
}
