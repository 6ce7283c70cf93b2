//! Who does not want to be seen is away to everybody else, from the answer to `visible` on.

use std::time::Duration;

use serde_json::{Value, json};

use crate::support::{Client, Request, Site, Stage, eventually};

scenarios! {
    everywhere:
        who_hides_goes_to_others_and_stays_away_over_a_restart;
    once:
        sessions_of_one_who_hides_come_and_go_unseen,
        ones_own_sessions_see_the_truth,
        neither_lists_nor_channels_name_one_who_hides,
        of_several_changes_of_mind_the_last_one_counts,
        a_guest_hides_for_as_long_as_it_is_one,
        one_who_hides_is_not_betrayed_by_a_registry_that_broke,
        one_who_hides_and_comes_is_not_betrayed_by_a_registry_that_broke,
        one_who_hides_is_not_counted_where_they_are_heard_and_does_not_type,
        what_is_no_yes_or_no_is_a_bad_frame;
}

async fn visible(client: &mut Client, on: bool) {
    client.ask(json!({"type": "visible", "on": on})).await;
}

async fn row(client: &mut Client, user: &str) -> Value {
    client.ask(json!({"type": "presence", "users": [user]})).await["users"][0].clone()
}

async fn watch(client: &mut Client, user: &str) -> Value {
    client.ask(json!({"type": "watch", "users": [user]})).await["users"][0].clone()
}

async fn told(client: &mut Client, user: &str) -> Value {
    client.event_where("presence", |event| event["user"] == user).await
}

async fn logout(mut client: Client) {
    client.ask(json!({"type": "logout"})).await;
    client.ends_with(1000).await;
}

/// Everything that was to be said until now has been, and there was nothing: a guest went, and the client has heard.
async fn nothing_was_told(site: &Site, client: &mut Client) {
    let guest = site.guest("mark").await;
    let user = guest.user().to_owned();
    watch(client, &user).await;
    logout(guest).await;
    assert_eq!(told(client, &user).await["state"], "offline");
    client.has_not_heard("presence").await;
}

/// How one looks who is not there, but for the name.
fn away(row: &Value) -> bool {
    row["state"] == "offline" && row["sessions"] == 0 && row["last_seen"].is_string()
}

async fn who_hides_goes_to_others_and_stays_away_over_a_restart(stage: Stage) {
    let mut site = stage.lasting_site(|_| {}).await;
    let (mut ann, mut bob) = (site.account("ann").await, site.account("bob").await);
    ann.ask(json!({"type": "contacts", "add": ["bob"]})).await;
    let mut dan = site.guest("dan").await;
    assert_eq!(watch(&mut dan, "bob").await["state"], "online");
    visible(&mut bob, false).await;
    let mut since = Value::Null;
    for other in [&mut ann, &mut dan] {
        let event = told(other, "bob").await;
        assert_eq!((&event["state"], &event["reason"]), (&json!("offline"), &json!("disconnected")));
        let shown = row(other, "bob").await;
        assert!(away(&shown) && shown["last_seen"] == event["last_seen"], "{shown} {event}");
        assert_eq!(watch(other, "bob").await, shown);
        since = shown["last_seen"].clone();
    }
    let listed = ann.ask(json!({"type": "contacts"})).await;
    assert!(away(&listed["users"][0]), "{listed}");
    let _twin = bob.twin().await;
    assert_eq!(row(&mut bob, "bob").await["sessions"], 2);
    nothing_was_told(&site, &mut ann).await;
    site.restart().await;
    let mut ann = ann.moved(site.address).back().await;
    let mut bob = bob.moved(site.address).back().await;
    assert_eq!(told(&mut ann, "bob").await["last_seen"], since);
    assert_eq!(row(&mut ann, "bob").await["last_seen"], since);
    assert_eq!(row(&mut bob, "bob").await["state"], "online");
    nothing_was_told(&site, &mut ann).await;
    visible(&mut bob, true).await;
    assert_eq!(told(&mut ann, "bob").await["state"], "online");
    logout(bob).await;
    assert_eq!(told(&mut ann, "bob").await["reason"], "logout");
}

async fn sessions_of_one_who_hides_come_and_go_unseen(stage: Stage) {
    let site = stage.site().await;
    let (mut ann, mut bob) = (site.account("ann").await, site.account("bob").await);
    watch(&mut ann, "bob").await;
    visible(&mut bob, false).await;
    assert_eq!(told(&mut ann, "bob").await["state"], "offline");
    let before = row(&mut ann, "bob").await;
    let token = bob.token().to_owned();
    logout(bob).await;
    for n in 0..12 {
        let mut bob = site.with_token("bob", &token).await;
        assert_eq!(row(&mut bob, "bob").await["state"], "online");
        assert_eq!(row(&mut ann, "bob").await, before);
        if n % 2 == 0 {
            bob.cut();
        } else {
            logout(bob).await;
        }
    }
    nothing_was_told(&site, &mut ann).await;
    assert_eq!(row(&mut ann, "bob").await, before);
}

