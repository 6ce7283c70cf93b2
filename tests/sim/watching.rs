//! Whom clients watch, and that whoever watches a channel knows, in the end, who is there.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

use crate::agent::{At, Careful};
use crate::world::World;

/// Whom a client watches over its line, and what it was told.
#[derive(Debug, Default)]
pub struct Watching {
    /// Whether it watches everybody by name, over each line anew.
    everybody: bool,
    /// Whether it has said so over this one.
    said: bool,
    /// What it has asked for and has no answer to, by the command's id: when, and the channel, if it is one.
    asked: BTreeMap<String, (u64, Option<String>)>,
    /// The channels that it watches, each with the id of the command that said so.
    channels: BTreeMap<String, String>,
    /// What it was told last of each user, and when the last event came.
    told: BTreeMap<String, (String, u64)>,
}

/// Where a client stands.
#[derive(Debug, Default)]
pub struct Standing {
    pub user: String,
    /// The channels that it hears.
    pub hears: BTreeSet<String>,
    /// The channels that it watches.
    pub watches: BTreeSet<String>,
    /// What it was told last of each user.
    pub told: BTreeMap<String, String>,
}

impl Watching {
    pub fn new(everybody: bool) -> Self {
        Self { everybody, ..Self::default() }
    }

    /// Its line is gone, and with it all that was watched.
    pub fn down(&mut self) {
        *self = Self::new(self.everybody);
    }

    /// Something was heard, over long-poll or not.
    pub fn hear(&mut self, now: u64, frame: &Value, longpoll: bool) {
        let text = |name: &str| frame[name].as_str().unwrap_or_default();
        match text("type") {
            "presence" if frame["user"].is_string() => {
                self.told.insert(text("user").to_owned(), (text("state").to_owned(), now));
            }
            "watching" => {
                let Some((since, _)) = self.asked.remove(text("id")) else { return };
                for row in frame["users"].as_array().into_iter().flatten() {
                    let user = row["user"].as_str().unwrap_or_default();
                    // Over long-poll an event may have come before the answer that it follows.
                    let newer = longpoll && self.told.get(user).is_some_and(|(_, event)| *event >= since);
                    if !newer {
                        let state = row["state"].as_str().unwrap_or_default();
                        self.told.insert(user.to_owned(), (state.to_owned(), 0));
                    }
                }
            }
            "error" => {
                if let Some((_, Some(channel))) = self.asked.remove(text("id"))
                    && self.channels.get(&channel).is_some_and(|id| id == text("id"))
                {
                    self.channels.remove(&channel);
                }
            }
            _ => {}
        }
    }
}

impl Careful {
    /// Watches everybody, if it is one who does and has not yet.
    pub fn look_around(&mut self, at: &mut At<'_>) {
        if self.watching.everybody && !self.watching.said && !at.users.is_empty() {
            self.watching.said = true;
            let users = at.users.clone();
            let id = self.ask(at, json!({"type": "watch", "users": users}));
            self.watching.asked.insert(id, (at.now, None));
        }
    }

    /// Begins to watch a channel or a few users, or ends it.
    pub fn watch(&mut self, at: &mut At<'_>, channel: String) {
        match at.dice.below(6) {
            0..3 => {
                let id = self.ask(at, json!({"type": "watch", "channel": channel}));
                self.watching.asked.insert(id.clone(), (at.now, Some(channel.clone())));
                self.watching.channels.insert(channel, id);
            }
            3 => {
                self.ask(at, json!({"type": "unwatch", "channel": channel}));
                self.watching.channels.remove(&channel);
            }
            which if !at.users.is_empty() => {
                let kind = if which == 4 { "watch" } else { "unwatch" };
                let users: Vec<String> = (0..2).map(|_| at.dice.one_of(at.users).clone()).collect();
                let id = self.ask(at, json!({"type": kind, "users": users}));
                if which == 4 {
                    self.watching.asked.insert(id, (at.now, None));
                }
            }
            _ => {}
        }
    }

    /// Where it stands, while it is there.
    pub fn stands(&self) -> Option<Standing> {
        let user = self.user.clone().filter(|_| self.welcomed)?;
        let hears = self.places.iter().filter(|(_, place)| place.subscribed).map(|(name, _)| name.clone());
        let answered = |(_, id): &(&String, &String)| !self.watching.asked.contains_key(*id);
        let watched = self.watching.channels.iter().filter(answered);
        let told = self.watching.told.iter().map(|(user, (state, _))| (user.clone(), state.clone()));
        Some(Standing {
            user,
            hears: hears.collect(),
            watches: watched.map(|(name, _)| name.clone()).collect(),
            told: told.collect(),
        })
    }
}

impl World {
    /// At rest: whoever watches a channel was told that those who hear it are online.
    pub fn check_watchers(&mut self) {
        let all: Vec<Standing> = self.agents.iter().flatten().filter_map(|agent| agent.standing()).collect();
        for watcher in &all {
            for other in all.iter().filter(|other| other.user != watcher.user) {
                let told = watcher.told.get(&other.user).map_or("nothing", String::as_str);
                let both = watcher.watches.intersection(&other.hears).next();
                if let Some(channel) = both.filter(|_| told != "online") {
                    let (who, whom) = (&watcher.user, &other.user);
                    self.complaints.push(format!("{who} watches {channel}, which {whom} hears, and was told {told}"));
                }
            }
        }
    }
}
