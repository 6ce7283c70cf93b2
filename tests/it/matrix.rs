//! Who may do what: every command and every request, by everyone there may be, held against a table. What is refused changes
//! nothing, and tells nothing of what the caller may not see: it is answered word for word as if that were not there.

mod table;

use serde_json::{Value, json};

use crate::support::{Answer, Client, Http, Request, Site, Stage};
use table::{ADDRESSES, COMMANDS, ELSEWHERE, REQUESTS, WHO};

scenarios! {
    longpoll:
        every_command_about_a_channel_is_for_those_whom_the_table_names,
        every_other_command_is_for_those_whom_the_table_names;
    alone:
        every_command_about_a_channel_is_for_those_whom_the_table_names,
        every_other_command_is_for_those_whom_the_table_names,
        every_request_about_a_channel_is_for_those_whom_the_table_names,
        every_other_request_is_for_those_whom_the_table_names,
        lists_name_only_what_their_reader_may_see;
}

/// What nobody may learn who does not see a channel.
const TITLE: &str = "Plum pudding";
/// The direct channel of the two.
const DIRECT: &str = "@quill:zora";

/// A server, and those whose channels are tried.
struct House {
    site: Site,
    zora: Client,
    quill: Client,
    made: usize,
}

/// Who tries, and by plain requests if there is a connection for them.
struct Actor {
    client: Client,
    http: Option<Http>,
    /// What stands in `Authorization`.
    token: Option<String>,
}

impl House {
    async fn new(stage: Stage) -> Self {
        let change = |config: &mut parlor::config::Config| {
            // With it, a name that is not there is made by whoever joins it (docs/protocol/choices.md).
            config.channels.create_on_join = false;
            config.limits.channels_per_session = 10_000;
        };
        let mut site = stage.lasting_site(change).await;
        for who in WHO.iter().chain(&["zora", "quill", "ernest"]).filter(|who| **who != "guest") {
            assert_eq!(site.sign_up(who).await.status, 201);
        }
        site.stop().await;
        site.make_operator("operator");
        site.start().await;
        let (mut zora, mut quill) = (site.account("zora").await, site.account("quill").await);
        for one in [&mut zora, &mut quill] {
            one.join(DIRECT).await;
        }
        zora.publish(DIRECT, "between us").await;
        Self { site, zora, quill, made: 0 }
    }

    async fn actor(&self, who: &str, by_requests: bool) -> Actor {
        let client = if who == "guest" { self.site.guest(who).await } else { self.site.account(who).await };
        let token = Some(client.token().to_owned());
        let http = if by_requests { Some(Http::connect(self.site.address).await) } else { None };
        Actor { client, http, token }
    }

    /// A channel of zora's that nothing was tried in, in which `who` is what the table calls them.
    async fn place(&mut self, client: &mut Client, who: &str, private: bool) -> String {
        self.made += 1;
        let (channel, name) = (format!("place-{:04}", self.made), client.user().to_owned());
        let mut commands = vec![
            json!({"type": "create", "channel": channel, "private": private, "title": TITLE}),
            json!({"type": "invite", "channel": channel, "user": "quill"}),
            json!({"type": "publish", "channel": channel, "body": {"text": "hello"}}),
        ];
        let joins = matches!(who, "member" | "muted" | "moderator" | "owner");
        match who {
            "banned" => commands.push(json!({"type": "ban", "channel": channel, "user": name})),
            "invited" => commands.push(json!({"type": "invite", "channel": channel, "user": name})),
            _ if joins => commands.push(json!({"type": "invite", "channel": channel, "user": name})),
            _ => {}
        }
        all(&mut self.zora, commands).await;
        all(&mut self.quill, vec![json!({"type": "join", "channel": channel})]).await;
        if joins {
            all(client, vec![json!({"type": "join", "channel": channel})]).await;
        }
        if matches!(who, "muted" | "moderator" | "owner") {
            all(&mut self.zora, vec![json!({"type": "role", "channel": channel, "user": name, "role": who})]).await;
        }
        channel
    }

    /// What there is to see of a channel, by one who sees it.
    async fn look(&mut self, channel: &str) -> Vec<Value> {
        let commands = ["members", "history", "who"].map(|kind| json!({"type": kind, "channel": channel}));
        all(&mut self.zora, commands.into()).await
    }
}