async fn ones_own_sessions_see_the_truth(stage: Stage) {
    let site = stage.site().await;
    let mut bob = site.account("bob").await;
    let mut twin = bob.twin().await;
    assert_eq!(watch(&mut bob, "bob").await["sessions"], 2);
    visible(&mut twin, false).await;
    for one in [&mut bob, &mut twin] {
        let shown = row(one, "bob").await;
        assert_eq!((&shown["state"], &shown["sessions"]), (&json!("online"), &json!(2)), "{shown}");
        nothing_was_told(&site, one).await;
    }
    visible(&mut bob, true).await;
    nothing_was_told(&site, &mut bob).await;
}

async fn neither_lists_nor_channels_name_one_who_hides(stage: Stage) {
    let site = stage.site().await;
    let (mut ann, mut bob) = (site.account("ann").await, site.account("bob").await);
    ann.join("a").await;
    visible(&mut bob, false).await;
    ann.ask(json!({"type": "watch", "channel": "a"})).await;
    bob.join_with("a", json!({"member": false})).await;
    let who = ann.ask(json!({"type": "who", "channel": "a"})).await;
    assert_eq!((&who["users"], &who["count"], &who["more"]), (&json!(["ann"]), &json!(1), &json!(false)));
    let own = bob.ask(json!({"type": "who", "channel": "a"})).await;
    assert_eq!((&own["users"], &own["count"]), (&json!(["ann", "bob"]), &json!(2)));
    let watching = ann.ask(json!({"type": "watch", "channel": "a"})).await;
    assert!(watching["users"].as_array().is_some_and(|rows| rows.iter().all(|row| row["user"] != "bob")));
    let bearer = format!("Bearer {}", ann.token());
    let get = async |path: &str| site.ask(Request::get(path).with("Authorization", &bearer)).await.json();
    let online = get("/v1/online").await;
    assert_eq!((&online["users"], &online["sessions"], &online["list"]), (&json!(1), &json!(1), &json!(["ann"])));
    assert!(away(&get("/v1/presence?users=bob").await["users"][0]));
    // What he says there is heard, and tells nobody more than it says.
    bob.publish("a", "I was never here").await;
    ann.hear("a", 1).await;
    assert!(away(&row(&mut ann, "bob").await));
    nothing_was_told(&site, &mut ann).await;
    visible(&mut bob, true).await;
    eventually("he is named again", async || {
        ann.ask(json!({"type": "who", "channel": "a"})).await["users"] == json!(["ann", "bob"])
    })
    .await;
    assert_eq!(get("/v1/online").await["list"], json!(["ann", "bob"]));
}

async fn of_several_changes_of_mind_the_last_one_counts(stage: Stage) {
    let site = stage.site().await;
    let (mut ann, mut bob) = (site.account("ann").await, site.account("bob").await);
    watch(&mut ann, "bob").await;
    for last in [false, true] {
        let ids: Vec<String> =
            (0..15).map(|n| bob.begin(json!({"type": "visible", "on": (n % 2 == 0) == last}))).collect();
        for id in ids {
            assert_eq!(bob.reply(&id).await["type"], "ok");
        }
        let shown = if last { "online" } else { "offline" };
        assert_eq!(row(&mut ann, "bob").await["state"], shown);
        eventually("she is told of the last one", async || {
            ann.catch_up().await;
            ann.pending().filter(|event| event["type"] == "presence").last().is_some_and(|it| it["state"] == shown)
        })
        .await;
        let told: Vec<_> = ann.pending().filter(|event| event["type"] == "presence").collect();
        assert!(told.windows(2).all(|two| two[0]["state"] != two[1]["state"]), "{told:?}");
    }
}

async fn a_guest_hides_for_as_long_as_it_is_one(stage: Stage) {
    let site = stage.site().await;
    let (mut ann, mut dan) = (site.account("ann").await, site.guest("dan").await);
    let user = dan.user().to_owned();
    watch(&mut ann, &user).await;
    visible(&mut dan, false).await;
    assert_eq!(told(&mut ann, &user).await["reason"], "disconnected");
    let mut dan = dan.back().await;
    nothing_was_told(&site, &mut ann).await;
    assert!(away(&row(&mut ann, &user).await));
    visible(&mut dan, true).await;
    assert_eq!(told(&mut ann, &user).await["state"], "online");
}

