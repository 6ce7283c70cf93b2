//! Channels as places with owners: made, tended and deleted; roles, kicks, bans and mutes.

use serde_json::{Value, json};

use crate::support::{Client, Stage, eventually, publish};

scenarios! {
    everywhere:
        an_account_that_creates_a_channel_owns_it_after_a_restart_too,
        one_who_is_banned_is_shut_out_until_that_is_taken_back,
        a_deleted_channel_is_gone_and_a_later_one_of_that_name_is_another,
        what_a_crash_left_of_a_deletion_or_a_creation_is_no_channel,
        a_membership_of_before_there_were_roles_is_still_one;
    once:
        one_who_is_muted_reads_and_says_nothing,
        one_who_is_kicked_hears_no_more_and_may_come_back,
        nobody_orders_upward_and_the_last_owner_stays,
        an_operator_is_above_all,
        a_guest_belongs_and_is_put_out_like_anyone_but_owns_nothing,
        members_are_read_in_pages_with_their_roles_and_who_is_online;
}

pub async fn tend(client: &mut Client, command: &str, channel: &str, user: &str) -> Value {
    client.ask(json!({"type": command, "channel": channel, "user": user})).await
}

pub async fn refused(client: &mut Client, command: &str, channel: &str, user: &str) -> String {
    client.refused(json!({"type": command, "channel": channel, "user": user})).await
}

fn give(channel: &str, user: &str, role: &str) -> Value {
    json!({"type": "role", "channel": channel, "user": user, "role": role})
}

pub async fn create(client: &mut Client, channel: &str, private: bool) {
    let created = client.ask(json!({"type": "create", "channel": channel, "private": private})).await;
    assert_eq!((&created["channel"], &created["private"]), (&json!(channel), &json!(private)));
    assert!(created["epoch"].is_string());
}

/// Names and roles.
pub async fn members(client: &mut Client, channel: &str) -> Vec<(String, String)> {
    let page = client.ask(json!({"type": "members", "channel": channel})).await;
    let text = |row: &Value, member: &str| row[member].as_str().unwrap_or_default().to_owned();
    page["members"].as_array().into_iter().flatten().map(|row| (text(row, "user"), text(row, "role"))).collect()
}

fn pairs(of: &[(&str, &str)]) -> Vec<(String, String)> {
    of.iter().map(|(user, role)| ((*user).to_owned(), (*role).to_owned())).collect()
}

pub async fn closed(client: &mut Client, channel: &str, reason: &str) {
    let event = client.event("closed").await;
    assert_eq!((&event["channel"], &event["reason"]), (&json!(channel), &json!(reason)));
}

async fn an_account_that_creates_a_channel_owns_it_after_a_restart_too(stage: Stage) {
    let mut site = stage.lasting_site(|_| {}).await;
    let mut ann = site.account("ann").await;
    let mut guest = site.guest("bob").await;
    assert_eq!(guest.refused(json!({"type": "create", "channel": "a"})).await, "forbidden");
    let made = json!({"type": "create", "channel": "a", "title": "The room"});
    let epoch = ann.ask(made.clone()).await["epoch"].clone();
    assert_eq!(ann.refused(made.clone()).await, "conflict");
    assert_eq!(guest.refused(made).await, "forbidden");
    guest.join("b").await;
    assert_eq!(ann.refused(json!({"type": "create", "channel": "b"})).await, "conflict");
    assert_eq!(ann.refused(json!({"type": "create", "channel": "@bob"})).await, "forbidden");
    assert_eq!(members(&mut ann, "a").await, pairs(&[("ann", "owner")]));
    assert_eq!(ann.join("a").await["epoch"], epoch);
    for _ in 0..2 {
        let channels = ann.ask(json!({"type": "channels"})).await;
        let row = &channels["channels"][0];
        assert_eq!((&row["channel"], &row["role"], &row["title"]), (&json!("a"), &json!("owner"), &json!("The room")));
        assert_eq!(members(&mut ann, "a").await, pairs(&[("ann", "owner")]));
        site.restart().await;
        ann = ann.moved(site.address).back().await;
    }
    assert_eq!(members(&mut ann, "b").await, pairs(&[(guest.user(), "member")]), "of nobody's channel");
}

