//! What a client does about its channels: it keeps a cursor for each, comes back with it, and reads what a gap left out.

use rand::RngExt;
use serde_json::{Value, json};

use crate::agent::{Agent, Asked, Talk};

/// How many messages a client has lost at most that comes back with an older cursor than it could: more than any replay
/// gives.
const FORGOTTEN: u64 = 300;

/// What a client knows of a channel.
#[derive(Clone, Debug, Default)]
pub struct Track {
    /// The life of the log that it knows.
    pub epoch: Option<String>,
    /// Up to where it has everything.
    pub seq: u64,
    /// Whether it hears it, or has asked to.
    pub stage: Stage,
}

/// How a client stands to a channel.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Stage {
    /// Does not hear it.
    #[default]
    Away,
    /// Has asked to.
    Joining,
    /// Hears it.
    Live,
    /// Has asked not to.
    Leaving,
}

impl Agent {
    /// Comes back to its channels; one who watches watches everybody anew.
    pub fn welcome(&mut self, talk: &mut Talk, frame: &Value) {
        talk.welcomed = true;
        talk.body_bytes = frame["limits"]["body_bytes"].as_u64().unwrap_or(1_000) as usize;
        {
            let mut user = self.scene.users[self.role.user].lock();
            user.making = false;
            user.token = frame["token"].as_str().map(str::to_owned);
            user.name = frame["user"].as_str().map(str::to_owned);
        }
        let known: Vec<_> = self.tracks.keys().cloned().collect();
        for channel in known {
            // Now and then it does not come back to all.
            if self.tracks[&channel].epoch.is_none() || self.dice.random_ratio(9, 10) {
                self.join(talk, &channel);
            }
        }
        if self.role.watches {
            let users = self.scene.names();
            self.say(talk, json!({"type": "watch", "users": users}), Asked::Else);
        }
    }

    /// Joins with what it has; now and then as one who has less.
    pub fn join(&mut self, talk: &mut Talk, channel: &str) {
        let Some(track) = self.tracks.get(channel).cloned() else { return };
        let mut frame = json!({"type": "join", "channel": channel});
        if let Some(epoch) = track.epoch {
            let back = if self.dice.random_ratio(1, 4) { self.dice.random_range(1..FORGOTTEN) } else { 0 };
            frame["since"] = json!({"epoch": epoch, "seq": track.seq.saturating_sub(back)});
        } else if self.dice.random_ratio(1, 2) {
            frame["tail"] = self.dice.random_range(0..40).into();
        }
        if self.dice.random_ratio(1, 5) {
            frame["member"] = false.into();
        }
        if self.say(talk, frame, Asked::Join(channel.to_owned())) {
            self.set_stage(Some(channel), Stage::Joining);
        }
    }

    /// Stands to the channel of a frame in another way.
    pub fn set_stage(&mut self, channel: Option<&str>, stage: Stage) {
        if let Some(track) = channel.and_then(|channel| self.tracks.get_mut(channel)) {
            track.stage = stage;
        }
    }

    /// A subscription begins. What a gap has left out is read.
    pub fn joined(&mut self, talk: &mut Talk, frame: &Value) {
        let Some(channel) = frame["channel"].as_str() else { return };
        let Some(track) = self.tracks.get_mut(channel) else { return };
        let epoch = frame["epoch"].as_str().map(str::to_owned);
        let next = frame["next"].as_u64().unwrap_or(1);
        let had = if track.epoch == epoch { track.seq } else { 0 };
        *track = Track { epoch, seq: next.saturating_sub(1), stage: Stage::Live };
        if frame["gap"] == true && next > had + 1 {
            self.read_missing(talk, channel.to_owned(), had, next);
        }
    }

    /// Asks for what lies between.
    pub fn read_missing(&mut self, talk: &mut Talk, channel: String, after: u64, before: u64) {
        let frame = json!({"type": "history", "channel": channel, "after": after, "before": before, "limit": 1000});
        self.say(talk, frame, Asked::Missing(channel, after, before));
    }

    /// A message came.
    pub fn message(&mut self, frame: &Value) {
        let Some(track) = frame["channel"].as_str().and_then(|channel| self.tracks.get_mut(channel)) else { return };
        if frame["seq"].as_u64() == Some(track.seq + 1) {
            track.seq += 1;
        }
    }
}
