//! Small worlds, gone through in every order of events that departs from the plain one a few times: who subscribes while
//! others publish, what a channel that breaks has said and not said, two connections of one user, a channel that falls
//! asleep. (Every schedule with a bounded number of deviations: Emmi, Qadeer and Rakamarić, Delay-bounded scheduling, 2011.)

use std::collections::BTreeMap;

use parlor::checker::{SessionNo, check};
use serde_json::{Value, json};

use crate::agent::{Agent, At};
use crate::dice::Chooser;
use crate::line::Heard;
use crate::trouble::{Event, Plan};
use crate::variable;
use crate::world::World;

/// When the events begin whose orders are gone through.
const GO: u64 = 1100;
/// Within so many choices the order departs from the plain one.
const DEPTH: usize = 60;

/// What an agent does by its script.
#[derive(Clone)]
enum Act {
    /// Opens a line and says hello, as whoever it was before.
    Open,
    /// Says something over the line of this number.
    Say(usize, Value),
    /// Leaves a line.
    Leave(usize),
}

/// An agent that follows a script, and sends a publish again whose fate it does not know.
struct Scripted {
    number: usize,
    script: Vec<(u64, Act)>,
    next: usize,
    lines: Vec<SessionNo>,
    token: Option<String>,
    sent: BTreeMap<String, (usize, Value)>,
    ids: u64,
}

impl Scripted {
    fn boxed(number: usize, script: &[(u64, Act)]) -> Box<dyn Agent> {
        let script = script.to_vec();
        Box::new(Self { number, script, next: 0, lines: vec![], token: None, sent: BTreeMap::new(), ids: 0 })
    }

    fn say(&mut self, at: &mut At<'_>, line: usize, mut frame: Value) {
        self.ids += 1;
        let id = format!("{}-{}", self.number, self.ids);
        frame["id"] = json!(id);
        at.say(self.lines[line], frame.clone());
        self.sent.insert(id, (line, frame));
    }
}

impl Agent for Scripted {
    fn hear(&mut self, at: &mut At<'_>, no: SessionNo, heard: Heard, frame: Option<&Value>) {
        let Some(line) = self.lines.iter().position(|line| *line == no) else { return };
        if heard == Heard::Opened {
            let mut hello = json!({"type": "hello", "version": 1, "guest": format!("s{}", self.number)});
            if let Some(token) = &self.token {
                hello["token"] = json!(token);
            }
            self.say(at, line, hello);
        }
        let Some(frame) = frame else { return };
        if frame["type"] == "welcome" {
            self.token = frame["token"].as_str().map(str::to_owned);
            if let Some(user) = frame["user"].as_str() {
                at.users.push(user.to_owned());
            }
        }
        let sent = frame["id"].as_str().and_then(|id| self.sent.remove(id));
        if let Some((line, command)) = sent
            && frame["code"] == "unavailable"
        {
            self.say(at, line, command);
        }
    }

    fn due(&self) -> u64 {
        self.script.get(self.next).map_or(u64::MAX, |(at, _)| *at)
    }

    fn act(&mut self, at: &mut At<'_>) {
        let Some((_, act)) = self.script.get(self.next).cloned() else { return };
        self.next += 1;
        match act {
            Act::Open => self.lines.push(at.open(self.number, true)),
            Act::Say(line, mut frame) => {
                if frame["users"] == "all" {
                    frame["users"] = json!(at.users);
                }
                self.say(at, line, frame);
            }
            Act::Leave(line) => at.leave(self.lines[line], true),
        }
    }

    fn unsettled(&self) -> Option<String> {
        self.sent.values().next().map(|(_, command)| format!("agent {} waits for the answer to {command}", self.number))
    }
}

/// A small world: what its agents do, and what goes wrong.
struct Small {
    scripts: Vec<Vec<(u64, Act)>>,
    events: Vec<(u64, Event)>,
    workers: usize,
    idle: u64,
}

impl Small {
    fn live(&self, choices: Vec<usize>, story: bool) -> (Vec<usize>, Vec<String>) {
        let plan = Plan {
            agents: self.scripts.len(),
            libraries: 0,
            twins: false,
            workers: self.workers,
            pace: 1,
            delay: 0,
            // So small that a replay is read from the log.
            window: 1,
            replay_max: 1000,
            queue: 65_536,
            idle: self.idle,
            durable: true,
            dedup: 1000,
            channels: vec!["a"],
            span: GO + 200,
            calm: 900,
            events: self.events.clone(),
        };
        let agents = self.scripts.iter().enumerate().map(|(number, script)| Scripted::boxed(number, script)).collect();
        let outcome = World::small(plan, agents, GO, choices, story).run(1);
        let Chooser::Given { widths, .. } = outcome.chooser else { return Default::default() };
        let breaches = check(&outcome.history, &outcome.terms);
        (widths, breaches.iter().map(ToString::to_string).chain(outcome.unsettled).collect())
    }

