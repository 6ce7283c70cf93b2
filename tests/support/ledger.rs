//! A client's bookkeeping: every `message` that it hears has to be the next one, whatever the scenario is about.
//!
//! Checks, as frames come in: no hole and no double within a subscription, the same content for the same place, `at`
//! that never goes back, nothing after `left` or `closed`, a `joined` whose members fit each other, and a `pulse` that
//! names nothing that has not been heard.

use std::collections::BTreeMap;

use serde_json::Value;

use super::is_time;

/// All that one client heard, by channel.
#[derive(Debug, Default)]
pub struct Ledger(BTreeMap<String, Track>);

/// What one client heard of a channel's present life.
#[derive(Clone, Debug, Default)]
pub struct Track {
    epoch: String,
    /// The place of the next message; none while the session does not subscribe.
    next: Option<u64>,
    /// Everything up to this place is known.
    stood: u64,
    /// Whether it was joined without an id, so that where it begins shows in the first message.
    blind: bool,
    /// The place that the last pulse named.
    pulsed: u64,
    /// What was heard in this life of the log.
    heard: BTreeMap<u64, Value>,
    /// The newest command whose ordered reply came.
    answered: u64,
}

impl Ledger {
    /// Takes a frame in; says what is wrong with it, if anything is.
    pub fn take(&mut self, frame: &Value) -> Result<(), String> {
        let channel = frame["channel"].as_str().unwrap_or_default().to_owned();
        match frame["type"].as_str() {
            Some("joined") => self.joined(channel, frame),
            Some("message") => self.message(&channel, frame),
            Some("left" | "closed") => {
                self.0.entry(channel).or_default().next = None;
                Ok(())
            }
            Some("pulse") => self.pulse(frame),
            _ => Ok(()),
        }
    }

    /// A channel is joined without an id: no `joined` will say where it begins.
    pub fn join_blind(&mut self, channel: &str) {
        let track = self.0.entry(channel.to_owned()).or_default();
        (track.next, track.blind) = (None, true);
    }

    /// The reply to this session's command number `command` came: `joined`, `left` and `published` of one channel come
    /// in the order of their commands.
    pub fn replied(&mut self, frame: &Value, command: u64) -> Result<(), String> {
        if !matches!(frame["type"].as_str(), Some("joined" | "left" | "published")) {
            return Ok(());
        }
        let track = self.0.entry(frame["channel"].as_str().unwrap_or_default().to_owned()).or_default();
        if command <= track.answered {
            return Err(format!("the reply to command {command} came after that to {}", track.answered));
        }
        track.answered = command;
        Ok(())
    }

    /// The place of the next message to be heard.
    pub fn next(&self, channel: &str) -> Option<u64> {
        self.0.get(channel).and_then(|track| track.next)
    }

    /// The cursor to come back with.
    pub fn cursor(&self, channel: &str) -> Option<Value> {
        let track = self.0.get(channel)?;
        Some(serde_json::json!({"epoch": track.epoch, "seq": track.stood}))
    }

    /// What was heard, by place.
    pub fn heard(&self, channel: &str) -> BTreeMap<u64, Value> {
        self.0.get(channel).map(|track| track.heard.clone()).unwrap_or_default()
    }

    /// Takes over what an earlier connection of the same client heard, so that the story goes on.
    pub fn inherit(&mut self, from: &Self) {
        for (channel, track) in &from.0 {
            let heard = Track { next: None, answered: 0, pulsed: 0, ..track.clone() };
            self.0.insert(channel.clone(), heard);
        }
    }

    fn joined(&mut self, channel: String, frame: &Value) -> Result<(), String> {
        let number = |member: &str| frame[member].as_u64().ok_or_else(|| format!("joined: no number {member:?}"));
        let (head, first) = (number("head")?, number("first")?);
        let (next, replay) = (number("next")?, number("replay")?);
        let epoch = frame["epoch"].as_str().ok_or("joined: no epoch")?;
        frame["gap"].as_bool().ok_or("joined: no gap")?;
        if first > head + 1 || next < first || next + replay != head + 1 {
            return Err("joined: first, next, replay and head do not fit".into());
        }
        let track = self.0.entry(channel).or_default();
        if track.epoch != epoch {
            *track = Track { epoch: epoch.to_owned(), answered: track.answered, ..Track::default() };
        }
        track.next = Some(next);
        track.stood = next - 1;
        track.pulsed = 0;
        Ok(())
    }

    fn message(&mut self, channel: &str, frame: &Value) -> Result<(), String> {
        let seq = frame["seq"].as_u64().ok_or("message: no seq")?;
        let at = frame["at"].as_str().filter(|at| is_time(at)).ok_or("message: at is no time")?;
        if !frame["from"].is_string() || !frame["body"].is_object() {
            return Err("message: from or body is missing".into());
        }
        let Some(track) = self.0.get_mut(channel).filter(|track| track.next.is_some() || track.blind) else {
            return Err("message: of a channel that this session does not hear".into());
        };
        if std::mem::take(&mut track.blind) {
            track.next = Some(seq);
        }
        if track.next != Some(seq) {
            return Err(format!("message: expected the one at {:?}", track.next));
        }
        track.next = Some(seq + 1);
        track.stood = seq;
        if let Some((place, before)) = track.heard.range(..seq).next_back()
            && before["at"].as_str() > Some(at)
        {
            return Err(format!("message: at goes back behind {} at {place}", before["at"]));
        }
        match track.heard.insert(seq, frame.clone()) {
            Some(before) if before != *frame => Err(format!("message: heard before as {before}")),
            _ => Ok(()),
        }
    }

    fn pulse(&mut self, frame: &Value) -> Result<(), String> {
        let heads = frame["heads"].as_object().ok_or("pulse: heads is missing")?;
        for (channel, seq) in heads {
            let seq = seq.as_u64().ok_or("pulse: a head is no number")?;
            let Some(track) = self.0.get_mut(channel) else {
                return Err(format!("pulse: names {channel}, which was never joined"));
            };
            if let Some(next) = track.next {
                if seq >= next {
                    return Err(format!("pulse: names {seq} in {channel}, but {next} has not been heard"));
                }
                if seq <= track.pulsed {
                    return Err(format!("pulse: names {channel} again, which has not moved beyond {}", track.pulsed));
                }
                track.pulsed = seq;
            }
        }
        Ok(())
    }
}
