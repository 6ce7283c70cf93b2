//! What a client does of its own accord.

use parlor::checker::By;
use rand::RngExt;
use serde_json::{Value, json};

use crate::agent::{Agent, Asked, Talk};
use crate::link::{Job, Over};
use crate::tracks::{Stage, Track};

impl Agent {
    /// Does something. Says who ends the session, if that ends it.
    pub fn act(&mut self, talk: &mut Talk) -> Option<By> {
        if talk.leaving || !talk.link.has_room() {
            return None;
        }
        let some = self.some_live();
        let twin = self.scene.users[self.role.user].lock().twins.pop();
        if let Some(twin) = twin {
            self.begin(talk, twin);
            return None;
        }
        let Some(channel) = some else {
            self.come_somewhere(talk);
            return None;
        };
        match self.dice.random_range(0..1000) {
            0..260 => drop(self.publish(talk, &channel, true)),
            260..310 => drop(self.publish(talk, &channel, false)),
            310..350 => self.publish_from_everywhere(talk, &channel),
            350..390 => self.publish_again(talk),
            390..400 => self.publish_in_a_corner(talk),
            400..420 => self.post(talk, &channel),
            420..500 => self.ask_history(talk, &channel),
            500..560 => {
                let seq = self.near(&channel);
                self.ask(talk, json!({"type": "read", "channel": channel, "seq": seq}));
            }
            560..600 => self.ask(talk, json!({"type": "typing", "channel": channel})),
            600..630 => self.ask(talk, json!({"type": "channels", "limit": 50})),
            630..670 => self.ask(talk, json!({"type": "who", "channel": channel})),
            670..710 => {
                let users = self.some_users();
                self.ask(talk, json!({"type": "presence", "users": users}));
            }
            710..760 => {
                let users = if self.role.watches { self.scene.names() } else { self.some_users() };
                self.ask(talk, json!({"type": "watch", "users": users}));
            }
            760..770 if !self.role.watches => {
                let users = self.some_users();
                self.ask(talk, json!({"type": "unwatch", "users": users}));
            }
            770..850 => self.come_somewhere(talk),
            850..890 => self.leave(talk, &channel),
            890..920 => self.ask(talk, json!({"type": "ping"})),
            920..960 if talk.over == Over::LongPoll => talk.link.order(Job::Race),
            960..970 => self.ask(talk, json!({"type": "wave", "at": channel})),
            970..980 => {
                let token = self.scene.users[self.role.user].lock().token.clone();
                self.ask(talk, json!({"type": "refresh", "token": token}));
            }
            980..987 => talk.leaving = self.say(talk, json!({"type": "logout"}), Asked::Else),
            987..992 => {
                talk.link.order(Job::Close);
                return Some(By::Client);
            }
            992..994 if talk.over == Over::LongPoll => return Some(By::Nobody),
            _ => {}
        }
        None
    }

    /// Goes. Those who go at the end do it in three ways, so that each of them is there every time.
    pub fn part(&mut self, talk: &mut Talk) -> Option<By> {
        if talk.leaving {
            return None;
        }
        match self.n / 3 % 3 {
            0 => {
                talk.leaving = self.say(talk, json!({"type": "logout"}), Asked::Else);
                None
            }
            1 => {
                talk.link.order(Job::Close);
                Some(By::Client)
            }
            _ => {
                self.scene.recorder.strand(self.n);
                self.scene.gates[self.n].strand(4_000);
                Some(By::Nobody)
            }
        }
    }

    fn ask(&mut self, talk: &mut Talk, frame: Value) {
        self.say(talk, frame, Asked::Else);
    }

    /// Some names, its own and unknown ones too.
    fn some_users(&mut self) -> Vec<String> {
        let mut names = self.scene.names();
        names.push("~nobody-00000".to_owned());
        let keep = self.dice.random_range(1..=names.len());
        while names.len() > keep {
            let out = self.dice.random_range(0..names.len());
            names.swap_remove(out);
        }
        names
    }

