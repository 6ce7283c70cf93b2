//! A history that holds is doctored in one place, and read again: the program ends with 1 and names the promise.

use std::collections::{HashMap, HashSet};
use std::fs::File;
use std::io::{BufReader, BufWriter};

use parlor::checker::{Entry, History, SessionNo, What};
use serde_json::Value;

use crate::run::{Leg, check, names};

/// A message in the middle of what a session hears of a channel, so that more of the same follows it.
fn heard_message(history: &History) -> usize {
    let over_longpoll: HashSet<SessionNo> = history
        .entries
        .iter()
        .filter_map(|entry| match &entry.what {
            What::Opened { session, over } => (over == "longpoll").then_some(*session),
            _ => None,
        })
        .collect();
    // By session and channel, the messages that came since its `joined`, and nothing of the channel between them.
    let mut runs: HashMap<(SessionNo, &str), Vec<usize>> = HashMap::new();
    for (at, entry) in history.entries.iter().enumerate() {
        let (What::Got { session, frame } | What::Sent { session, frame }) = &entry.what else { continue };
        let Some(channel) = frame["channel"].as_str().filter(|_| !over_longpoll.contains(session)) else { continue };
        match frame["type"].as_str() {
            Some("joined") => drop(runs.insert((*session, channel), Vec::new())),
            Some("join" | "leave" | "left" | "closed") => drop(runs.remove(&(*session, channel))),
            Some("message") => {
                if let Some(run) = runs.get_mut(&(*session, channel)) {
                    run.push(at);
                    if let [_, middle, _] = run[..] {
                        return middle;
                    }
                }
            }
            _ => {}
        }
    }
    panic!("nobody has heard three messages of a channel in a row");
}

/// The receipt of a message that is not the newest of its channel, so that there is another one at the next place.
fn receipt(history: &History) -> usize {
    let mut heads: HashMap<&str, u64> = HashMap::new();
    for entry in &history.entries {
        if let What::Log { channel, head, .. } = &entry.what {
            heads.insert(channel, *head);
        }
    }
    let early = |entry: &Entry| {
        let What::Got { frame, .. } = &entry.what else { return false };
        let head = frame["channel"].as_str().and_then(|channel| heads.get(channel)).copied().unwrap_or_default();
        frame["type"] == "published"
            && frame["duplicate"] != true
            && frame["seq"].as_u64().is_some_and(|seq| seq < head)
    };
    history.entries.iter().position(early).expect("a receipt that is not the last")
}

fn frame(entry: &mut Entry) -> &mut Value {
    match &mut entry.what {
        What::Got { frame, .. } => frame,
        other => panic!("{other:?} has no frame that somebody got"),
    }
}

#[test]
fn a_history_that_was_doctored_in_one_place_is_found_out() {
    let leg = Leg { name: "doctored", seed: 2, secs: 2, clients: 4, further: &["--no-small-disk"], planted: None };
    let done = leg.run();
    assert_eq!(done.code, Some(0));
    let whole = History::read(BufReader::new(File::open(&done.history).expect("it is kept"))).expect("it is a history");
    let (message, receipt) = (heard_message(&whole), receipt(&whole));
    let doctored: [(&str, &[&str], History); 3] = [
        ("a message is left out", &["hole"], {
            let mut history = whole.clone();
            history.entries.remove(message);
            history
        }),
        ("a message comes twice", &["double"], {
            let mut history = whole.clone();
            history.entries.insert(message, whole.entries[message].clone());
            history
        }),
        ("a receipt names the next place", &["receipt-message", "two-receipts"], {
            let mut history = whole.clone();
            let frame = frame(&mut history.entries[receipt]);
            frame["seq"] = (frame["seq"].as_u64().expect("a place") + 1).into();
            history
        }),
    ];
    for (what, rules, history) in doctored {
        let file = done.kept.join("doctored.ndjson");
        history.write(BufWriter::new(File::create(&file).expect("a file"))).expect("it is written");
        let (code, said) = check(&file);
        assert_eq!(code, Some(1), "{what}: {said}");
        assert!(rules.iter().any(|rule| names(&said, rule)), "{what}: {said}");
    }
    done.forget();
}
