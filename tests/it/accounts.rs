//! Accounts: made, logged in to, and brought along by token.

use std::collections::BTreeMap;

use serde_json::json;

use crate::longpoll::{is, refusal};
use crate::support::{Answer, Request, Stage, eventually, is_time, password};

scenarios! {
    everywhere:
        an_account_is_made_and_logged_in_to_and_comes_back_by_its_token,
        of_many_who_want_one_name_at_the_same_time_one_gets_it,
        what_an_account_belongs_to_and_has_read_outlasts_a_restart;
    alone:
        an_accounts_token_serves_for_plain_requests,
        a_name_that_is_taken_is_refused_whoever_asks,
        a_name_or_a_password_that_is_not_fit_is_422,
        what_is_not_said_as_expected_is_400_and_not_said_again,
        a_wrong_password_and_an_unknown_name_get_the_same_answer,
        where_registration_is_closed_or_takes_a_code_a_stranger_gets_403,
        too_many_logins_get_429_by_account_and_by_address,
        too_many_sign_ups_of_one_address_get_429;
    once:
        where_guests_are_off_accounts_are_let_in_and_nobody_else;
}

async fn an_account_is_made_and_logged_in_to_and_comes_back_by_its_token(stage: Stage) {
    let mut site = stage.lasting_site(|_| {}).await;
    let made = site.sign_up("ann").await;
    assert_eq!((made.status, made.json()), (201, json!({"user": "ann"})));
    let login = site.login_with("ann", &password("ann")).await;
    assert_eq!((login.status, &login.json()["user"]), (200, &json!("ann")));
    assert!(login.json()["expires_at"].as_str().is_some_and(is_time), "{login:?}");
    let token = login.json()["token"].as_str().expect("a token").to_owned();
    assert!(token.starts_with("a1.ann.") && token.len() == 7 + 64);
    let ann = site.with_token("ann", &token).await;
    let welcome = ann.welcome();
    assert_eq!((&welcome["user"], &welcome["guest"], &welcome["token"]), (&json!("ann"), &json!(false), &json!(token)));
    assert_eq!(welcome["expires_at"], login.json()["expires_at"]);
    site.restart().await;
    let mut ann = ann.moved(site.address).back().await;
    assert_eq!(ann.user(), "ann");
    ann.join("a").await;
    assert_eq!(ann.publish("a", "hi").await["seq"], 1);
    ann.hear("a", 1).await;
    assert_eq!(ann.heard("a")[&1]["from"], "ann");
}

async fn of_many_who_want_one_name_at_the_same_time_one_gets_it(stage: Stage) {
    let site = stage.site().await;
    for name in ["ann", "bob", "carol"] {
        let ask = |n: u8| {
            let (site, password) = (&site, format!("{}", u64::from(n) + 12_345_678));
            async move {
                let said = json!({"user": name, "password": password});
                (site.post("/v1/accounts", None, said).await.status, password)
            }
        };
        let all = futures_util::future::join_all((0..8).map(ask)).await;
        let (made, refused): (Vec<_>, Vec<_>) = all.into_iter().partition(|(status, _)| *status == 201);
        assert_eq!(made.len(), 1, "{name}");
        assert!(refused.iter().all(|(status, _)| *status == 409), "{refused:?}");
        assert_eq!(site.login_with(name, &made[0].1).await.status, 200);
        for (_, password) in refused {
            assert_eq!(site.login_with(name, &password).await.status, 401);
        }
    }
}

async fn what_an_account_belongs_to_and_has_read_outlasts_a_restart(stage: Stage) {
    let mut site = stage.lasting_site(|_| {}).await;
    let mut ann = site.account("ann").await;
    ann.join("a").await;
    ann.publish_many("a", 3).await;
    ann.ask(json!({"type": "read", "channel": "a", "seq": 2})).await;
    site.restart().await;
    let mut ann = ann.moved(site.address).back().await;
    let channels = ann.ask(json!({"type": "channels"})).await;
    assert_eq!((&channels["channels"][0]["channel"], &channels["channels"][0]["read"]), (&json!("a"), &json!(2)));
    let mut bob = site.guest("bob").await;
    let seen = bob.ask(json!({"type": "presence", "users": ["ann"]})).await;
    assert_eq!(seen["users"][0]["state"], "online");
    ann.ask(json!({"type": "logout"})).await;
    ann.ends_with(1000).await;
    eventually("ann is seen to be gone", async || {
        let seen = bob.ask(json!({"type": "presence", "users": ["ann"]})).await;
        seen["users"][0]["state"] == "offline" && seen["users"][0]["last_seen"].as_str().is_some_and(is_time)
    })
    .await;
}