    /// A place near the head, now and then beyond it.
    fn near(&mut self, channel: &str) -> u64 {
        let seq = self.tracks.get(channel).map_or(0, |track| track.seq);
        seq.saturating_sub(self.dice.random_range(0..4)) + self.dice.random_range(0..3)
    }

    /// Joins a channel where it is not, or once more where it is.
    fn come_somewhere(&mut self, talk: &mut Talk) {
        let all = self.scene.plan.channels.clone();
        let channel = all[self.dice.random_range(0..all.len())].clone();
        let fresh = self.dice.random_ratio(1, 6);
        let track = self.tracks.entry(channel.clone()).or_default();
        if matches!(track.stage, Stage::Joining | Stage::Leaving) || Self::busy(talk, &channel) {
            return;
        }
        if fresh {
            // As one who has forgotten everything.
            let stage = track.stage;
            *track = Track { stage, ..Track::default() };
        }
        self.join(talk, &channel);
        // What is said meanwhile has to come after the replay, and once.
        for _ in 0..self.dice.random_range(0..4) {
            self.publish(talk, &channel, true);
        }
    }

    fn leave(&mut self, talk: &mut Talk, channel: &str) {
        if Self::busy(talk, channel) {
            return;
        }
        let mut frame = json!({"type": "leave", "channel": channel});
        if self.dice.random_ratio(2, 3) {
            frame["only"] = "session".into();
        }
        if self.say(talk, frame, Asked::Leave(channel.to_owned()))
            && let Some(track) = self.tracks.get_mut(channel)
        {
            track.stage = Stage::Leaving;
        }
    }

    /// Publishes here, and has its user's other clients publish the same with the same key.
    fn publish_from_everywhere(&mut self, talk: &mut Talk, channel: &str) {
        let Some(publish) = self.publish(talk, channel, true) else { return };
        let mut user = self.scene.users[self.role.user].lock();
        if user.twins.len() < 4 {
            user.twins.push(publish);
        }
    }

    /// Sends something again that has a receipt: that makes no second message. Now and then in one breath with something
    /// new, whose receipt has to come first.
    fn publish_again(&mut self, talk: &mut Talk) {
        if self.done.is_empty() {
            return;
        }
        let at = self.dice.random_range(0..self.done.len());
        let mut publish = self.done[at].publish.clone();
        let epoch = self.tracks.get(&publish.channel).and_then(|track| track.epoch.clone());
        let same = publish.base.as_ref().is_none_or(|(noted, _)| noted.is_none() || *noted == epoch);
        if same {
            if self.dice.random_ratio(1, 2) {
                publish.body = json!({"text": "something else"});
            }
            if self.dice.random_ratio(1, 2) {
                self.publish(talk, &publish.channel, true);
            }
            self.begin(talk, publish);
        }
    }

    /// Publishes where nobody listens.
    fn publish_in_a_corner(&mut self, talk: &mut Talk) {
        let corners = &self.scene.plan.corners;
        let corner = corners[self.dice.random_range(0..corners.len())].clone();
        if self.dice.random_ratio(1, 4) {
            self.post(talk, &corner);
        } else {
            self.publish(talk, &corner, true);
        }
    }

    fn ask_history(&mut self, talk: &mut Talk, channel: &str) {
        let mut frame = json!({"type": "history", "channel": channel});
        let seq = self.near(channel);
        let back = self.dice.random_range(0..60);
        let form = self.dice.random_range(0..6);
        if form == 1 || form == 3 {
            frame["after"] = seq.saturating_sub(back).into();
        }
        if form == 2 || form == 3 {
            frame["before"] = (seq + 1).into();
        }
        if form == 4 {
            frame["hour"] = chrono::Utc::now().format("%Y-%m-%dT%H").to_string().into();
        }
        if self.dice.random_ratio(2, 3) {
            frame["limit"] = self.dice.random_range(1..80).into();
        }
        self.ask(talk, frame);
    }
}