/// Has commands carried out that have to be, all of them at once; returns the replies without their ids.
async fn all(client: &mut Client, commands: Vec<Value>) -> Vec<Value> {
    let ids: Vec<String> = commands.into_iter().map(|command| client.begin(command)).collect();
    let mut replies = Vec::new();
    for id in ids {
        let mut reply = client.reply(&id).await;
        assert_ne!(reply["type"], "error", "{reply}");
        reply["id"].take();
        replies.push(reply);
    }
    replies
}

impl Actor {
    /// Asks for a command in a channel; returns the answer without its id. None if no request is for that.
    async fn ask(&mut self, command: &Value, channel: &str) -> Option<Value> {
        let mut command = command.clone();
        let Some(http) = &mut self.http else {
            command["channel"] = channel.into();
            let mut answer = self.client.command(command).await;
            answer["id"].take();
            return Some(answer);
        };
        let request = request(command, channel)?;
        let bearer = self.token.as_ref().map(|token| format!("Bearer {token}"));
        let answer = http.ask(bearer.iter().fold(request, |request, is| request.with("Authorization", is))).await;
        Some(said(&answer))
    }
}

/// The plain request that does what a command does in a channel.
fn request(mut command: Value, channel: &str) -> Option<Request> {
    let kind = command["type"].as_str().unwrap_or_default().to_owned();
    let path = format!("/v1/channels/{channel}");
    let members = command.as_object_mut()?;
    members.remove("type");
    let query: Vec<String> = members.iter().map(|(name, value)| format!("{name}={}", text(value))).collect();
    let query = query.join("&");
    Some(match kind.as_str() {
        "show" => Request::get(path),
        "history" => Request::get(format!("{path}/messages?{query}")),
        "members" => Request::get(format!("{path}/members?{query}")),
        "post_members" => Request::post(format!("{path}/members"), "{}"),
        "publish" => {
            let key = members.remove("key").map(|key| text(&key));
            let request = Request::post(format!("{path}/messages"), command.to_string());
            key.iter().fold(request, |request, key| request.with("Idempotency-Key", key))
        }
        "create" | "invite" | "kick" | "ban" | "unban" | "role" | "delete" => {
            Request::post(format!("{path}/{kind}"), command.to_string())
        }
        _ => return None,
    })
}