async fn an_accounts_token_serves_for_plain_requests(stage: Stage) {
    let site = stage.site().await;
    let mut ann = site.account("ann").await;
    ann.join("a").await;
    let bobs = ann.token().replace("ann", "bob");
    let say = async |token| site.post("/v1/channels/a/messages", token, json!({"body": {}})).await;
    assert_eq!(refusal(&say(None).await), is(401, "unauthenticated"));
    assert_eq!(refusal(&say(Some(&bobs)).await), is(401, "unauthenticated"));
    assert_eq!(say(Some(ann.token())).await.status, 201);
    ann.hear("a", 1).await;
    assert_eq!(ann.heard("a")[&1]["from"], "ann");
}

async fn a_name_that_is_taken_is_refused_whoever_asks(stage: Stage) {
    let site = stage.site().await;
    assert_eq!(site.sign_up("ann").await.status, 201);
    assert_eq!(refusal(&site.sign_up("ann").await), is(409, "conflict"));
    let other = site.post("/v1/accounts", None, json!({"user": "ann", "password": "another one"})).await;
    assert_eq!(refusal(&other), is(409, "conflict"));
    assert_eq!(site.login_with("ann", "another one").await.status, 401);
}

async fn a_name_or_a_password_that_is_not_fit_is_422(stage: Stage) {
    let site = stage.site().await;
    let long = "x".repeat(65);
    for name in ["", "Ann", "~ann-abcde", "a b", "a/b", "-ann", "änn", &long] {
        let answer = site.sign_up(name).await;
        assert_eq!(refusal(&answer), is(422, "bad_frame"), "{name:?}");
    }
    let long = "pass".repeat(257);
    for password in ["", "1234567", "aaaaaaaaaaaa", "Annabella", &long] {
        let answer = site.post("/v1/accounts", None, json!({"user": "annabella", "password": password})).await;
        assert_eq!(refusal(&answer), is(422, "bad_frame"), "{password:?}");
        assert!(password.is_empty() || !answer.body.contains(password), "{answer:?}");
    }
    for (n, password) in ["12345678", "ännänn", " \u{0} \"\\ \u{1f600}", &long[..1024]].into_iter().enumerate() {
        let name = format!("ann{n}");
        assert_eq!(site.post("/v1/accounts", None, json!({"user": name, "password": password})).await.status, 201);
        assert_eq!(site.login_with(&name, password).await.status, 200);
        assert_eq!(site.login_with(&name, &format!("{password} ")).await.status, 401);
    }
}

async fn what_is_not_said_as_expected_is_400_and_not_said_again(stage: Stage) {
    let site = stage.site().await;
    for path in ["/v1/accounts", "/v1/login"] {
        for body in [
            "",
            "{",
            "[]",
            "\"secret-1\"",
            "{}",
            r#"{"user":"ann"}"#,
            r#"{"password":"secret-1"}"#,
            r#"{"user":1,"password":"secret-1"}"#,
            r#"{"user":"ann","password":["secret-1"]}"#,
            r#"{"user":"ann","password":{"secret-1":1}}"#,
        ] {
            let answer = site.ask(Request::post(path, body)).await;
            assert_eq!(refusal(&answer), is(400, "bad_frame"), "{path} {body}");
            assert!(!answer.body.contains("secret"), "{answer:?}");
        }
        let huge = json!({"user": "ann", "password": "x".repeat(20_000)});
        assert_eq!(refusal(&site.post(path, None, huge).await), is(413, "too_large"));
        for method in ["GET", "PUT", "DELETE"] {
            let answer = site.ask(Request::of(method, path).with("Content-Length", "0")).await;
            assert_eq!((answer.status, answer.header("allow")), (405, Some("POST")));
        }
    }
}

