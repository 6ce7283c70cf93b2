//! Who may do what, as a table: every command and request about a channel, by everyone there may be.

use serde_json::{Value, json};

use crate::places::closed;
use crate::support::{Client, Request, Site, Stage};

scenarios! {
    once:
        everyone_may_do_what_the_table_says;
}

/// The commands, each in a channel where everything before it in its row was tried, too. They end with the destructive ones.
const COMMANDS: [&str; 15] = [
    "join", "watch", "publish", "history", "who", "members", "create", "mute", "invite", "kick", "ban", "unban",
    "appoint", "delete", "gone",
];

/// For each of [`COMMANDS`]: `+` done, `-` `forbidden`, `?` `not_found`, `=` `conflict`. First in a public channel, then in
/// a private one.
const TABLE: [(&str, &str, &str); 9] = [
    ("stranger", "++++++=--------", "??????=????????"),
    ("guest", "++++++---------", "??????-????????"),
    ("member", "++++++=--------", "++++++=--------"),
    ("muted", "++-+++=--------", "++-+++=--------"),
    ("moderator", "++++++=+++++---", "++++++=+++++---"),
    ("owner", "++++++=+++++++?", "++++++=+++++++?"),
    ("banned", "------=--------", "??????=????????"),
    ("invited", "++++++=--------", "++++++=--------"),
    ("operator", "++++++=+++++++?", "++++++=+++++++?"),
];

fn command(what: &str, channel: &str) -> Value {
    let user = |kind: &str| json!({"type": kind, "channel": channel, "user": "victim"});
    let role = |role: &str| json!({"type": "role", "channel": channel, "user": "victim", "role": role});
    match what {
        "publish" => json!({"type": "publish", "channel": channel, "body": {}}),
        "mute" => role("muted"),
        "appoint" => role("moderator"),
        "gone" => json!({"type": "delete", "channel": channel}),
        "invite" => json!({"type": "invite", "channel": channel, "user": "other"}),
        "kick" | "ban" | "unban" => user(what),
        plain => json!({"type": plain, "channel": channel}),
    }
}

fn shown(answer: &Value) -> char {
    match answer["code"].as_str() {
        None => '+',
        Some("forbidden") => '-',
        Some("not_found") => '?',
        Some("conflict") => '=',
        Some(_) => '!',
    }
}

/// What a plain request is answered with, shown likewise.
async fn asked(site: &Site, channel: &str, path: &str, token: &str) -> char {
    let request = Request::get(format!("/v1/channels/{channel}{path}"));
    match site.ask(request.with("Authorization", &format!("Bearer {token}"))).await.status {
        200 => '+',
        403 => '-',
        404 => '?',
        _ => '!',
    }
}

/// Has `ann` make a channel in which the victim is a member and `who` is what the table says.
async fn prepare(ann: &mut Client, victim: &mut Client, actor: &mut Client, who: &str, channel: &str, private: bool) {
    ann.ask(json!({"type": "create", "channel": channel, "private": private})).await;
    ann.ask(json!({"type": "invite", "channel": channel, "user": "victim"})).await;
    victim.join(channel).await;
    let name = actor.user().to_owned();
    let joins = matches!(who, "member" | "muted" | "moderator" | "owner" | "banned");
    if joins || who == "invited" {
        ann.ask(json!({"type": "invite", "channel": channel, "user": name})).await;
    }
    if joins {
        actor.join_with(channel, json!({})).await;
    }
    if matches!(who, "muted" | "moderator" | "owner") {
        ann.ask(json!({"type": "role", "channel": channel, "user": name, "role": who})).await;
    }
    if who == "banned" {
        ann.ask(json!({"type": "ban", "channel": channel, "user": name})).await;
        closed(actor, channel, "banned").await;
    }
}

async fn everyone_may_do_what_the_table_says(stage: Stage) {
    let mut site = stage.lasting_site(|_| {}).await;
    for (who, ..) in TABLE {
        assert!(who == "guest" || site.sign_up(who).await.status == 201);
    }
    site.stop().await;
    site.make_operator("operator");
    site.start().await;
    let (mut ann, mut victim) = (site.account("ann").await, site.account("victim").await);
    assert_eq!(site.sign_up("other").await.status, 201);
    for (who, public, private) in TABLE {
        let mut actor = if who == "guest" { site.guest(who).await } else { site.account(who).await };
        for (is_private, expected) in [(false, public), (true, private)] {
            let channel = format!("{who}-{is_private}");
            prepare(&mut ann, &mut victim, &mut actor, who, &channel, is_private).await;
            let mut got = String::new();
            for what in COMMANDS {
                if what == "unban" || what == "appoint" {
                    // Whatever became of the victim, it is back.
                    ann.command(json!({"type": "unban", "channel": channel, "user": "victim"})).await;
                    ann.command(json!({"type": "invite", "channel": channel, "user": "victim"})).await;
                }
                if what == "ban" || what == "kick" {
                    ann.command(json!({"type": "invite", "channel": channel, "user": "victim"})).await;
                    victim.command(json!({"type": "join", "channel": channel})).await;
                }
                got.push(shown(&actor.command(command(what, &channel)).await));
            }
            assert_eq!(got, expected, "{who} in {channel}");
        }
    }
    // Reading by plain requests follows the same table.
    for (who, public, private) in TABLE {
        let mut actor = if who == "guest" { site.guest(who).await } else { site.account(who).await };
        for (is_private, expected) in [(false, public), (true, private)] {
            let channel = format!("{who}-{is_private}-again");
            prepare(&mut ann, &mut victim, &mut actor, who, &channel, is_private).await;
            let row = asked(&site, &channel, "", actor.token()).await;
            let log = asked(&site, &channel, "/messages", actor.token()).await;
            let members = asked(&site, &channel, "/members", actor.token()).await;
            let reads = if who == "invited" && is_private { "-" } else { &expected[3..4] };
            let sees = if who == "invited" { "+" } else { reads };
            assert_eq!(format!("{row}{log}{members}"), format!("{sees}{reads}{reads}"), "{who} in {channel}");
        }
    }
}
