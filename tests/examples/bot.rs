//! The bot, over a real server: it answers each question once, whenever it is killed.

use std::collections::BTreeMap;
use std::path::Path;

use serde_json::{Value, json};

use crate::program::Program;
use crate::support::{Client, Engine, Site, Stage, Transport, eventually};

#[path = "../../examples/bot/answer.rs"]
#[allow(dead_code, reason = "the example uses it; here are its unit tests")]
mod answer;

async fn site() -> Site {
    Stage { engine: Engine::Sled, transport: Transport::WebSocket }.site().await
}

fn start(site: &Site, state: &Path, name: &str) -> Program {
    let (url, state) = (format!("http://{}", site.address), state.display().to_string());
    Program::start("bot", &["--url", &url, "--name", name, "--state", &state, "lobby"], &[])
}

/// Starts one, and waits until it hears the lobby.
async fn enter(site: &Site, state: &Path, name: &str) -> Program {
    let mut bot = start(site, state, name);
    bot.says("in lobby").await;
    bot
}

async fn ask(person: &mut Client, text: &str) -> u64 {
    person.publish("lobby", text).await["seq"].as_u64().expect("a place")
}

/// The answers that there are to each message, by its place.
async fn answers(reader: &mut Client) -> BTreeMap<u64, Vec<String>> {
    let page = reader.history("lobby", json!({"after": 0, "limit": 1000})).await;
    let mut answers: BTreeMap<u64, Vec<String>> = BTreeMap::new();
    for message in
        page["messages"].as_array().expect("messages").iter().filter(|message| message["body"]["bot"] == true)
    {
        let text = message["body"]["text"].as_str().expect("words");
        answers.entry(message["ref"].as_u64().expect("a question")).or_default().push(text.to_owned());
    }
    answers
}

async fn answer_to(person: &mut Client, seq: u64) -> Value {
    person.event_where("message", |frame| frame["ref"] == seq && frame["body"]["bot"] == true).await
}

#[tokio::test]
async fn it_answers_people_and_neither_itself_nor_other_bots() {
    let (site, home) = (site().await, tempfile::tempdir().expect("a directory"));
    let mut ann = site.guest("ann").await;
    ann.join("lobby").await;
    let old = ask(&mut ann, "!help").await;
    let bot = enter(&site, &home.path().join("bot.json"), "bot").await;
    let other = enter(&site, &home.path().join("other.json"), "other").await;

    let hello = ask(&mut ann, "@bot, are you there? And @other?").await;
    for _ in 0..2 {
        let said = answer_to(&mut ann, hello).await;
        assert!(said["body"]["text"].as_str().expect("words").starts_with("ann: at your service"), "{said}");
    }
    // Both say what the other would answer, if it were said by people.
    let echo = ask(&mut ann, "!echo !echo @bot @other").await;
    for _ in 0..2 {
        assert_eq!(answer_to(&mut ann, echo).await["body"]["text"], "!echo @bot @other");
    }
    let odd = json!({"type": "publish", "channel": "lobby", "kind": "x-odd", "body": {"text": "!help"}});
    let odd = ann.ask(odd).await["seq"].as_u64().expect("a place");
    let roll = ask(&mut ann, "!roll 3d6").await;
    for _ in 0..2 {
        answer_to(&mut ann, roll).await;
    }
    let all = answers(&mut ann).await;
    assert_eq!(
        all.iter().map(|(seq, texts)| (*seq, texts.len())).collect::<Vec<_>>(),
        [(hello, 2), (echo, 2), (roll, 2)]
    );
    assert!(!all.contains_key(&old) && !all.contains_key(&odd));
    bot.stop().await;
    other.stop().await;
}

#[tokio::test]
async fn each_question_has_one_answer_however_often_it_is_killed() {
    let (site, home) = (site().await, tempfile::tempdir().expect("a directory"));
    let state = home.path().join("bot.json");
    let mut ann = site.guest("ann").await;
    ann.join("lobby").await;
    let mut bot = enter(&site, &state, "bot").await;
    let mut asked = Vec::new();
    for round in 0..4 {
        for n in 0..5 {
            asked.push(ask(&mut ann, &format!("!echo {round} {n}")).await);
        }
        ask(&mut ann, "this is for nobody").await;
        // At the moment at which an answer is heard, and perhaps not yet written down.
        answer_to(&mut ann, asked[asked.len() - 5 + round]).await;
        bot.kill().await;
        for n in 5..8 {
            asked.push(ask(&mut ann, &format!("!echo {round} {n}")).await);
        }
        bot = start(&site, &state, "bot");
    }
    answer_to(&mut ann, *asked.last().expect("questions")).await;
    bot.stop().await;
    let all = answers(&mut ann).await;
    assert_eq!(all.keys().copied().collect::<Vec<_>>(), asked);
    let texts: Vec<_> = (0..4).flat_map(|round| (0..8).map(move |n| vec![format!("{round} {n}")])).collect();
    assert_eq!(all.into_values().collect::<Vec<_>>(), texts);
}

#[tokio::test]
async fn a_cursor_that_was_not_written_down_makes_no_second_answer() {
    let (site, home) = (site().await, tempfile::tempdir().expect("a directory"));
    let state = home.path().join("bot.json");
    let mut ann = site.guest("ann").await;
    ann.join("lobby").await;
    let bot = enter(&site, &state, "bot").await;
    let first = ask(&mut ann, "!roll 20d1000").await;
    answer_to(&mut ann, first).await;
    let second = ask(&mut ann, "!roll 20d1000").await;
    // With the second, the first is written down.
    answer_to(&mut ann, second).await;
    let before = std::fs::read(&state).expect("a file");
    let third = ask(&mut ann, "!roll 20d1000").await;
    answer_to(&mut ann, third).await;
    bot.stop().await;

    // As if it had been killed between the receipt and the file.
    std::fs::write(&state, before).expect("it can be written");
    let bot = enter(&site, &state, "bot").await;
    let last = ask(&mut ann, "!time").await;
    answer_to(&mut ann, last).await;
    bot.stop().await;
    let all = answers(&mut ann).await;
    let counts: Vec<_> = all.iter().map(|(seq, texts)| (*seq, texts.len())).collect();
    assert_eq!(counts, [(first, 1), (second, 1), (third, 1), (last, 1)]);
}

#[tokio::test]
async fn a_promise_is_kept_by_the_next_run() {
    let (site, home) = (site().await, tempfile::tempdir().expect("a directory"));
    let state = home.path().join("bot.json");
    let mut ann = site.guest("ann").await;
    ann.join("lobby").await;
    let bot = enter(&site, &state, "bot").await;
    let asked = ask(&mut ann, "!remind 3s the tea").await;
    assert_eq!(answer_to(&mut ann, asked).await["body"]["text"], "ann: I will remind you");
    eventually("it is written down", async || {
        std::fs::read_to_string(&state).is_ok_and(|text| text.contains("the tea"))
    })
    .await;
    bot.kill().await;
    let bot = enter(&site, &state, "bot").await;
    assert_eq!(answer_to(&mut ann, asked).await["body"]["text"], "ann: the tea");
    eventually("it is done", async || std::fs::read_to_string(&state).is_ok_and(|text| !text.contains("the tea")))
        .await;
    bot.stop().await;
    assert_eq!(answers(&mut ann).await[&asked].len(), 2);
}