async fn a_wrong_password_and_an_unknown_name_get_the_same_answer(stage: Stage) {
    let site = stage.site().await;
    site.sign_up("ann").await;
    let shown = |answer: Answer| {
        let headers: BTreeMap<_, _> = answer.headers.into_iter().filter(|(name, _)| name != "date").collect();
        (answer.status, headers, answer.body)
    };
    let wrong = shown(site.login_with("ann", "not her password").await);
    assert_eq!(wrong.0, 401);
    for name in ["bob", "Ann", "", "~ann-abcde", "a/b", &"x".repeat(500)] {
        assert_eq!(shown(site.login_with(name, "not her password").await), wrong, "{name}");
    }
    for password in ["", "short", &password("ann").to_uppercase(), &"x".repeat(2000)] {
        assert_eq!(shown(site.login_with("ann", password).await), wrong, "{password}");
    }
}

async fn where_registration_is_closed_or_takes_a_code_a_stranger_gets_403(stage: Stage) {
    use parlor::config::Registration;
    for registration in [Registration::Closed, Registration::Invite] {
        let site = stage.site_with(|config| config.auth.registration = registration).await;
        for code in [None, Some(""), Some("x"), Some("0123456789abcdef0123456789abcdef")] {
            for name in ["ann", "Not A Name"] {
                let said = json!({"user": name, "password": password("ann"), "code": code});
                let answer = site.post("/v1/accounts", None, said).await;
                assert_eq!(refusal(&answer), is(403, "forbidden"), "{registration:?} {code:?} {name}");
            }
        }
        assert_eq!(site.login_with("ann", &password("ann")).await.status, 401);
        site.guest("ann").await;
    }
}

async fn too_many_logins_get_429_by_account_and_by_address(stage: Stage) {
    let site = stage.site_with(|config| {
        config.rates.enabled = true;
        config.rates.logins_per_minute = 3;
    });
    let site = site.await;
    site.sign_up("ann").await;
    for _ in 0..3 {
        assert_eq!(site.login_with("ann", "not her password").await.status, 401);
    }
    for name in ["ann", "bob"] {
        let answer = site.login_with(name, &password("ann")).await;
        assert_eq!(refusal(&answer), is(429, "rate_limited"));
        let (ms, seconds) = (answer.json()["retry_after_ms"].as_u64(), answer.header("retry-after"));
        let seconds = seconds.and_then(|text| text.parse::<u64>().ok());
        assert!(ms.is_some_and(|ms| (1..=20_000).contains(&ms)), "{answer:?}");
        assert!(seconds.is_some_and(|seconds| (1..=20).contains(&seconds)), "{answer:?}");
    }
}

async fn too_many_sign_ups_of_one_address_get_429(stage: Stage) {
    let site = stage.site_with(|config| {
        config.rates.enabled = true;
        config.rates.sign_ups_per_hour = 2;
    });
    let site = site.await;
    assert_eq!(site.sign_up("ann").await.status, 201);
    assert_eq!(site.sign_up("ann").await.status, 409);
    let answer = site.sign_up("bob").await;
    assert_eq!(refusal(&answer), is(429, "rate_limited"));
    assert!(answer.header("retry-after").is_some() && answer.json()["retry_after_ms"].is_u64(), "{answer:?}");
}

async fn where_guests_are_off_accounts_are_let_in_and_nobody_else(stage: Stage) {
    let mut site = stage.lasting_site(|_| {}).await;
    let (guest, ann) = (site.guest("ann").await, site.account("ann").await);
    site.stop().await;
    site.config.auth.guests = false;
    site.start().await;
    let mut ann = ann.moved(site.address).back().await;
    ann.join("a").await;
    for members in [json!({}), json!({"guest": "bob"}), json!({"token": guest.token()})] {
        let mut bob = site.stranger("bob").await;
        let mut hello = json!({"type": "hello", "version": 1});
        hello.as_object_mut().expect("an object").extend(members.as_object().cloned().expect("an object"));
        assert_eq!(bob.refused(hello).await, "forbidden");
        bob.is_shut_out("forbidden", 4500).await;
    }
    for path in ["/v1/channels", "/v1/channels/a", "/v1/channels/a/messages", "/v1/online", "/v1/presence?users=ann"] {
        assert_eq!(refusal(&site.get(path).await), is(401, "unauthenticated"), "{path}");
        for (token, status) in [(ann.token(), 200), (guest.token(), 403)] {
            let bearer = format!("Bearer {token}");
            assert_eq!(site.ask(Request::get(path).with("Authorization", &bearer)).await.status, status, "{path}");
        }
    }
}