    /// Goes through all orders with at most so many departures; how many there were.
    fn explore(&self, deviations: usize) -> usize {
        let mut runs = 0;
        // The first choice is made as in the plain order: an empty list would leave the choices to come ungiven.
        let mut todo = vec![vec![0]];
        while let Some(choices) = todo.pop() {
            runs += 1;
            let (widths, wrong) = self.live(choices.clone(), false);
            if !wrong.is_empty() {
                self.live(choices.clone(), true);
                panic!("{}\nwith the choices {choices:?}", wrong.join("\n"));
            }
            if choices.iter().filter(|choice| **choice > 0).count() == deviations {
                continue;
            }
            let from = choices.iter().rposition(|choice| *choice > 0).map_or(0, |at| at + 1);
            for (at, width) in widths.iter().enumerate().take(DEPTH).skip(from) {
                for choice in 1..*width {
                    let mut next = choices.clone();
                    next.resize(at, 0);
                    next.push(choice);
                    todo.push(next);
                }
            }
        }
        println!("{runs} orders");
        runs
    }
}

/// Departures that a run of the suite tries.
fn deviations() -> usize {
    variable("PARLOR_SIM_DEVIATIONS", 2) as usize
}

fn join() -> Value {
    json!({"type": "join", "channel": "a"})
}

fn publish(key: &str) -> Value {
    json!({"type": "publish", "channel": "a", "key": key, "body": {"key": key}})
}

#[test]
fn whoever_subscribes_while_others_publish_misses_nothing_in_any_order() {
    let tail = json!({"type": "join", "channel": "a", "tail": 2});
    let small = Small {
        scripts: vec![
            vec![
                (1000, Act::Open),
                (1020, Act::Say(0, join())),
                (1040, Act::Say(0, publish("1"))),
                (1060, Act::Say(0, publish("2"))),
                (GO, Act::Say(0, publish("3"))),
                (GO, Act::Say(0, publish("4"))),
            ],
            vec![(1000, Act::Open), (GO, Act::Say(0, tail)), (GO, Act::Say(0, join()))],
        ],
        events: vec![],
        workers: 2,
        idle: 5000,
    };
    assert!(small.explore(deviations()) > 50);
}

#[test]
fn a_channel_that_breaks_loses_and_doubles_nothing_in_any_order() {
    for place in ["channel.step", "channel.committed"] {
        let small = Small {
            scripts: vec![
                vec![
                    (1000, Act::Open),
                    (1020, Act::Say(0, join())),
                    (1040, Act::Say(0, publish("1"))),
                    (GO, Act::Say(0, publish("2"))),
                    (GO, Act::Say(0, publish("3"))),
                ],
                vec![(1000, Act::Open), (1060, Act::Say(0, join()))],
            ],
            events: vec![(GO + 150, Event::Well), (GO, Event::Panic(place))],
            workers: 2,
            idle: 5000,
        };
        assert!(small.explore(deviations()) > 50);
    }
}

#[test]
fn an_old_connection_never_ends_a_newer_one_in_any_order() {
    let watch = json!({"type": "watch", "users": "all"});
    let small = Small {
        scripts: vec![
            vec![(1000, Act::Open), (GO, Act::Open), (GO, Act::Leave(0)), (GO + 150, Act::Say(1, join()))],
            vec![(1000, Act::Open), (1060, Act::Say(0, watch))],
        ],
        events: vec![],
        workers: 2,
        idle: 5000,
    };
    assert!(small.explore(deviations()) > 30);
}

#[test]
pub fn a_channel_that_falls_asleep_loses_no_command_in_any_order() {
    let small = Small {
        scripts: vec![
            vec![
                (1000, Act::Open),
                (1030, Act::Say(0, join())),
                (1020, Act::Say(0, json!({"type": "leave", "channel": "a", "only": "session"}))),
                // As it is about to fall asleep.
                (GO, Act::Say(0, publish("1"))),
                (GO + 40, Act::Say(0, publish("2"))),
                (GO + 60, Act::Say(0, join())),
            ],
            vec![(1000, Act::Open), (GO + 40, Act::Say(0, publish("3")))],
        ],
        events: vec![],
        workers: 2,
        idle: 40,
    };
    assert!(small.explore(deviations()) > 50);
}

#[test]
fn what_a_broken_channel_did_not_say_is_heard_whichever_read_fails() {
    for after in 0..8 {
        let small = Small {
            scripts: vec![
                vec![(1000, Act::Open), (1020, Act::Say(0, join())), (GO, Act::Say(0, publish("1")))],
                vec![(1000, Act::Open), (1040, Act::Say(0, join()))],
            ],
            events: vec![(GO, Event::FailRead(after)), (GO, Event::Panic("channel.committed"))],
            workers: 2,
            idle: 5000,
        };
        small.explore(0);
    }
}
