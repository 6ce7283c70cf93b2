//! What the server says of itself: two documents, one of its requests and one of its frames. Whatever the other tests are
//! answered is held against them (`tests/support/described.rs`); here is what makes that mean something: nothing is answered
//! that is not described, everything that is described is asked for, and what the documents show is right.

use std::collections::BTreeSet;

use actix_web::App;
use actix_web::test::{TestRequest, call_service, init_service};
use parlor::config::{Bind, Config, Engine};
use parlor::server::{Parts, Routes, Server};
use serde_json::{Value, json};

use crate::support::{Http, Request, Site, Stage, described};

scenarios! {
    longpoll:
        every_command_does_what_its_example_says;
    alone:
        every_command_does_what_its_example_says,
        every_request_does_what_its_example_says,
        the_documents_are_for_everyone_who_may_come_here;
}

/// The operations of the document: method, address, and what is told of it.
fn operations() -> Vec<(String, String, Value)> {
    let document = parlor::api::openapi();
    let mut all = Vec::new();
    for (path, item) in document["paths"].as_object().into_iter().flatten() {
        for (method, operation) in item.as_object().into_iter().flatten() {
            all.push((method.to_uppercase(), path.clone(), operation.clone()));
        }
    }
    all
}

/// The addresses that one part of a server answers, without `/v1`, as its routes have them; and each one's methods.
async fn served(routes: Routes) -> BTreeSet<(String, String)> {
    let app = init_service(App::new().configure(|cfg| routes.configure(cfg))).await;
    let answer = call_service(&app, TestRequest::get().uri("/nothing").to_request()).await;
    let map = format!("{:?}", answer.request().resource_map());
    let patterns = map.split("patterns: Single(\"").skip(1).filter_map(|rest| rest.split('"').next());
    let mut found = BTreeSet::new();
    // A page and what belongs to it are for a browser.
    let page = |pattern: &str| {
        let part = ["/admin", "/chat"].iter().find_map(|page| pattern.strip_prefix(page));
        let part = part.map(|rest| rest.trim_start_matches('/'));
        let is_hash = |rest: &str| rest.len() == 16 && rest.chars().all(|digit| digit.is_ascii_hexdigit());
        let is_file = [".js", ".css", ".svg"].iter().any(|ending| pattern.ends_with(ending));
        is_file || part.is_some_and(|rest| rest.is_empty() || is_hash(rest))
    };
    let patterns: Vec<&str> = patterns.filter(|pattern| !["", "/v1"].contains(pattern) && !page(pattern)).collect();
    for pattern in patterns.into_iter().flat_map(each) {
        let mut allowed = String::new();
        for scope in ["", "/v1"] {
            let path = pattern.replace(['{', '}'], "");
            let request = TestRequest::with_uri(&format!("{scope}{path}")).method(actix_web::http::Method::PATCH);
            let answer = call_service(&app, request.to_request()).await;
            let allow = answer.headers().get("allow").and_then(|allow| allow.to_str().ok());
            allowed.push_str(allow.unwrap_or_default());
        }
        found.extend(allowed.split(", ").map(|method| (pattern.clone(), method.to_owned())));
    }
    found
}

/// What a pattern stands for: where a part of it is one of several words, each of them.
fn each(pattern: &str) -> Vec<String> {
    match pattern.split_once("{command:") {
        Some((path, rest)) => rest.trim_end_matches('}').split('|').map(|word| format!("{path}{word}")).collect(),
        None => vec![pattern.to_owned()],
    }
}

#[actix_web::test]
async fn every_address_is_described_with_its_methods_and_every_description_is_of_one() {
    let config = |apart: bool| {
        let mut config = Config::default();
        config.store.engine = Engine::Memory;
        config.admin.bind = apart.then(|| Bind::Tcp(([127, 0, 0, 1], 0).into()));
        config
    };
    let whole = Server::open(config(false), Parts::default()).expect("a server");
    let bare = |path: &str| path.strip_prefix("/v1").unwrap_or(path).to_owned();
    let described: BTreeSet<_> = operations().into_iter().map(|(method, path, _)| (bare(&path), method)).collect();
    let found = served(whole.routes()).await;
    let apart = Server::open(config(true), Parts::default()).expect("a server");
    let (clients, operators) = (served(apart.routes()).await, served(apart.operators()).await);
    whole.stop().await.expect("a stop");
    apart.stop().await.expect("a stop");
    let (missing, gone): (Vec<_>, Vec<_>) =
        (found.difference(&described).collect(), described.difference(&found).collect());
    assert!(missing.is_empty(), "answered, and not described in src/api/paths: {missing:?}");
    assert!(gone.is_empty(), "described, and not answered: {gone:?}");
    assert_eq!(clients.union(&operators).cloned().collect::<BTreeSet<_>>(), found, "in two parts it answers the same");
    for document in ["/openapi.json", "/asyncapi.json"] {
        let both = (document.to_owned(), "GET".to_owned());
        assert!(clients.contains(&both) && operators.contains(&both), "{document} is at both addresses");
    }
}

