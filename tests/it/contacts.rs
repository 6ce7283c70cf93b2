//! Contacts: whom an account wants to hear of without asking.

use serde_json::{Value, json};

use crate::support::{Client, Site, Stage, eventually, is_time};

scenarios! {
    everywhere:
        contacts_last_over_a_restart_and_their_changes_are_heard_without_asking,
        changes_from_several_sessions_at_once_are_all_kept;
    once:
        a_hello_tells_how_each_contact_is_and_then_what_changes,
        whoever_is_taken_away_is_heard_of_no_more,
        an_unwatch_does_not_end_a_contact_and_a_watch_doubles_nothing,
        a_sessions_commands_change_the_list_in_their_order,
        contacts_are_heard_over_a_registry_that_broke,
        a_name_without_an_account_looks_like_one_who_was_never_here,
        a_guest_has_none_and_what_is_no_list_is_a_bad_frame,
        a_list_has_a_bound;
}

async fn contacts(client: &mut Client, change: Value) -> Vec<Value> {
    let mut command = change;
    command["type"] = "contacts".into();
    let reply = client.ask(command).await;
    reply["users"].as_array().cloned().unwrap_or_else(|| client.fail(&format!("no rows: {reply}")))
}

fn names(rows: &[Value]) -> Vec<&str> {
    rows.iter().map(|row| row["user"].as_str().unwrap_or_default()).collect()
}

/// The next word about one user's presence: its state.
async fn told(client: &mut Client, user: &str) -> Value {
    let event = client.event_where("presence", |event| event["user"] == user).await;
    assert!(event["last_seen"].is_null() || event["last_seen"].as_str().is_some_and(is_time), "{event}");
    event["state"].clone()
}

async fn logout(mut client: Client) {
    client.ask(json!({"type": "logout"})).await;
    client.ends_with(1000).await;
}

/// Everything that was to be said until now has been: a guest came, and the client has heard of it.
async fn settled(site: &Site, client: &mut Client) {
    let guest = site.guest("mark").await;
    client.ask(json!({"type": "watch", "users": [guest.user()]})).await;
    let user = guest.user().to_owned();
    logout(guest).await;
    assert_eq!(told(client, &user).await, "offline");
    client.has_not_heard("presence").await;
}

async fn contacts_last_over_a_restart_and_their_changes_are_heard_without_asking(stage: Stage) {
    let mut site = stage.lasting_site(|_| {}).await;
    let (mut ann, bob) = (site.account("ann").await, site.account("bob").await);
    assert_eq!(contacts(&mut ann, json!({})).await, Vec::<Value>::new());
    let rows = contacts(&mut ann, json!({"add": ["carol", "bob", "bob"]})).await;
    assert_eq!(names(&rows), ["bob", "carol"]);
    assert_eq!((&rows[0]["state"], &rows[0]["sessions"]), (&json!("online"), &json!(1)));
    assert_eq!(rows[1], json!({"user": "carol", "state": "offline", "sessions": 0, "last_seen": null}));
    ann.has_not_heard("presence").await;
    let token = bob.token().to_owned();
    logout(bob).await;
    let gone = ann.event("presence").await;
    assert_eq!((&gone["user"], &gone["state"], &gone["reason"]), (&json!("bob"), &json!("offline"), &json!("logout")));
    site.restart().await;
    let mut ann = ann.moved(site.address).back().await;
    for (user, was_here) in [("bob", true), ("carol", false)] {
        let event = ann.event_where("presence", |event| event["user"] == user).await;
        assert_eq!((&event["state"], event["last_seen"].is_string()), (&json!("offline"), was_here), "{event}");
    }
    let _bob = site.with_token("bob", &token).await;
    assert_eq!(told(&mut ann, "bob").await, "online");
    assert_eq!(names(&contacts(&mut ann, json!({})).await), ["bob", "carol"]);
    settled(&site, &mut ann).await;
}