async fn one_who_hides_is_not_betrayed_by_a_registry_that_broke(stage: Stage) {
    let site = stage
        .site_with(|config| {
            config.presence.heartbeat = Duration::from_millis(200);
            config.presence.sweep = Duration::from_millis(50);
        })
        .await;
    let (mut ann, mut bob) = (site.account("ann").await, site.account("bob").await);
    watch(&mut ann, "bob").await;
    watch(&mut bob, "bob").await;
    visible(&mut bob, false).await;
    assert_eq!(told(&mut ann, "bob").await["state"], "offline");
    for _ in 0..2 {
        site.faults.arm("registry.sweep");
        eventually("the fault strikes", async || site.faults.left() == 0).await;
        eventually("it is known again who is there", async || row(&mut bob, "ann").await["state"] == "online").await;
    }
    assert!(ann.pending().all(|event| event["state"] != "online"));
    assert!(bob.pending().all(|event| event["state"] != "offline"));
    assert_eq!(row(&mut ann, "bob").await["state"], "offline");
    visible(&mut bob, true).await;
    ann.event_where("presence", |event| event["state"] == "online").await;
}

async fn one_who_hides_and_comes_is_not_betrayed_by_a_registry_that_broke(stage: Stage) {
    let site = stage
        .site_with(|config| {
            config.presence.heartbeat = Duration::from_millis(200);
            config.presence.sweep = Duration::from_millis(50);
        })
        .await;
    let (mut ann, mut bob, mut dan) = (site.account("ann").await, site.account("bob").await, site.account("dan").await);
    visible(&mut bob, false).await;
    ann.join("a").await;
    ann.ask(json!({"type": "watch", "channel": "a"})).await;
    for round in 0..2 {
        site.faults.arm("registry.sweep");
        bob.join_with("a", json!({"member": false})).await;
        eventually("the fault strikes", async || site.faults.left() == 0).await;
        bob.ask(json!({"type": "leave", "channel": "a", "only": "session"})).await;
        bob.join_with("a", json!({"member": false})).await;
        eventually("it is known again who is there", async || row(&mut bob, "ann").await["state"] == "online").await;
        // Who shows comes behind him, and is told of.
        dan.join_with("a", json!({"member": false})).await;
        if round == 0 {
            told(&mut ann, "dan").await;
        }
        ann.catch_up().await;
        assert!(ann.pending().all(|event| event["user"] != "bob"), "round {round}");
    }
    visible(&mut bob, true).await;
    assert_eq!(told(&mut ann, "bob").await["state"], "online");
}

async fn one_who_hides_is_not_counted_where_they_are_heard_and_does_not_type(stage: Stage) {
    let site = stage.site().await;
    let (mut ann, mut bob) = (site.account("ann").await, site.account("bob").await);
    let bearer = format!("Bearer {}", ann.token());
    let online = async |channel: &str| {
        let get = async |path: String| site.ask(Request::get(path).with("Authorization", &bearer)).await.json();
        let page = get("/v1/channels".into()).await;
        let listed = page["channels"].as_array().into_iter().flatten().find(|row| row["channel"] == channel);
        let online = get(format!("/v1/channels/{channel}")).await["online"].clone();
        assert_eq!(listed.map(|row| row["online"].clone()), Some(online.clone()));
        online
    };
    for channel in ["a", "@ann:bob"] {
        ann.join(channel).await;
        bob.join(channel).await;
        // Whoever was answered is counted.
        ann.ask(json!({"type": "who", "channel": channel})).await;
        for (on, count) in [(false, 1), (true, 2), (false, 1)] {
            visible(&mut bob, on).await;
            assert_eq!(online(channel).await, count, "{channel} {on}");
            assert_eq!(ann.ask(json!({"type": "who", "channel": channel})).await["count"], count);
        }
        bob.ask(json!({"type": "typing", "channel": channel})).await;
        bob.ask(json!({"type": "leave", "channel": channel, "only": "session"})).await;
        bob.join(channel).await;
        assert_eq!(online(channel).await, 1, "he comes unseen");
        ann.has_not_heard("typing").await;
        visible(&mut bob, true).await;
        bob.ask(json!({"type": "typing", "channel": channel})).await;
        ann.event("typing").await;
    }
}

async fn what_is_no_yes_or_no_is_a_bad_frame(stage: Stage) {
    let site = stage.site().await;
    let mut bob = site.account("bob").await;
    assert_eq!(bob.refused(json!({"type": "visible"})).await, "bad_frame");
    for bad in [json!(null), json!(0), json!("off"), json!([false]), json!({})] {
        assert_eq!(bob.refused(json!({"type": "visible", "on": bad})).await, "bad_frame");
    }
    visible(&mut bob, true).await;
}
