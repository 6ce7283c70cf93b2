//! Whose request it is, behind proxies: what is counted by address.

use crate::longpoll::{HELLO, hello, is, refusal};
use crate::support::{Answer, Raw, Request, Site, Stage, Upgrade};
use parlor::config::Proxy;

scenarios! {
    longpoll:
        behind_a_trusted_proxy_each_client_is_counted_by_itself,
        what_anyone_else_says_about_where_it_is_does_not_count,
        neighbours_of_one_network_are_counted_together;
    websocket:
        a_websocket_behind_a_trusted_proxy_is_counted_as_its_clients;
}

async fn one_each(stage: Stage, trusted: &str) -> Site {
    let proxy = Proxy::Net(trusted.parse().expect("a network"));
    let site = stage.site_with(move |config| {
        config.limits.connections_per_address = 1;
        config.server.trusted_proxies = vec![proxy];
    });
    site.await
}

fn from(address: &str) -> Request {
    hello(HELLO).with("X-Forwarded-For", address)
}

fn is_full(answer: &Answer) -> bool {
    answer.status == 503 && refusal(answer) == is(503, "overloaded")
}

async fn behind_a_trusted_proxy_each_client_is_counted_by_itself(stage: Stage) {
    let site = one_each(stage, "127.0.0.0/8").await;
    for address in ["198.51.100.1", "198.51.100.2", "6.6.6.6, 198.51.100.3", "[2001:db8::1]:80"] {
        assert_eq!(site.ask(from(address)).await.status, 201, "{address}");
        assert!(is_full(&site.ask(from(address)).await), "{address}");
    }
    assert!(is_full(&site.ask(from("9.9.9.9, 198.51.100.3, 127.0.0.9")).await), "the same client by another way");
    assert_eq!(site.ask(from("unknown")).await.status, 201, "nobody knows whose it is: it is the proxy's");
    assert!(is_full(&site.ask(from("garbage")).await), "and so is this");
    assert!(is_full(&site.ask(hello(HELLO)).await), "and this");
}

async fn what_anyone_else_says_about_where_it_is_does_not_count(stage: Stage) {
    let site = one_each(stage, "10.0.0.0/8").await;
    assert_eq!(site.ask(from("198.51.100.1")).await.status, 201);
    assert!(is_full(&site.ask(from("198.51.100.2")).await));
    assert!(is_full(&site.ask(hello(HELLO).with("Forwarded", "for=198.51.100.3")).await));
}

async fn neighbours_of_one_network_are_counted_together(stage: Stage) {
    let site = one_each(stage, "127.0.0.1/32").await;
    assert_eq!(site.ask(from("2001:db8:0:1::1")).await.status, 201);
    assert!(is_full(&site.ask(from("2001:db8:0:1:ffff::7")).await));
    assert_eq!(site.ask(from("2001:db8:0:2::1")).await.status, 201);
}

async fn a_websocket_behind_a_trusted_proxy_is_counted_as_its_clients(stage: Stage) {
    let site = one_each(stage, "127.0.0.1/32").await;
    let mut open = Vec::new();
    for (address, welcome) in [("198.51.100.1", true), ("198.51.100.2", true), ("198.51.100.1", false)] {
        let Upgrade::Done(mut raw) = Raw::upgrade(site.address, &[("X-Forwarded-For", address)]).await else {
            panic!("no upgrade");
        };
        raw.send(crate::support::Sent::TEXT, HELLO.as_bytes()).await;
        let said = raw.frame().await;
        assert_eq!(said["type"] == "welcome", welcome, "{address}: {said}");
        open.push(raw);
    }
}
