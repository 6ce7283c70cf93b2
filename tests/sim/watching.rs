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
    /// What it has asked for and has no answer to, by the command's id: the channel, if it is one.
    asked: BTreeMap<String, Option<String>>,
    /// The channels that it watches, each with the id of the command that said so.
    channels: BTreeMap<String, String>,
    /// What it was told last of each user.
    told: BTreeMap<String, String>,
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

    pub fn hear(&mut self, frame: &Value) {
        let text = |name: &str| frame[name].as_str().unwrap_or_default();
        match text("type") {
            "presence" if frame["user"].is_string() => {
                self.told.insert(text("user").to_owned(), text("state").to_owned());
            }
            "watching" => {
                self.asked.remove(text("id"));
                for row in frame["users"].as_array().into_iter().flatten() {
                    let (user, state) = (&row["user"], &row["state"]);
                    self.told.insert(
                        user.as_str().unwrap_or_default().to_owned(),
                        state.as_str().unwrap_or_default().to_owned(),
                    );
                }
            }
            "error" => {
                if let Some(Some(channel)) = self.asked.remove(text("id"))
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
            self.watching.asked.insert(id, None);
        }
    }

    /// Begins to watch a channel or a few users, or ends it.
    pub fn watch(&mut self, at: &mut At<'_>, channel: String) {
        match at.dice.below(6) {
            0..3 => {
                let id = self.ask(at, json!({"type": "watch", "channel": channel}));
                self.watching.asked.insert(id.clone(), Some(channel.clone()));
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
                    self.watching.asked.insert(id, None);
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
        Some(Standing {
            user,
            hears: hears.collect(),
            watches: watched.map(|(name, _)| name.clone()).collect(),
            told: self.watching.told.clone(),
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