async fn a_hello_tells_how_each_contact_is_and_then_what_changes(stage: Stage) {
    let site = stage.site().await;
    let (mut ann, bob, dan) = (site.account("ann").await, site.account("bob").await, site.guest("dan").await);
    let dans = dan.user().to_owned();
    contacts(&mut ann, json!({"add": ["bob", dans, "carol"]})).await;
    for mut later in [ann.twin().await, ann.twin().await, ann.back().await] {
        assert_eq!(told(&mut later, "bob").await, "online");
        assert_eq!(told(&mut later, "carol").await, "offline");
        assert_eq!(told(&mut later, &dans).await, "online");
        settled(&site, &mut later).await;
    }
    let mut ann = site.with_token("ann", &site.login("ann").await).await;
    ann.event_where("presence", |event| event["user"] == dans).await;
    ann.forget().await;
    logout(bob).await;
    assert_eq!(told(&mut ann, "bob").await, "offline");
    let mut bob = site.account("bob").await;
    assert_eq!(told(&mut ann, "bob").await, "online");
    settled(&site, &mut bob).await;
}

async fn whoever_is_taken_away_is_heard_of_no_more(stage: Stage) {
    let site = stage.site().await;
    let (mut ann, bob, mut dan) = (site.account("ann").await, site.account("bob").await, site.account("dan").await);
    let mut twin = ann.twin().await;
    assert_eq!(names(&contacts(&mut ann, json!({"add": ["bob", "dan"]})).await), ["bob", "dan"]);
    // Her other session was not asked, and hears how they are.
    assert_eq!((told(&mut twin, "bob").await, told(&mut twin, "dan").await), (json!("online"), json!("online")));
    assert_eq!(names(&contacts(&mut twin, json!({"remove": ["bob", "nobody"]})).await), ["dan"]);
    assert_eq!(names(&contacts(&mut ann, json!({})).await), ["dan"]);
    logout(bob).await;
    dan.ask(json!({"type": "logout"})).await;
    for one in [&mut ann, &mut twin] {
        assert_eq!(told(one, "dan").await, "offline");
        settled(&site, one).await;
    }
    assert_eq!(names(&contacts(&mut ann, json!({"add": ["eve"], "remove": ["eve", "dan"]})).await), ["eve"]);
}

async fn an_unwatch_does_not_end_a_contact_and_a_watch_doubles_nothing(stage: Stage) {
    let site = stage.site().await;
    let (mut ann, bob) = (site.account("ann").await, site.account("bob").await);
    contacts(&mut ann, json!({"add": ["bob"]})).await;
    ann.ask(json!({"type": "watch", "users": ["bob"]})).await;
    logout(bob).await;
    assert_eq!(told(&mut ann, "bob").await, "offline");
    settled(&site, &mut ann).await;
    ann.ask(json!({"type": "unwatch", "users": ["bob"]})).await;
    let bob = site.account("bob").await;
    assert_eq!(told(&mut ann, "bob").await, "online");
    settled(&site, &mut ann).await;
    // And a watch outlasts the contact.
    ann.ask(json!({"type": "watch", "users": ["bob"]})).await;
    contacts(&mut ann, json!({"remove": ["bob"]})).await;
    logout(bob).await;
    assert_eq!(told(&mut ann, "bob").await, "offline");
}

async fn a_sessions_commands_change_the_list_in_their_order(stage: Stage) {
    let site = stage.site().await;
    let mut ann = site.account("ann").await;
    let mut ids = Vec::new();
    for n in 0..20 {
        ids.push(ann.begin(json!({"type": "contacts", "add": [format!("u{n}")]})));
        ids.push(ann.begin(json!({"type": "contacts", "remove": [format!("u{n}")]})));
    }
    ids.push(ann.begin(json!({"type": "contacts", "add": ["last"]})));
    let mut lengths = Vec::new();
    for id in ids {
        lengths.push(ann.reply(&id).await["users"].as_array().map_or(9, Vec::len));
    }
    assert_eq!(lengths, [[1, 0].repeat(20), vec![1]].concat());
}