async fn one_who_is_banned_is_shut_out_until_that_is_taken_back(stage: Stage) {
    let mut site = stage.lasting_site(|_| {}).await;
    let (mut ann, mut bob) = (site.account("ann").await, site.account("bob").await);
    create(&mut ann, "a", false).await;
    let mut second = bob.twin().await;
    for one in [&mut ann, &mut bob, &mut second] {
        one.join("a").await;
    }
    bob.publish("a", "hello").await;
    ann.ask(json!({"type": "ban", "channel": "a", "user": "bob", "reason": "noise"})).await;
    closed(&mut bob, "a", "banned").await;
    closed(&mut second, "a", "banned").await;
    let event = ann.event_where("member", |event| event["change"] == "banned").await;
    assert_eq!((&event["user"], &event["by"], &event["reason"]), (&json!("bob"), &json!("ann"), &json!("noise")));
    ann.publish("a", "without bob").await;
    for restarted in [false, true] {
        if restarted {
            site.restart().await;
            (ann, bob) = (ann.moved(site.address).back().await, bob.moved(site.address).back().await);
        }
        for command in [
            json!({"type": "join", "channel": "a"}),
            publish("a", "again", json!({})),
            json!({"type": "history", "channel": "a"}),
            json!({"type": "who", "channel": "a"}),
            json!({"type": "members", "channel": "a"}),
            json!({"type": "watch", "channel": "a"}),
            json!({"type": "unban", "channel": "a", "user": "bob"}),
        ] {
            assert_eq!(bob.refused(command.clone()).await, "forbidden", "{command}");
        }
        assert_eq!(bob.refused(json!({"type": "leave", "channel": "a"})).await, "not_joined");
        assert_eq!(bob.ask(json!({"type": "channels"})).await["channels"], json!([]));
    }
    tend(&mut ann, "unban", "a", "bob").await;
    tend(&mut ann, "unban", "a", "bob").await;
    bob.join("a").await;
    bob.publish("a", "back").await;
}

async fn a_deleted_channel_is_gone_and_a_later_one_of_that_name_is_another(stage: Stage) {
    let mut site = stage.lasting_site(|_| {}).await;
    let (mut ann, mut bob, mut carol) =
        (site.account("ann").await, site.account("bob").await, site.account("carol").await);
    create(&mut ann, "a", true).await;
    for who in ["bob", "carol"] {
        tend(&mut ann, "invite", "a", who).await;
    }
    bob.join("a").await;
    let epoch = carol.join_with("a", json!({})).await["epoch"].clone();
    carol.ask(json!({"type": "leave", "channel": "a", "only": "session"})).await;
    bob.publish("a", "hello").await;
    assert_eq!(bob.refused(json!({"type": "delete", "channel": "a"})).await, "forbidden");
    carol.event("activity").await;
    ann.ask(json!({"type": "delete", "channel": "a"})).await;
    closed(&mut bob, "a", "deleted").await;
    let told = carol.event_where("activity", |event| event["change"] == "removed").await;
    assert_eq!(told["channel"], "a");
    for restarted in [false, true] {
        if restarted {
            site.restart().await;
            ann = ann.moved(site.address).back().await;
            bob = bob.moved(site.address).back().await;
        }
        for one in [&mut ann, &mut bob] {
            assert_eq!(one.refused(publish("a", "anyone?", json!({}))).await, "not_found");
            assert_eq!(one.refused(json!({"type": "history", "channel": "a"})).await, "not_found");
            assert_eq!(one.ask(json!({"type": "channels"})).await["channels"], json!([]));
        }
    }
    let joined = bob.join("a").await;
    assert_eq!((&joined["head"], joined["epoch"] == epoch), (&json!(0), false));
    assert_eq!(members(&mut ann, "a").await, pairs(&[("bob", "member")]), "it is public now, and nobody's");
    assert_eq!(bob.publish("a", "first").await["seq"], 1);
}

async fn what_a_crash_left_of_a_deletion_or_a_creation_is_no_channel(stage: Stage) {
    let mut site = stage.lasting_site(|_| {}).await;
    let (mut ann, mut bob) = (site.account("ann").await, site.account("bob").await);
    create(&mut ann, "a", false).await;
    bob.join("a").await;
    bob.publish("a", "hello").await;
    ann.ask(give("a", "bob", "muted")).await;
    site.stop().await;
    // It was written that it ends, and nothing else was done.
    site.write_record("place/a", |_| json!({"private": false, "ending": true}));
    // Its records were written, and no log was made.
    site.write_record("place/b", |_| json!({"private": true}));
    site.write_record("p/b/ann", |_| json!({"role": "owner"}));
    site.write_record("c/b/ann", |_| json!({"read": 0}));
    site.start().await;
    (ann, bob) = (ann.moved(site.address).back().await, bob.moved(site.address).back().await);
    assert_eq!(bob.ask(json!({"type": "channels"})).await["channels"], json!([]));
    assert_eq!(site.get("/v1/channels").await.json()["channels"], json!([]));
    assert_eq!(site.get("/v1/channels/a").await.status, 404);
    for channel in ["a", "b"] {
        assert_eq!(ann.refused(json!({"type": "history", "channel": channel})).await, "not_found");
        assert_eq!(bob.join(channel).await["head"], 0);
        bob.publish(channel, "anew").await;
        assert_eq!(members(&mut ann, channel).await, pairs(&[("bob", "member")]));
        assert_eq!(ann.refused(json!({"type": "delete", "channel": channel})).await, "forbidden");
    }
}

