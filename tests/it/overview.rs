//! Channels as operators see them: all of them, by pages and by weight, and one.

use serde_json::{Value, json};

use crate::longpoll::{is, refusal};
use crate::support::{Answer, Client, Request, Site, Stage, eventually};

scenarios! {
    once:
        an_operator_sees_every_channel_and_how_much_is_in_it;
    alone:
        channels_are_read_in_pages_and_by_what_is_searched_for,
        the_first_by_weight_come_first,
        what_operators_ask_wrongly_is_refused;
}

/// A server with an operator, and its token.
pub async fn watched(stage: Stage, change: impl FnOnce(&mut parlor::config::Config)) -> (Site, String) {
    let mut site = stage.lasting_site(change).await;
    assert_eq!(site.sign_up("oz").await.status, 201);
    site.stop().await;
    site.make_operator("oz");
    site.start().await;
    let token = site.login("oz").await;
    (site, token)
}

/// What an operator is answered.
pub async fn ask(site: &Site, token: &str, request: Request) -> Answer {
    site.ask(request.with("Authorization", &format!("Bearer {token}"))).await
}

/// One channel as an operator sees it.
pub async fn row(site: &Site, token: &str, channel: &str) -> Value {
    let answer = ask(site, token, Request::get(format!("/v1/admin/channels/{channel}"))).await;
    assert_eq!((answer.status, answer.header("cache-control")), (200, Some("no-store")), "{answer:?}");
    answer.json()
}

async fn list(site: &Site, token: &str, query: &str) -> (Vec<Value>, Value, Value) {
    let answer = ask(site, token, Request::get(format!("/v1/admin/channels{query}"))).await;
    assert_eq!((answer.status, answer.header("cache-control")), (200, Some("no-store")), "{answer:?}");
    let said = answer.json();
    let names = said["channels"].as_array().into_iter().flatten().map(|row| row["channel"].clone());
    (names.collect(), said["count"].clone(), said["more"].clone())
}

async fn an_operator_sees_every_channel_and_how_much_is_in_it(stage: Stage) {
    let change = |config: &mut parlor::config::Config| {
        config.channels.idle = std::time::Duration::from_millis(50);
        config.retention.count = 1000;
    };
    let (site, oz) = watched(stage, change).await;
    let (mut ann, mut bob) = (site.account("ann").await, site.account("bob").await);
    ann.ask(json!({"type": "create", "channel": "own", "private": true, "title": "Ours"})).await;
    ann.join("@bob").await;
    ann.publish("@bob", "between us").await;
    let joined = ann.join("lobby").await;
    bob.join("lobby").await;
    let mut bytes = 0;
    for n in 0..30 {
        ann.publish("lobby", &format!("number {n}")).await;
        bytes += json!({"text": format!("number {n}")}).to_string().len();
    }
    let all = ask(&site, &oz, Request::get("/v1/admin/channels")).await.json();
    let rows = all["channels"].as_array().expect("rows");
    let kinds: Vec<_> = rows.iter().map(|row| (row["channel"].clone(), row["kind"].clone())).collect();
    let expected = [("@ann:bob", "direct"), ("lobby", "public"), ("own", "private")];
    assert_eq!(kinds, expected.map(|(name, kind)| (json!(name), json!(kind))));
    let lobby = row(&site, &oz, "lobby").await;
    let expected = json!({
        "channel": "lobby", "kind": "public", "active": true, "epoch": joined["epoch"], "head": 30, "first": 1,
        "members": 2, "online": 2, "rate": 0.5, "bytes": bytes,
        "retention": {"age_s": 0, "count": 1000, "bytes": 0},
    });
    assert_eq!(lobby, expected);
    assert_eq!(rows[1], lobby);
    for one in [&mut ann, &mut bob] {
        one.ask(json!({"type": "leave", "channel": "lobby", "only": "session"})).await;
    }
    eventually("it sleeps", async || row(&site, &oz, "lobby").await["active"] == false).await;
    let asleep = row(&site, &oz, "lobby").await;
    for (member, expected) in
        [("members", json!(2)), ("online", json!(0)), ("rate", json!(0.0)), ("bytes", json!(bytes))]
    {
        assert_eq!(asleep[member], expected, "{member}");
    }
}

async fn channels_are_read_in_pages_and_by_what_is_searched_for(stage: Stage) {
    let (site, oz) = watched(stage, |_| {}).await;
    let mut ann = site.account("ann").await;
    for name in ["b2", "a1", "c3", "a2", "@ann"] {
        ann.join(name).await;
    }
    let page = async |query: &str| list(&site, &oz, query).await;
    let names = |names: &[&str]| names.iter().map(|name| json!(name)).collect::<Vec<_>>();
    assert_eq!(page("").await, (names(&["@ann:ann", "a1", "a2", "b2", "c3"]), json!(5), json!(false)));
    assert_eq!(page("?limit=2").await, (names(&["@ann:ann", "a1"]), json!(5), json!(true)));
    assert_eq!(page("?limit=2&after=a1&sort=name").await, (names(&["a2", "b2"]), json!(5), json!(true)));
    assert_eq!(page("?limit=2&after=b2").await, (names(&["c3"]), json!(5), json!(false)));
    assert_eq!(page("?search=2").await, (names(&["a2", "b2"]), json!(2), json!(false)));
    assert_eq!(page("?search=2&limit=1&after=a2").await, (names(&["b2"]), json!(2), json!(false)));
    assert_eq!(page("?search=ann").await, (names(&["@ann:ann"]), json!(1), json!(false)));
    assert_eq!(page("?search=zzz").await, (names(&[]), json!(0), json!(false)));
}

async fn the_first_by_weight_come_first(stage: Stage) {
    let (site, oz) = watched(stage, |_| {}).await;
    let (mut ann, mut bob) = (site.account("ann").await, site.account("bob").await);
    for name in ["a", "b", "c", "d"] {
        ann.join(name).await;
    }
    bob.join("c").await;
    let say = async |client: &mut Client, channel: &str, times: usize, text: &str| {
        for _ in 0..times {
            client.publish(channel, text).await;
        }
    };
    say(&mut ann, "b", 3, "x").await;
    say(&mut ann, "d", 1, &"long ".repeat(50)).await;
    for (sort, first) in [("members", "c"), ("online", "c"), ("rate", "b"), ("head", "b"), ("name", "a")] {
        let (names, count, more) = list(&site, &oz, &format!("?sort={sort}&limit=1")).await;
        assert_eq!((names, count, more), (vec![json!(first)], json!(4), json!(true)), "{sort}");
    }
    let (names, ..) = list(&site, &oz, "?sort=head").await;
    assert_eq!(names, ["b", "d", "a", "c"]);
}

async fn what_operators_ask_wrongly_is_refused(stage: Stage) {
    let (site, oz) = watched(stage, |_| {}).await;
    for query in ["?sort=size", "?sort=", "?limit=0", "?limit=x", "?sort=rate&after=a", "?search=a&search=b"] {
        let answer = ask(&site, &oz, Request::get(format!("/v1/admin/channels{query}"))).await;
        assert_eq!(refusal(&answer), is(400, "bad_frame"), "{query}");
    }
    for (channel, status) in
        [("nosuch", is(404, "not_found")), ("@no:such", is(404, "not_found")), ("A", is(400, "bad_frame"))]
    {
        let answer = ask(&site, &oz, Request::get(format!("/v1/admin/channels/{channel}"))).await;
        assert_eq!(refusal(&answer), status, "{channel}");
    }
}