#[test]
fn what_the_documents_show_is_as_they_say() {
    let frames = parlor::api::asyncapi();
    for (name, message) in frames["components"]["messages"].as_object().expect("messages") {
        for example in message["examples"].as_array().into_iter().flatten() {
            let fits = described::hold(name, &example["payload"]);
            fits.unwrap_or_else(|why| panic!("the example of {name}: {why}"));
        }
    }
    for (_, path, operation) in operations() {
        let body = &operation["requestBody"]["content"]["application/json"];
        if body.is_object() {
            let fits = described::request(&path, &body["schema"], &body["example"]);
            fits.unwrap_or_else(|why| panic!("the example of {path}: {why}"));
        }
    }
}

async fn the_documents_are_for_everyone_who_may_come_here(stage: Stage) {
    let site = stage.site_with(|config| {
        config.auth.guests = false;
        config.server.allowed_origins = vec!["https://chat.example".into()];
    });
    let site = site.await;
    for (path, version) in [("/v1/openapi.json", "openapi"), ("/v1/asyncapi.json", "asyncapi")] {
        let answer = site.ask(Request::get(path).with("Origin", "https://chat.example")).await;
        assert_eq!((answer.status, answer.header("cache-control")), (200, Some("no-store")), "{path}");
        assert_eq!(answer.header("access-control-allow-origin"), Some("https://chat.example"), "{path}");
        assert!(answer.json()[version].as_str().is_some_and(|version| version.starts_with('3')), "{path}");
        let foreign = site.ask(Request::get(path).with("Origin", "https://evil.example")).await;
        assert_eq!(foreign.status, 403, "{path}");
    }
}

/// A server with an operator `nora`, and `bob`.
async fn house(stage: Stage) -> Site {
    let mut site = stage.lasting_site(|_| {}).await;
    for name in ["nora", "bob"] {
        let made = json!({"user": name, "password": "correct horse"});
        assert_eq!(site.post("/v1/accounts", None, made).await.status, 201);
    }
    site.stop().await;
    site.make_operator("nora");
    site.start().await;
    site
}

async fn token(site: &Site, name: &str) -> String {
    let answer = site.login_with(name, "correct horse").await;
    answer.json()["token"].as_str().expect("a token").to_owned()
}

async fn every_command_does_what_its_example_says(stage: Stage) {
    let site = house(stage).await;
    let mut bob = site.with_token("bob", &token(&site, "bob").await).await;
    let mut nora = site.with_token("nora", &token(&site, "nora").await).await;
    nora.ask(json!({"type": "create", "channel": "ours"})).await;
    for one in [&mut nora, &mut bob] {
        one.join("lobby").await;
        one.join("ours").await;
    }
    let document = parlor::api::asyncapi();
    let messages = document["components"]["messages"].as_object().expect("messages");
    let commands = messages.iter().filter(|(name, _)| name.ends_with("Command"));
    // Those that end something come last.
    let mut examples: Vec<Value> = commands.map(|(_, message)| message["examples"][0]["payload"].clone()).collect();
    examples.sort_by_key(|example| {
        let last = ["typing", "who", "read", "leave", "unban", "kick", "ban", "delete", "logout"];
        last.iter().position(|kind| example["type"] == *kind).map_or(0, |place| place + 1)
    });
    assert_eq!(examples.len(), 25);
    for mut example in examples {
        match example["type"].as_str().unwrap_or_default() {
            // These were said before.
            "hello" => continue,
            "create" => example["channel"] = "another".into(),
            "refresh" => example["token"] = nora.token().into(),
            "ban" => {
                bob.join("ours").await;
            }
            _ => {}
        }
        // What comes, and the type of it, is held against the document by the client.
        nora.ask(example).await;
    }
}

/// What a request takes that is one of the document's.
struct Asked<'a> {
    site: &'a Site,
    token: String,
    made: usize,
}