async fn a_membership_of_before_there_were_roles_is_still_one(stage: Stage) {
    let mut site = stage.lasting_site(|_| {}).await;
    let mut bob = site.account("bob").await;
    bob.join("a").await;
    bob.publish("a", "hello").await;
    site.stop().await;
    site.write_record("c/a/bob", |_| json!({"role": "member", "read": 1}));
    site.start().await;
    let mut bob = bob.moved(site.address).back().await;
    let channels = bob.ask(json!({"type": "channels"})).await;
    let row = &channels["channels"][0];
    assert_eq!((&row["role"], &row["read"]), (&json!("member"), &json!(1)));
    assert_eq!(members(&mut bob, "a").await, pairs(&[("bob", "member")]));
}

async fn one_who_is_muted_reads_and_says_nothing(stage: Stage) {
    let site = stage.site().await;
    let (mut ann, mut bob) = (site.account("ann").await, site.account("bob").await);
    create(&mut ann, "a", false).await;
    ann.join("a").await;
    bob.join("a").await;
    ann.ask(give("a", "bob", "muted")).await;
    let event = bob.event_where("member", |event| event["change"] == "role").await;
    assert_eq!((&event["user"], &event["role"], &event["by"]), (&json!("bob"), &json!("muted"), &json!("ann")));
    for _ in 0..2 {
        assert_eq!(bob.refused(publish("a", "hm", json!({}))).await, "forbidden");
        bob.ask(json!({"type": "typing", "channel": "a"})).await;
        bob.history("a", json!({})).await;
        let head = ann.publish("a", "quiet now").await["seq"].as_u64().expect("a place");
        bob.hear("a", head).await;
        bob.ask(json!({"type": "leave", "channel": "a"})).await;
        bob.join("a").await;
    }
    ann.has_not_heard("typing").await;
    assert_eq!(members(&mut ann, "a").await, pairs(&[("ann", "owner"), ("bob", "muted")]));
    ann.ask(give("a", "bob", "member")).await;
    bob.publish("a", "at last").await;
}

async fn one_who_is_kicked_hears_no_more_and_may_come_back(stage: Stage) {
    let site = stage.site().await;
    let (mut ann, mut bob) = (site.account("ann").await, site.account("bob").await);
    create(&mut ann, "a", false).await;
    let mut second = bob.twin().await;
    ann.join("a").await;
    bob.join("a").await;
    ann.ask(json!({"type": "watch", "channel": "a"})).await;
    ann.ask(give("a", "bob", "moderator")).await;
    second.forget().await;
    tend(&mut ann, "kick", "a", "bob").await;
    closed(&mut bob, "a", "kicked").await;
    let told = second.event("activity").await;
    assert_eq!((&told["channel"], &told["change"], &told["from"]), (&json!("a"), &json!("removed"), &json!("ann")));
    ann.event_where("member", |event| event["change"] == "kicked" && event["user"] == "bob").await;
    ann.publish("a", "without bob").await;
    bob.has_not_heard("activity").await;
    second.has_not_heard("closed").await;
    assert_eq!(refused(&mut ann, "kick", "a", "bob").await, "not_found");
    bob.join("a").await;
    assert_eq!(members(&mut ann, "a").await, pairs(&[("ann", "owner"), ("bob", "member")]), "no moderator any more");
}

