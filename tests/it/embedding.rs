//! Parlor beside a product's own login: users whom another service vouches for, by tokens that it signs.

use std::time::{Duration, SystemTime};

use jsonwebtoken::{Algorithm, EncodingKey, Header, encode};
use parlor::config::{self, Config, JwtKey};
use serde_json::{Value, json};

use crate::longpoll::{is, refusal};
use crate::silence::lenient;
use crate::support::{Request, Site, Stage, is_time, pause};

scenarios! {
    everywhere:
        a_product_lets_its_users_in_by_tokens_of_its_own;
    once:
        a_token_that_is_not_good_is_refused_as_any_other_is,
        a_logout_voids_the_products_token_and_ends_its_sessions,
        a_token_with_grants_opens_its_channels_and_no_other,
        a_grant_opens_a_private_channel_without_an_invitation_but_not_to_whom_it_is_closed,
        a_refresh_takes_the_grants_of_the_new_token;
    waiting:
        a_session_ends_with_the_products_token_and_goes_on_with_the_next;
    alone:
        without_a_key_no_such_token_is_taken;
}

const SECRET: &str = "what only the product and Parlor know";

/// Has tokens that are signed with [`SECRET`] taken.
pub fn embedded(config: &mut Config) {
    config.jwt = config::Jwt {
        algorithm: Some(config::Algorithm::Hs256),
        key: JwtKey::Text(SECRET.to_owned()),
        issuer: Some("shop".to_owned()),
        audience: Some("parlor".to_owned()),
        leeway: Duration::from_millis(500),
        ..config.jwt.clone()
    };
}

/// So many seconds from now, in seconds since 1970.
fn seconds_from_now(seconds: i64) -> i64 {
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).expect("it is later than 1970");
    now.as_secs() as i64 + seconds
}

/// A product's token for this user, with these claims besides or instead.
pub fn token_with(user: &str, claims: &Value) -> String {
    let mut all = json!({"sub": user, "iss": "shop", "aud": "parlor", "exp": seconds_from_now(3600)});
    for (claim, value) in claims.as_object().expect("claims") {
        all[claim] = value.clone();
    }
    encode(&Header::default(), &all, &EncodingKey::from_secret(SECRET.as_bytes())).expect("it is signed")
}

fn token(user: &str) -> String {
    token_with(user, &json!({}))
}

async fn logout(site: &Site, token: &str) -> u16 {
    site.ask(Request::post("/v1/logout", "").with("Authorization", &format!("Bearer {token}"))).await.status
}

async fn a_product_lets_its_users_in_by_tokens_of_its_own(stage: Stage) {
    let mut site = stage.lasting_site(embedded).await;
    let (anns, bobs) = (token("ann"), token("bob"));
    let mut ann = site.with_token("ann", &anns).await;
    let mut bob = site.with_token("bob", &bobs).await;
    let welcome = ann.welcome();
    assert_eq!((&welcome["user"], &welcome["guest"]), (&json!("ann"), &json!(false)), "{welcome}");
    assert!(welcome["expires_at"].as_str().is_some_and(is_time), "{welcome}");
    ann.join("a").await;
    bob.join("a").await;
    ann.publish("a", "from a session").await;
    let said = site.post("/v1/channels/a/messages", Some(&anns), json!({"body": {"text": "without one"}})).await;
    assert_eq!(said.status, 201, "{said:?}");
    bob.hear("a", 2).await;
    assert!(bob.heard("a").values().all(|message| message["from"] == "ann"));
    let taken = site.sign_up("ann").await;
    assert_eq!(refusal(&taken), is(409, "conflict"), "the name is the product's user's");
    site.restart().await;
    let mut ann = site.with_token("ann", &token("ann")).await;
    let mine = ann.ask(json!({"type": "channels"})).await;
    assert_eq!(mine["channels"][0]["channel"], "a", "what she belonged to with another token is hers");
}

