//! Who may come in from a browser: the server's own pages, and the origins that the configuration names.
//!
//! A browser says where a page came from (RFC 6454); a program need not. Cookies play no part anywhere, so this guards
//! people whose network reaches a server that a foreign page's author cannot reach.

use std::net::IpAddr;

use actix_cors::Cors;
use actix_web::HttpRequest;
use actix_web::http::header::{AUTHORIZATION, CONTENT_TYPE, HOST, HeaderMap, HeaderName, ORIGIN, RETRY_AFTER};

/// Allowed origins.
#[derive(Clone, Debug)]
pub struct Origins {
    any: bool,
    named: Vec<String>,
}

impl Origins {
    /// The server's own and these; `*` stands for any.
    pub fn new(named: &[String]) -> Self {
        let tidy = |origin: &String| origin.trim_end_matches('/').to_ascii_lowercase();
        Self { any: named.iter().any(|origin| origin == "*"), named: named.iter().map(tidy).collect() }
    }

    /// Whether a request with these headers may be answered: it names no origin, an allowed one, or the server's own.
    pub fn allow(&self, headers: &HeaderMap) -> bool {
        let Some(origin) = headers.get(ORIGIN) else { return true };
        let host = headers.get(HOST).and_then(|host| host.to_str().ok());
        origin.to_str().is_ok_and(|origin| self.allows(&origin.to_ascii_lowercase(), host))
    }

    fn allows(&self, origin: &str, host: Option<&str>) -> bool {
        if self.any || self.named.iter().any(|named| named == origin) {
            return true;
        }
        let Some((scheme, authority)) = origin.split_once("://") else { return false };
        let port = match scheme {
            "http" => ":80",
            "https" => ":443",
            _ => return false,
        };
        let bare = |name: &str| name.strip_suffix(port).unwrap_or(name).to_ascii_lowercase();
        host.is_some_and(|host| bare(host) == bare(authority))
    }

    /// Answers for pages of the named origins (protocol, section 6).
    pub fn cors(&self) -> Cors {
        let origins = self.clone();
        Cors::default()
            .allowed_origin_fn(move |_, head| origins.allow(head.headers()))
            .allowed_methods(["GET", "POST", "DELETE"])
            .allowed_headers([AUTHORIZATION, CONTENT_TYPE, HeaderName::from_static("idempotency-key")])
            .expose_headers([RETRY_AFTER])
            .block_on_origin_mismatch(false)
            .max_age(3600)
    }
}

/// The address that a request came from; none over a Unix socket.
pub(super) fn address(request: &HttpRequest) -> Option<IpAddr> {
    request.peer_addr().map(|peer| peer.ip())
}

/// The token in `Authorization: Bearer …` (RFC 6750, section 2.1).
pub(super) fn bearer(headers: &HeaderMap) -> Option<String> {
    let value = headers.get(AUTHORIZATION)?.to_str().ok()?;
    let (scheme, token) = value.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_of_the_server_itself_is_allowed_and_others_only_by_name() {
        let origins = Origins::new(&["https://chat.example/".into()]);
        for (origin, host, allowed) in [
            ("http://localhost:8080", "localhost:8080", true),
            ("https://a.example", "a.example", true),
            ("https://a.example", "a.example:443", true),
            ("http://a.example", "a.example:8080", false),
            ("https://chat.example", "a.example", true),
            ("https://evil.example", "a.example", false),
            ("null", "a.example", false),
            ("file://a.example", "a.example", false),
        ] {
            assert_eq!(origins.allows(origin, Some(host)), allowed, "{origin} at {host}");
        }
        assert!(Origins::new(&["*".into()]).allows("null", None));
    }
}