async fn nobody_orders_upward_and_the_last_owner_stays(stage: Stage) {
    let site = stage.site().await;
    let (mut ann, mut bob, mut carol, mut dave) =
        (site.account("ann").await, site.account("bob").await, site.account("carol").await, site.account("dave").await);
    create(&mut ann, "a", false).await;
    for one in [&mut ann, &mut bob, &mut carol, &mut dave] {
        one.join("a").await;
    }
    for who in ["bob", "carol"] {
        ann.ask(give("a", who, "moderator")).await;
    }
    for command in ["kick", "ban", "unban"] {
        for whom in ["ann", "carol", "bob"] {
            assert_eq!(refused(&mut bob, command, "a", whom).await, "forbidden", "{command} {whom}");
        }
        assert_eq!(refused(&mut dave, command, "a", "bob").await, "forbidden", "{command}");
    }
    for (whom, role) in [("dave", "moderator"), ("bob", "owner"), ("carol", "member"), ("ann", "muted")] {
        assert_eq!(bob.refused(give("a", whom, role)).await, "forbidden", "{whom} {role}");
    }
    assert_eq!(dave.refused(give("a", "dave", "member")).await, "forbidden");
    assert_eq!(bob.refused(json!({"type": "delete", "channel": "a"})).await, "forbidden");
    assert_eq!(ann.refused(give("a", "nobody", "muted")).await, "not_found");
    assert_eq!(refused(&mut ann, "ban", "a", "nobody").await, "not_found");
    assert_eq!(ann.refused(give("a", "ann", "member")).await, "conflict");
    bob.ask(give("a", "dave", "muted")).await;
    ann.ask(give("a", "bob", "owner")).await;
    assert_eq!(refused(&mut ann, "kick", "a", "bob").await, "forbidden");
    ann.ask(give("a", "ann", "member")).await;
    tend(&mut bob, "kick", "a", "ann").await;
    closed(&mut ann, "a", "kicked").await;
    let left = [("bob", "owner"), ("carol", "moderator"), ("dave", "muted")];
    assert_eq!(members(&mut bob, "a").await, pairs(&left));
}

async fn an_operator_is_above_all(stage: Stage) {
    let mut site = stage.lasting_site(|_| {}).await;
    let mut ann = site.account("ann").await;
    drop(site.account("oz").await);
    site.stop().await;
    site.make_operator("oz");
    site.start().await;
    ann = ann.moved(site.address).back().await;
    let mut oz = site.account("oz").await;
    create(&mut ann, "a", true).await;
    ann.join("a").await;
    ann.publish("a", "in private").await;
    oz.join("a").await;
    assert_eq!(oz.history("a", json!({})).await["head"], 1);
    tend(&mut oz, "ban", "a", "ann").await;
    closed(&mut ann, "a", "banned").await;
    assert_eq!(ann.refused(json!({"type": "join", "channel": "a"})).await, "not_found");
    tend(&mut oz, "unban", "a", "ann").await;
    tend(&mut oz, "invite", "a", "ann").await;
    ann.join("a").await;
    oz.ask(json!({"type": "delete", "channel": "a"})).await;
    closed(&mut ann, "a", "deleted").await;
}

async fn a_guest_belongs_and_is_put_out_like_anyone_but_owns_nothing(stage: Stage) {
    let site = stage.site().await;
    let (mut ann, mut eve) = (site.account("ann").await, site.guest("eve").await);
    create(&mut ann, "a", false).await;
    ann.join("a").await;
    eve.join("a").await;
    let name = eve.user().to_owned();
    assert_eq!(ann.refused(give("a", &name, "moderator")).await, "forbidden");
    ann.ask(give("a", &name, "muted")).await;
    assert_eq!(eve.refused(publish("a", "hm", json!({}))).await, "forbidden");
    tend(&mut ann, "ban", "a", &name).await;
    closed(&mut eve, "a", "banned").await;
    assert_eq!(eve.refused(json!({"type": "join", "channel": "a"})).await, "forbidden");
}

async fn members_are_read_in_pages_with_their_roles_and_who_is_online(stage: Stage) {
    let site = stage.site().await;
    let mut ann = site.account("ann").await;
    create(&mut ann, "a", false).await;
    let mut all = vec!["ann".to_owned()];
    let mut guests = Vec::new();
    for n in 0..4 {
        let mut guest = site.guest(&format!("g{n}")).await;
        guest.join("a").await;
        all.push(guest.user().to_owned());
        guests.push(guest);
    }
    all.sort();
    let mut gone = guests.remove(0);
    let left = gone.user().to_owned();
    gone.ask(json!({"type": "logout"})).await;
    let (mut found, mut after) = (Vec::<String>::new(), Value::Null);
    loop {
        let mut command = json!({"type": "members", "channel": "a", "limit": 2});
        if !after.is_null() {
            command["after"] = after.take();
        }
        let page = ann.ask(command).await;
        for row in page["members"].as_array().into_iter().flatten() {
            let user = row["user"].as_str().unwrap_or_default().to_owned();
            assert_eq!(row["role"], if user == "ann" { "owner" } else { "member" });
            assert!(row["online"] == (user != left) || user == left, "{row}");
            found.push(user);
        }
        after = json!(found.last());
        if page["more"] != true {
            break;
        }
    }
    assert_eq!(found, all);
    eventually("one is seen to be gone", async || {
        let page = ann.ask(json!({"type": "members", "channel": "a"})).await;
        page["members"].as_array().into_iter().flatten().any(|row| row["user"] == left && row["online"] == false)
    })
    .await;
}