async fn a_token_that_is_not_good_is_refused_as_any_other_is(stage: Stage) {
    let site = stage.site_with(embedded).await;
    site.account("carol").await;
    let unsigned = "eyJhbGciOiJub25lIiwidHlwIjoiSldUIn0.eyJzdWIiOiJhbm4iLCJleHAiOjk5OTk5OTk5OTl9.";
    let forged = EncodingKey::from_secret(b"another secret of more than 32 bytes");
    let claims = json!({"sub": "ann", "iss": "shop", "aud": "parlor", "exp": seconds_from_now(60)});
    let secret = EncodingKey::from_secret(SECRET.as_bytes());
    let sign = |algorithm, key: &EncodingKey| encode(&Header::new(algorithm), &claims, key).expect("it is signed");
    let unknown = format!("a1.ann.{}", "0".repeat(64));
    let mut answers = Vec::new();
    for bad in [
        unknown,
        unsigned.to_owned(),
        sign(Algorithm::HS256, &forged),
        sign(Algorithm::HS512, &secret),
        token_with("ann", &json!({"exp": seconds_from_now(-10)})),
        token_with("ann", &json!({"exp": null})),
        token_with("ann", &json!({"nbf": seconds_from_now(60)})),
        token_with("ann", &json!({"aud": "mail"})),
        token_with("ann", &json!({"iss": "mallory"})),
        token_with("~ann-aaaaa", &json!({})),
        token_with("Ann", &json!({})),
        // She has a password, and is nobody's but her own.
        token("carol"),
    ] {
        let mut ann = site.stranger("ann").await;
        let mut refused = ann.command(json!({"type": "hello", "version": 1, "token": bad})).await;
        refused["id"].take();
        answers.push(refused);
        let bearer = format!("Bearer {bad}");
        let listed = site.ask(Request::get("/v1/channels").with("Authorization", &bearer)).await;
        assert_eq!(refusal(&listed), is(401, "unauthenticated"), "{bad}");
    }
    assert_eq!(answers[0]["code"], "unauthenticated", "{}", answers[0]);
    assert!(answers.iter().all(|answer| *answer == answers[0]), "{answers:?}");
}

async fn a_logout_voids_the_products_token_and_ends_its_sessions(stage: Stage) {
    let site = stage.site_with(embedded).await;
    let (first, second) = (token("ann"), token_with("ann", &json!({"jti": "another"})));
    let mut gone = site.with_token("ann", &first).await;
    let mut stays = site.with_token("ann again", &second).await;
    assert_eq!(logout(&site, &first).await, 204);
    gone.ends_with(1000).await;
    assert_eq!(logout(&site, &first).await, 401);
    let mut late = site.stranger("ann").await;
    assert_eq!(late.refused(json!({"type": "hello", "version": 1, "token": first})).await, "unauthenticated");
    stays.catch_up().await;
}

async fn a_session_ends_with_the_products_token_and_goes_on_with_the_next(stage: Stage) {
    let site = stage.site_with(|config| {
        lenient(config);
        embedded(config);
    });
    let site = site.await;
    let short = |user| token_with(user, &json!({"exp": seconds_from_now(3)}));
    let (mut ann, mut bob) = (site.with_token("ann", &short("ann")).await, site.with_token("bob", &short("bob")).await);
    for client in [&mut ann, &mut bob] {
        assert_eq!(client.event("notice").await["code"], "token_expiring");
    }
    assert_eq!(bob.refused(json!({"type": "refresh", "token": token("ann")})).await, "forbidden");
    assert_eq!(bob.refused(json!({"type": "refresh", "token": "nonsense"})).await, "unauthenticated");
    let refreshed = bob.ask(json!({"type": "refresh", "token": token("bob")})).await;
    assert!(refreshed["expires_at"].as_str() > bob.welcome()["expires_at"].as_str(), "{refreshed}");
    ann.is_shut_out("unauthenticated", 4500).await;
    pause(1000).await;
    bob.catch_up().await;
}

async fn without_a_key_no_such_token_is_taken(stage: Stage) {
    let site = stage.site().await;
    let mut ann = site.stranger("ann").await;
    assert_eq!(ann.refused(json!({"type": "hello", "version": 1, "token": token("ann")})).await, "unauthenticated");
}