async fn changes_from_several_sessions_at_once_are_all_kept(stage: Stage) {
    let mut site = stage.lasting_site(|_| {}).await;
    let ann = site.account("ann").await;
    let mut sessions = Vec::new();
    for _ in 0..4 {
        sessions.push(ann.twin().await);
    }
    let change = |(n, mut one): (usize, Client)| async move {
        for k in 0..8 {
            contacts(&mut one, json!({"add": [format!("s{n}-{k}"), format!("s{n}-gone")]})).await;
            contacts(&mut one, json!({"remove": [format!("s{n}-gone")]})).await;
        }
        one
    };
    let changed = futures_util::future::join_all(sessions.into_iter().enumerate().map(change)).await;
    let all: Vec<String> = (0..4).flat_map(|n| (0..8).map(move |k| format!("s{n}-{k}"))).collect();
    for mut one in changed {
        assert_eq!(names(&contacts(&mut one, json!({})).await), all);
    }
    let mut ann = ann;
    for name in &all {
        assert_eq!(told(&mut ann, name).await, "offline");
    }
    site.restart().await;
    let mut ann = ann.moved(site.address).back().await;
    assert_eq!(names(&contacts(&mut ann, json!({})).await), all);
}

async fn contacts_are_heard_over_a_registry_that_broke(stage: Stage) {
    let site = stage
        .site_with(|config| {
            config.presence.heartbeat = std::time::Duration::from_millis(200);
            config.presence.sweep = std::time::Duration::from_millis(50);
        })
        .await;
    let (mut ann, bob) = (site.account("ann").await, site.account("bob").await);
    contacts(&mut ann, json!({"add": ["bob"]})).await;
    site.faults.arm("registry.sweep");
    eventually("the fault strikes", async || site.faults.left() == 0).await;
    eventually("she is told again", async || {
        ann.catch_up().await;
        ann.pending().any(|event| event["type"] == "presence")
    })
    .await;
    assert!(ann.pending().all(|event| event["type"] != "presence" || event["state"] == "online"));
    logout(bob).await;
    ann.event_where("presence", |event| event["user"] == "bob" && event["state"] == "offline").await;
}

async fn a_name_without_an_account_looks_like_one_who_was_never_here(stage: Stage) {
    let site = stage.site().await;
    let mut ann = site.account("ann").await;
    assert_eq!(site.sign_up("silent").await.status, 201);
    let mut rows = contacts(&mut ann, json!({"add": ["silent", "nobody", "~ghost-aaaaa"]})).await;
    assert_eq!(names(&rows), ["nobody", "silent", "~ghost-aaaaa"]);
    rows.iter_mut().for_each(|row| row["user"] = "x".into());
    assert!(rows.iter().all(|row| row == &rows[0]), "{rows:?}");
}

async fn a_guest_has_none_and_what_is_no_list_is_a_bad_frame(stage: Stage) {
    let site = stage.site().await;
    let (mut ann, mut guest) = (site.account("ann").await, site.guest("ann").await);
    for change in [json!({}), json!({"add": ["bob"]}), json!({"remove": ["bob"]})] {
        let mut command = change;
        command["type"] = "contacts".into();
        assert_eq!(guest.refused(command).await, "forbidden");
    }
    for bad in [json!("bob"), json!([7]), json!(["Bob"]), json!([""]), json!({"bob": true}), json!([["bob"]])] {
        for member in ["add", "remove"] {
            assert_eq!(ann.refused(json!({"type": "contacts", member: bad})).await, "bad_frame");
        }
    }
    assert!(contacts(&mut ann, json!({"add": [], "remove": null})).await.is_empty());
}

async fn a_list_has_a_bound(stage: Stage) {
    let site = stage.site_with(|config| config.limits.contacts = 3).await;
    let mut ann = site.account("ann").await;
    assert_eq!(contacts(&mut ann, json!({"add": ["a", "b", "c"]})).await.len(), 3);
    assert_eq!(ann.refused(json!({"type": "contacts", "add": ["d"]})).await, "too_large");
    assert_eq!(names(&contacts(&mut ann, json!({"add": ["d", "a"], "remove": ["b"]})).await), ["a", "c", "d"]);
    let many: Vec<String> = (0..501).map(|n| format!("u{n}")).collect();
    assert_eq!(ann.refused(json!({"type": "contacts", "remove": many})).await, "too_large");
    assert_eq!(ann.refused(json!({"type": "contacts", "add": many[..500]})).await, "too_large");
    assert_eq!(contacts(&mut ann, json!({})).await.len(), 3);
}