fn text(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

/// What an answer says, whose status and headers have to go with it (protocol, section 6).
fn said(answer: &Answer) -> Value {
    let body = if answer.body.is_empty() { Value::Null } else { answer.json() };
    let expected: &[u16] = match body["code"].as_str() {
        None => &[200, 201, 204],
        Some("bad_frame") => &[400, 405, 415, 422],
        Some("unauthenticated") => &[401],
        Some("forbidden") => &[403],
        Some("not_found") => &[404],
        Some("conflict" | "not_joined") => &[409],
        Some(_) => &[],
    };
    assert!(expected.contains(&answer.status), "{answer:?}");
    assert!(answer.status != 204 || answer.body.is_empty(), "{answer:?}");
    if answer.status >= 400 {
        assert!(is_plain(&body), "{answer:?}");
        assert_eq!(answer.header("content-type"), Some("application/json"), "{answer:?}");
    }
    body
}

/// A refusal has these members, and names nothing that could be hidden.
fn is_plain(refusal: &Value) -> bool {
    let members = ["type", "id", "code", "message", "retry_after_ms", "close"];
    let known = refusal.as_object().is_some_and(|all| all.keys().all(|name| members.contains(&name.as_str())));
    let shown = refusal.to_string();
    refusal["type"] == "error"
        && known
        && refusal["message"].is_string()
        && ![TITLE, "zora", "quill", "hello", "between"].iter().any(|hidden| shown.contains(hidden))
}

fn mark(answer: &Value) -> char {
    match answer["code"].as_str() {
        None => '+',
        Some("forbidden") => '-',
        Some("not_found") => '?',
        Some("conflict") => '=',
        Some("not_joined") => 'x',
        Some("unauthenticated") => '!',
        Some("unknown_type") => 'u',
        Some(_) => '*',
    }
}

fn command(row: &str, client: &Client) -> Value {
    let row = row.replace("$me", client.user()).replace("$token", client.token());
    serde_json::from_str(&row).unwrap_or_else(|why| panic!("{row}: {why}"))
}

/// Tries one row in one channel, and holds what comes against what is expected.
async fn attempt(house: &mut House, actor: &mut Actor, row: &str, channel: &str, expected: char, sees: bool) {
    let command = command(row, &actor.client);
    let who = format!("{command} by {} in {channel}", actor.client.user());
    let before = if expected == '+' { Vec::new() } else { house.look(channel).await };
    let Some(answer) = actor.ask(&command, channel).await else { return };
    assert_eq!(mark(&answer), expected, "{who}: {answer}");
    if expected != '+' {
        assert!(is_plain(&answer), "{who}: {answer}");
        assert_eq!(house.look(channel).await, before, "{who}: it is refused, and changes nothing");
    }
    // Whether a name is free is seen by trying to have it.
    if !sees && (command["type"] != "create" || channel == DIRECT) {
        let missing = if channel == DIRECT { "@nosuch:quill".to_owned() } else { channel.replace("place", "wrong") };
        assert_eq!(actor.ask(&command, &missing).await.as_ref(), Some(&answer), "{who}: it is not there for them");
    }
    // Who may do that to nobody does not learn who is there.
    let tends = matches!(actor.client.user(), "moderator" | "owner" | "operator");
    if expected != '+' && command["user"] == "quill" && !tends {
        let mut other = command.clone();
        other["user"] = "nosuch".into();
        assert_eq!(actor.ask(&other, channel).await, Some(answer), "{who}: of one who is not there");
    }
}

/// Whether what is asked leaves a channel as it was.
fn only_reads(row: &str) -> bool {
    ["history", "who", "members", "unwatch", "show", "post_members"]
        .iter()
        .any(|kind| row.contains(&format!("\"{kind}\"")))
}

async fn hold(house: &mut House, rows: &[(&str, &str, &str, &str)], by_requests: bool) {
    for (column, who) in WHO.into_iter().enumerate() {
        let mut actor = house.actor(who, by_requests).await;
        for private in [false, true] {
            let sees = !private || !matches!(who, "stranger" | "guest" | "banned");
            let mut place = None;
            for (row, in_public, in_private, _) in rows {
                let expected = if private { in_private } else { in_public };
                let expected = expected.chars().nth(column).expect("a mark for everyone");
                let channel = match place.take() {
                    Some(channel) => channel,
                    None => house.place(&mut actor.client, who, private).await,
                };
                attempt(house, &mut actor, row, &channel, expected, sees).await;
                place = Some(channel).filter(|_| expected != '+' || only_reads(row));
            }
        }
        for (row, .., in_direct) in rows {
            let expected = in_direct.chars().next().expect("a mark for others");
            attempt(house, &mut actor, row, DIRECT, expected, false).await;
        }
        if matches!(who, "stranger" | "guest") {
            actor.client.catch_up().await;
            let heard =
                actor.client.pending().find(|event| event.to_string().contains(TITLE) || event["channel"] == DIRECT);
            assert_eq!(heard, None, "{who} heard what is not theirs");
        }
    }
    let mut party = house.actor("quill", by_requests).await;
    for (row, .., in_direct) in rows {
        party.client.join(DIRECT).await;
        let expected = in_direct.chars().nth(1).expect("a mark for one of the two");
        attempt(house, &mut party, row, DIRECT, expected, true).await;
    }
}

async fn every_command_about_a_channel_is_for_those_whom_the_table_names(stage: Stage) {
    let mut house = House::new(stage).await;
    hold(&mut house, &COMMANDS, false).await;
}

async fn every_request_about_a_channel_is_for_those_whom_the_table_names(stage: Stage) {
    let mut house = House::new(stage).await;
    hold(&mut house, &COMMANDS, true).await;
    hold(&mut house, &REQUESTS, true).await;
    // Reading without a token is as a guest; nothing else is without one, and a bad one is good for nothing.
    let mut nobody = house.actor("guest", true).await;
    for (private, expected) in [(false, '+'), (true, '?')] {
        let channel = house.place(&mut nobody.client, "guest", private).await;
        for (row, ..) in COMMANDS.iter().chain(&REQUESTS) {
            let command = command(row, &nobody.client);
            let reads = matches!(command["type"].as_str(), Some("history" | "members" | "show"));
            for (token, expected) in [(None, if reads { expected } else { '!' }), (Some("g1.nonsense".to_owned()), '!')]
            {
                nobody.token = token;
                let Some(answer) = nobody.ask(&command, &channel).await else { continue };
                assert_eq!(mark(&answer), expected, "{command} in {channel}: {answer}");
                let missing = nobody.ask(&command, "nowhere").await;
                assert!(expected == '+' || missing == Some(answer), "{command} in {channel}: {missing:?}");
            }
        }
    }
}

async fn every_other_command_is_for_those_whom_the_table_names(stage: Stage) {
    let house = House::new(stage).await;
    for (column, who) in ["guest", "stranger", "operator"].into_iter().enumerate() {
        let mut actor = house.actor(who, false).await.client;
        for (row, marks) in ELSEWHERE {
            let row = row.replace("$other", house.zora.token()).replace("$name", who);
            let answer = actor.command(command(&row, &actor)).await;
            assert_eq!(Some(mark(&answer)), marks.chars().nth(column), "{row} by {who}: {answer}");
        }
    }
}

async fn every_other_request_is_for_those_whom_the_table_names(stage: Stage) {
    let house = House::new(stage).await;
    let mut http = Http::connect(house.site.address).await;
    let mut tokens = vec![None];
    for who in ["guest", "stranger", "operator"] {
        tokens.push(house.actor(who, false).await.token);
    }
    tokens.push(Some("g1.nonsense".to_owned()));
    let mut asked = 0;
    for (method, path, body, statuses) in ADDRESSES {
        let mut refused: Vec<(usize, Value)> = Vec::new();
        for (column, token) in tokens.iter().enumerate() {
            asked += 1;
            let twin = house.zora.twin().await;
            let path = path.replace("$sid", twin.welcome()["sid"].as_str().unwrap_or_default());
            let body = body.replace("$n", &asked.to_string());
            let request = Request::of(method, &path);
            let request = if body.is_empty() { request } else { request.saying(body) };
            let bearer = token.as_ref().map(|token| format!("Bearer {token}"));
            let answer = http.ask(bearer.iter().fold(request, |request, is| request.with("Authorization", is))).await;
            assert_eq!(answer.status, statuses[column], "{method} {path} in column {column}: {answer:?}");
            if answer.status >= 400 {
                refused.push((column, said(&answer)));
                assert_eq!(answer.header("www-authenticate").is_some(), answer.status == 401, "{answer:?}");
            }
            assert_eq!(answer.status == 405, answer.header("allow").is_some(), "{answer:?}");
            assert!(!path.starts_with("/v1") || answer.header("cache-control") == Some("no-store"), "{answer:?}");
        }
        // Who may not end a session does not learn whether it is there, nor by a login whether an account is.
        for (column, answer) in refused.iter().filter(|(column, _)| path.contains("$sid") && *column < 4) {
            let bearer = tokens[*column].as_ref().map(|token| format!("Bearer {token}"));
            let request = Request::delete("/v1/admin/sessions/0123456789ab");
            let missing = http.ask(bearer.iter().fold(request, |request, is| request.with("Authorization", is))).await;
            assert_eq!(&missing.json(), answer);
        }
    }
}

async fn lists_name_only_what_their_reader_may_see(stage: Stage) {
    let mut house = House::new(stage).await;
    for who in WHO {
        let mut actor = house.actor(who, false).await;
        let mut places = Vec::new();
        for private in [false, true] {
            places.push(house.place(&mut actor.client, who, private).await);
        }
        let bearer = format!("Bearer {}", actor.client.token());
        let listed =
            house.site.ask(Request::get("/v1/channels?limit=1000").with("Authorization", &bearer)).await.json();
        let own = actor.client.ask(json!({"type": "channels", "limit": 1000})).await;
        let names = |list: &Value| -> Vec<String> {
            list["channels"].as_array().into_iter().flatten().map(|row| text(&row["channel"])).collect()
        };
        let member = matches!(who, "member" | "muted" | "moderator" | "owner");
        let sees = member || matches!(who, "invited" | "operator");
        let (listed, own) = (names(&listed), names(&own));
        assert_eq!(own, if member { places.clone() } else { Vec::new() }, "{who}");
        let shown: Vec<bool> = places.iter().map(|name| listed.contains(name)).collect();
        assert_eq!(shown, [true, sees], "{who}: {listed:?}");
        assert!(!listed.iter().any(|name| name == DIRECT), "{who}: {listed:?}");
    }
}