async fn a_token_with_grants_opens_its_channels_and_no_other(stage: Stage) {
    let site = stage.site_with(embedded).await;
    let mut carol = site.guest("carol").await;
    carol.join("lobby").await;
    carol.publish("lobby", "not for everyone").await;
    let granted = token_with("ann", &json!({"channels": ["orders", "team-*"]}));
    let mut ann = site.with_token("ann", &granted).await;
    for channel in ["orders", "team-a"] {
        ann.join(channel).await;
        ann.publish(channel, "hello").await;
    }
    // Two names in one place each: one that is there, and one that is not.
    let mut refused = async |command: Value| {
        let mut answers = Vec::new();
        for channel in ["lobby", "nowhere"] {
            let mut command = command.clone();
            command["channel"] = channel.into();
            let mut answer = ann.command(command).await;
            answer["id"].take();
            answers.push(answer);
        }
        assert_eq!(answers[0], answers[1]);
        answers[0]["code"].as_str().map(str::to_owned)
    };
    for (command, code) in [
        (json!({"type": "join"}), "not_found"),
        (json!({"type": "leave"}), "not_joined"),
        (json!({"type": "publish", "body": {}}), "not_found"),
        (json!({"type": "history"}), "not_found"),
        (json!({"type": "who"}), "not_found"),
        (json!({"type": "watch"}), "not_found"),
        (json!({"type": "typing"}), "not_joined"),
        (json!({"type": "read", "seq": 1}), "not_found"),
    ] {
        assert_eq!(refused(command.clone()).await.as_deref(), Some(code), "{command}");
    }
    let bearer = format!("Bearer {granted}");
    for (path, status) in [("orders", 200), ("team-a/messages", 200), ("lobby", 404), ("lobby/messages", 404)] {
        let got = site.ask(Request::get(format!("/v1/channels/{path}")).with("Authorization", &bearer)).await;
        assert_eq!(got.status, status, "{path}: {got:?}");
    }
    let listed = site.ask(Request::get("/v1/channels").with("Authorization", &bearer)).await.json();
    let names: Vec<_> = listed["channels"].as_array().expect("rows").iter().map(|row| row["channel"].clone()).collect();
    assert_eq!(names, ["orders", "team-a"]);
}

async fn a_grant_opens_a_private_channel_without_an_invitation_but_not_to_whom_it_is_closed(stage: Stage) {
    let site = stage.site_with(embedded).await;
    let mut carol = site.account("carol").await;
    carol.ask(json!({"type": "create", "channel": "vault", "private": true})).await;
    let granted = |user| token_with(user, &json!({"channels": ["vault"]}));
    let mut ann = site.with_token("ann", &granted("ann")).await;
    ann.join("vault").await;
    ann.publish("vault", "let in by the product").await;
    let mut bob = site.with_token("bob", &token("bob")).await;
    assert_eq!(bob.refused(json!({"type": "join", "channel": "vault"})).await, "not_found");
    carol.ask(json!({"type": "ban", "channel": "vault", "user": "ann"})).await;
    assert_eq!(ann.event("closed").await["reason"], "banned");
    assert_eq!(ann.refused(json!({"type": "join", "channel": "vault"})).await, "not_found");
    let mut dora = site.with_token("dora", &granted("dora")).await;
    assert_eq!(dora.refused(json!({"type": "join", "channel": "@carol"})).await, "not_found");
    assert_eq!(dora.refused(json!({"type": "create", "channel": "mine"})).await, "not_found");
}

async fn a_refresh_takes_the_grants_of_the_new_token(stage: Stage) {
    let site = stage.site_with(embedded).await;
    let of = |channels: Value| token_with("ann", &json!({"channels": channels}));
    let mut ann = site.with_token("ann", &of(json!(["a"]))).await;
    ann.join("a").await;
    assert_eq!(ann.refused(json!({"type": "join", "channel": "b"})).await, "not_found");
    ann.ask(json!({"type": "refresh", "token": of(json!(["a", "b"]))})).await;
    ann.join("b").await;
    ann.send(json!({"type": "refresh", "token": of(json!(["b"]))}));
    ann.ends_with(4003).await;
    let mut ann = site.with_token("ann", &of(json!(["b"]))).await;
    ann.join("b").await;
    let mine = ann.ask(json!({"type": "channels"})).await;
    assert_eq!(mine["channels"].as_array().map(Vec::len), Some(1), "{mine}");
    // What she only watches is seen by the token as well.
    let mut ann = site.with_token("ann", &of(json!(["a"]))).await;
    ann.ask(json!({"type": "watch", "channel": "a"})).await;
    ann.ask(json!({"type": "refresh", "token": of(json!(["a", "b"]))})).await;
    ann.send(json!({"type": "refresh", "token": of(json!(["b"]))}));
    ann.ends_with(4003).await;
}