impl Asked<'_> {
    async fn ask(&self, request: Request) -> u16 {
        // Whatever it is answered is held against the document by the client.
        Http::connect(self.site.address).await.ask(request.with("Connection", "close")).await.status
    }

    async fn post(&self, path: &str, said: Value) -> Value {
        let answer = self.site.post(path, Some(&self.token), said).await;
        assert!(answer.status < 300, "{path}: {answer:?}");
        answer.json()
    }

    /// The address with what stands for its parts, and what has to be there by then.
    async fn place(&mut self, path: &str) -> String {
        self.made += 1;
        let channel = format!("place-{}", self.made);
        if path.contains("{channel}") && !path.ends_with("/create") {
            self.post(&format!("/v1/channels/{channel}/create"), json!({})).await;
            let bob = json!({"user": "bob", "role": "member"});
            self.post(&format!("/v1/channels/{channel}/role"), bob).await;
            let hello = json!({"type": "hello", "version": 1, "token": token(self.site, "bob").await});
            let bob = self.post("/v1/sessions", hello).await["session"].as_str().unwrap_or_default().to_owned();
            let join = json!({"type": "join", "channel": channel});
            self.post(&format!("/v1/sessions/{bob}/commands"), join).await;
        }
        let session = self.post("/v1/sessions", json!({"type": "hello", "version": 1})).await;
        let text = |member: &str| session[member].as_str().unwrap_or_default().to_owned();
        path.replace("{channel}", &channel).replace("{session}", &text("session")).replace("{sid}", &text("sid"))
    }
}

/// The members of a query that have to be there; and no poll is parked.
fn query(operation: &Value) -> String {
    let parameters = operation["parameters"].as_array().into_iter().flatten();
    let needed = parameters.filter(|one| one["in"] == "query" && (one["required"] == true || one["name"] == "wait"));
    let said = needed.map(|one| match one["name"].as_str().unwrap_or_default() {
        "users" => "users=bob,nora".to_owned(),
        name => format!("{name}=0"),
    });
    said.collect::<Vec<_>>().join("&")
}

async fn every_request_does_what_its_example_says(stage: Stage) {
    let site = house(stage).await;
    let token = token(&site, "nora").await;
    let bearer = format!("Bearer {token}");
    let mut asked = Asked { site: &site, token, made: 0 };
    let mut all = operations();
    // Its answer has a length and no body, which the client of these tests does not know.
    all.retain(|(method, ..)| method != "HEAD");
    // They take away what the others need: the password, and the token.
    let last = |path: &str| ["/v1/password", "/v1/logout"].iter().position(|last| path == *last);
    all.sort_by_key(|(_, path, _)| last(path).map_or(0, |at| at + 1));
    for (method, path, operation) in all {
        let method: &'static str = method.leak();
        let example = &operation["requestBody"]["content"]["application/json"]["example"];
        let place = asked.place(&path).await;
        let with = |place: &str, query: &str, said: &str| {
            let request = Request::of(method, format!("{place}?{query}"));
            if example.is_null() { request } else { request.saying(said) }
        };
        let (needed, said) = (query(&operation), example.to_string());
        // What is made by one of these is made by another name.
        let spoiled = said.replace("dora", "mona");
        let known = if last(&path).is_none() { bearer.as_str() } else { "Bearer nothing" };
        for bad in [
            with(&place, &needed, "{"),
            with(&place, &needed, &spoiled).with("Content-Type", "text/plain"),
            with(&place, &needed, &spoiled).with("Authorization", "Bearer nothing"),
            with(&path.replace("{channel}", "nowhere"), &needed, &spoiled).with("Authorization", known),
            with(&path.replace("{channel}", "NO"), &needed, &spoiled).with("Authorization", known),
            with(&place, &format!("{needed}&limit=0&after=!"), &spoiled).with("Authorization", known),
        ] {
            asked.ask(bad).await;
        }
        let place = asked.place(&path).await;
        let status = asked.ask(with(&place, &needed, &said).with("Authorization", &bearer)).await;
        let expected = match path.as_str() {
            "/v1/ws" => 400..401,
            // Somebody hears the channel; and this process does not log by itself.
            "/v1/admin/channels/{channel}/passivate" | "/v1/admin/log" => 409..410,
            _ => 200..300,
        };
        assert!(expected.contains(&status), "{method} {path}: {status}");
    }
}
