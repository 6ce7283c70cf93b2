//! Who may come in from a browser: the server's own pages, and the origins that the configuration names.
//!
//! A browser says where a page came from (RFC 6454); a program need not. Cookies play no part anywhere, so this guards
//! people whose network reaches a server that a foreign page's author cannot reach.

use std::net::IpAddr;

use actix_cors::Cors;
use actix_web::dev::RequestHead;
use actix_web::http::header::{
    AUTHORIZATION, CONTENT_SECURITY_POLICY, CONTENT_TYPE, HOST, HeaderName, ORIGIN, REFERRER_POLICY, RETRY_AFTER,
    STRICT_TRANSPORT_SECURITY, X_CONTENT_TYPE_OPTIONS,
};
use actix_web::http::uri::Authority;
use actix_web::middleware::DefaultHeaders;
use actix_web::{HttpRequest, web};

use super::proxies::Proxies;

/// Allowed origins.
#[derive(Clone, Debug)]
pub struct Origins {
    any: bool,
    named: Vec<String>,
    /// The server itself speaks TLS: no page of its own came in the clear.
    tls: bool,
}

impl Origins {
    /// The server's own, which are those of HTTPS alone where it speaks `tls` itself, and these; `*` stands for any.
    pub fn new(named: &[String], tls: bool) -> Self {
        let tidy = |origin: &String| origin.trim_end_matches('/').to_ascii_lowercase();
        Self { any: named.iter().any(|origin| origin == "*"), named: named.iter().map(tidy).collect(), tls }
    }

    /// Whether a request with this head may be answered: it names no origin, an allowed one, or the server's own.
    pub fn allow(&self, head: &RequestHead) -> bool {
        let Some(origin) = head.headers().get(ORIGIN) else { return true };
        let host = head.headers().get(HOST).map(|host| host.to_str().ok());
        // HTTP/2 says it in the target (RFC 9113, section 8.3.1).
        let host = host.unwrap_or_else(|| head.uri.authority().map(Authority::as_str));
        origin.to_str().is_ok_and(|origin| self.allows(&origin.to_ascii_lowercase(), host))
    }

    fn allows(&self, origin: &str, host: Option<&str>) -> bool {
        if self.any || self.named.iter().any(|named| named == origin) {
            return true;
        }
        let Some((scheme, authority)) = origin.split_once("://") else { return false };
        let port = match scheme {
            "http" if !self.tls => ":80",
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
            .allowed_origin_fn(move |_, head| origins.allow(head))
            .allowed_methods(["GET", "POST", "DELETE"])
            .allowed_headers([AUTHORIZATION, CONTENT_TYPE, HeaderName::from_static("idempotency-key")])
            .expose_headers([RETRY_AFTER])
            .block_on_origin_mismatch(false)
            .max_age(3600)
    }
}

/// What every answer tells a browser: to take it for what it says it is, to run, load and frame nothing, to tell no other
/// site where it was (a session's secret may stand in a path), and, where this server speaks TLS itself, to come back over
/// TLS alone (RFC 6797). What an answer says of itself stays.
pub fn headers(tls: bool) -> DefaultHeaders {
    let all = DefaultHeaders::new().add((X_CONTENT_TYPE_OPTIONS, "nosniff")).add((REFERRER_POLICY, "no-referrer")).add(
        (CONTENT_SECURITY_POLICY, "default-src 'none'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'"),
    );
    if tls { all.add((STRICT_TRANSPORT_SECURITY, "max-age=31536000")) } else { all }
}

/// The address of the client behind a request; none if it is not known, as over a Unix socket.
pub(super) fn address(request: &HttpRequest) -> Option<IpAddr> {
    let proxies = request.app_data::<web::Data<Proxies>>()?;
    proxies.client(request.peer_addr(), request.headers())
}

#[cfg(test)]
mod tests {
    use actix_web::http::header::HeaderValue;
    use proptest::prelude::*;

    use super::*;
    use crate::model::cases::{damaged, many};

    #[test]
    fn a_page_of_the_server_itself_is_allowed_and_others_only_by_name() {
        let origins = Origins::new(&["https://chat.example/".into()], false);
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
        assert!(Origins::new(&["*".into()], false).allows("null", None));
    }

    #[test]
    fn a_page_that_came_in_the_clear_is_no_page_of_a_server_that_speaks_tls() {
        let origins = Origins::new(&["http://chat.example".into()], true);
        assert!(origins.allows("https://a.example", Some("a.example")));
        assert!(!origins.allows("http://a.example", Some("a.example")));
        assert!(origins.allows("http://chat.example", Some("a.example")), "but by name");
    }

    #[test]
    fn where_no_host_is_named_the_target_names_it() {
        let origins = Origins::new(&[], true);
        let allowed = |host: Option<&'static str>, uri: &str| {
            let mut head = RequestHead::default();
            head.uri = uri.parse().unwrap();
            head.headers.insert(ORIGIN, HeaderValue::from_static("https://a.example:8443"));
            if let Some(host) = host {
                head.headers.insert(HOST, HeaderValue::from_static(host));
            }
            origins.allow(&head)
        };
        assert!(allowed(None, "https://a.example:8443/v1/channels"));
        assert!(!allowed(None, "https://b.example:8443/v1/channels"));
        assert!(!allowed(Some("b.example:8443"), "https://a.example:8443/v1/channels"), "the header goes first");
        assert!(!allowed(None, "/v1/channels"));
    }

    proptest! {
        #![proptest_config(many())]

        #[test]
        fn an_origin_is_let_in_by_name_or_for_being_the_hosts(
            pick in 0usize..4, host in "[a-z]{1,6}(:[0-9]{1,3})?", seed: u64, tls: bool,
        ) {
            let whole = ["https://chat.example", "http://a.example:80", "null", &format!("https://{host}")][pick].to_owned();
            let Ok(origin) = HeaderValue::from_bytes(&damaged(whole.as_bytes(), seed)) else { return Ok(()) };
            let mut head = RequestHead::default();
            head.headers.insert(ORIGIN, origin.clone());
            head.headers.insert(HOST, HeaderValue::from_str(&host).unwrap());
            if Origins::new(&["https://chat.example".into()], tls).allow(&head) {
                let origin = origin.to_str().unwrap_or_default().to_ascii_lowercase();
                let bare = |name: &str| name.trim_end_matches(":443").trim_end_matches(":80").to_owned();
                let own = ["http://", "https://"].iter().find_map(|scheme| origin.strip_prefix(scheme)).map(bare);
                prop_assert!(own == Some(bare(&host)) || origin == "https://chat.example", "{} {}", origin, host);
                prop_assert!(!tls || origin.starts_with("https://"), "{}", origin);
            }
        }
    }
}
