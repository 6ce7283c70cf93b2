//! One order: what is at each place of each life of each channel, by everyone who was ever told of it, and what the log
//! holds in the end.
//!
//! - `one-message-per-place`: two who were told of a place were told of different messages.
//! - `time-goes-back`: `at` of a place is before that of the one below it.
//! - `epoch-changed`: a channel has another epoch, and nothing happened that could be the reason.
//! - `log-hole`: the log is not dense from `first` to `head`.
//! - `lost`: someone was told of a place above the log's head.

use serde_json::Value;

use super::cx::{Cx, Rising};
use super::frame::Message;
use super::names::{Map, Set};

/// A life of a channel's log.
pub(super) type LogNo = u32;

/// A receipt, as far as it says something of its place.
#[derive(Clone, Copy, Debug)]
pub(super) struct Receipt {
    /// Whose publish.
    pub user: u32,
    /// With which key, or 0.
    pub key: u32,
    /// What it said, if this is the first one's.
    pub said: Option<u64>,
    /// When the message was taken.
    pub stamp: u64,
}

/// What is known of a place.
#[derive(Debug, Default)]
pub(super) struct Place {
    /// The message, and when someone was first told of it.
    pub message: Option<(Message, u64)>,
    /// What receipts said.
    pub receipt: Option<Receipt>,
}

/// One life of a log.
#[derive(Debug)]
pub(super) struct Log {
    pub channel: u32,
    pub epoch: u32,
    pub places: Map<u64, Place>,
    /// The newest place that anyone was told of.
    pub told: Rising,
    /// The newest place that can be: also what was read past the channel.
    pub top: u64,
    /// The oldest kept, by whoever said it last.
    pub first: u64,
    /// The place of each key: of which user.
    pub keys: Map<(u32, u32), u64>,
}

/// All of them.
#[derive(Debug, Default)]
pub(super) struct Logs {
    pub all: Vec<Log>,
    by_name: Map<(u32, u32), LogNo>,
    latest: Map<u32, LogNo>,
    /// Channels that were deleted, or may have been.
    pub deleted: Set<u32>,
    /// What is wrong unless a log was trimmed: which log, up to where, when and how.
    doubts: Vec<Doubt>,
}

#[derive(Debug)]
enum Doubt {
    /// Something at this place was left out, which is right if it was trimmed.
    Kept(LogNo, u64, u64, &'static str),
    /// There should be that many places.
    Reaches(LogNo, u64, u64, &'static str),
}

impl Logs {
    /// The log of this epoch.
    pub fn of(&mut self, cx: &mut Cx, channel: u32, epoch: &str) -> LogNo {
        let epoch = cx.names.id(epoch);
        if let Some(log) = self.by_name.get(&(channel, epoch)) {
            return *log;
        }
        let log = self.all.len() as LogNo;
        let (places, keys) = (Map::default(), Map::default());
        self.all.push(Log { channel, epoch, places, told: Rising::default(), top: 0, first: 1, keys });
        self.by_name.insert((channel, epoch), log);
        let before = self.latest.insert(channel, log);
        let excused = self.deleted.contains(&channel) || !cx.terms.durable && cx.trouble.spans.until().is_some();
        if let Some(before) = before
            && !excused
        {
            let before = self.all[before as usize].epoch;
            cx.breach("epoch-changed", |names| {
                format!("{}: epoch {} after {}", names.of(channel), names.of(epoch), names.of(before))
            });
        }
        log
    }

    /// A log.
    pub fn get(&self, log: LogNo) -> &Log {
        &self.all[log as usize]
    }

    /// The log of a channel that was heard of last.
    pub fn latest(&self, channel: u32) -> Option<LogNo> {
        self.latest.get(&channel).copied()
    }

    /// Someone was told that the log reaches up to here.
    pub fn tell(&mut self, cx: &Cx, log: LogNo, seq: u64) {
        let log = &mut self.all[log as usize];
        log.told.raise(cx.turn, seq);
        log.top = log.top.max(seq);
    }

    /// Someone was told what the oldest is that is kept.
    pub fn first(&mut self, log: LogNo, first: u64) {
        let log = &mut self.all[log as usize];
        log.first = log.first.max(first);
    }

    /// Someone was told that this message is in this log.
    pub fn see(&mut self, cx: &mut Cx, no: LogNo, message: Message) {
        self.tell(cx, no, message.seq);
        let log = &mut self.all[no as usize];
        let channel = log.channel;
        let place = log.places.entry(message.seq).or_default();
        match place.message {
            Some((known, since)) => {
                if known != message {
                    let what = difference(&known, &message);
                    cx.breach("one-message-per-place", |names| {
                        let from = (names.of(known.from), names.of(message.from));
                        let key = (names.of(known.key), names.of(message.key));
                        let seq = message.seq;
                        format!(
                            "{} {seq}: {what} is not what was told at {since} (from {from:?}, key {key:?})",
                            names.of(channel)
                        )
                    });
                }
                return;
            }
            None => place.message = Some((message, cx.at)),
        }
        let receipt = place.receipt;
        let stamp_of = |seq: u64| Some(log.places.get(&seq)?.message?.0.stamp);
        let below = stamp_of(message.seq - 1).is_some_and(|stamp| stamp > message.stamp);
        let above = stamp_of(message.seq + 1).is_some_and(|stamp| stamp < message.stamp);
        if below || above {
            cx.breach("time-goes-back", |names| {
                format!("{} {}: `at` is out of order with its neighbour", names.of(channel), message.seq)
            });
        }
        if let Some(receipt) = receipt {
            agree(cx, channel, message.seq, &message, &receipt);
        }
        self.name_key(cx, no, (message.from, message.key), message.seq, None);
    }

    /// A user's key stands at this place: it may stand at no other within the window, nor at all if each publish with
    /// it had a base below, of which `base` is the highest.
    pub fn name_key(&mut self, cx: &mut Cx, no: LogNo, (user, key): (u32, u32), seq: u64, base: Option<u64>) {
        if key == 0 {
            return;
        }
        let log = &mut self.all[no as usize];
        let first = *log.keys.entry((user, key)).or_insert(seq);
        let apart = first.abs_diff(seq);
        if apart > 0 && (apart <= WINDOW || base.is_some_and(|base| base < first.min(seq))) {
            let channel = log.channel;
            cx.breach("key-twice", |names| {
                let (user, key) = (names.of(user), names.of(key));
                format!("{} {seq}: the key {key} of {user} stands at {first} already", names.of(channel))
            });
        }
    }

    /// A log as it was read in the end.
    pub fn log(&mut self, cx: &mut Cx, no: LogNo, first: u64, head: u64, messages: &[Value]) {
        let channel = self.get(no).channel;
        self.first(no, first);
        let mut due = first;
        for frame in messages {
            let Some(message) = Message::read(frame, &mut cx.names) else {
                cx.breach("shape", |names| format!("{}: the log holds what is no message: {frame}", names.of(channel)));
                continue;
            };
            if message.seq != due {
                let seq = message.seq;
                cx.breach("log-hole", |names| format!("{}: the log has {seq} where {due} is due", names.of(channel)));
            }
            due = message.seq + 1;
            self.see(cx, no, message);
        }
        if due != head + 1 {
            cx.breach("log-hole", |names| {
                format!("{}: the log ends before {due}, its head is {head}", names.of(channel))
            });
        }
        let log = self.get(no);
        let mut lost: Vec<u64> = log.places.keys().copied().filter(|seq| *seq > head).collect();
        if log.top > head {
            lost.push(log.top);
        }
        lost.sort_unstable();
        lost.dedup();
        for seq in lost.into_iter().take(10) {
            let place = self.get(no).places.get(&seq);
            let how = match place {
                Some(Place { receipt: Some(_), .. }) => "had a receipt",
                Some(Place { message: Some(_), .. }) => "was heard",
                _ => "was named as the head",
            };
            cx.breach("lost", |names| format!("{} {seq}: {how}, but the log ends at {head}", names.of(channel)));
        }
    }

    /// Something at this place was left out: wrong unless it was trimmed.
    pub fn doubt_kept(&mut self, cx: &Cx, log: LogNo, seq: u64, rule: &'static str) {
        if self.doubts.len() < DOUBTS {
            self.doubts.push(Doubt::Kept(log, seq, cx.at, rule));
        }
    }

    /// Something was said that can only be right if the log reaches up to here.
    pub fn doubt_reaches(&mut self, cx: &Cx, log: LogNo, seq: u64, rule: &'static str) {
        if self.get(log).top < seq && self.doubts.len() < DOUBTS {
            self.doubts.push(Doubt::Reaches(log, seq, cx.at, rule));
        }
    }

    /// Once everything is known: what was doubtful and is wrong.
    pub fn finish(&mut self, cx: &mut Cx) {
        for doubt in std::mem::take(&mut self.doubts) {
            let (Doubt::Kept(no, seq, at, rule) | Doubt::Reaches(no, seq, at, rule)) = doubt;
            let log = self.get(no);
            let (channel, top, first) = (log.channel, log.top, log.first);
            let text = match doubt {
                Doubt::Kept(..) if first <= seq => {
                    format!("{seq} was left out, though nothing was trimmed above {first}")
                }
                Doubt::Reaches(..) if top < seq => format!("{seq} was counted on, but nothing is above {top}"),
                _ => continue,
            };
            cx.found.add(at, rule, || format!("{}: {text}", cx.names.of(channel)));
        }
    }
}

/// So many doubts are kept at most.
const DOUBTS: usize = 10_000;
/// Within so many messages a key is found without `base`, if nobody says otherwise (`channels.dedup_window`).
const WINDOW: u64 = 1000;

fn difference(known: &Message, message: &Message) -> &'static str {
    if known.from != message.from {
        "`from`"
    } else if known.key != message.key {
        "`key`"
    } else if known.stamp != message.stamp {
        "`at`"
    } else {
        "`body`, `kind` or `ref`"
    }
}

/// A message and the receipts of its place are of one publish.
pub(super) fn agree(cx: &mut Cx, channel: u32, seq: u64, message: &Message, receipt: &Receipt) {
    let what = if receipt.user != message.from {
        "is from another user"
    } else if receipt.key != message.key {
        "has another key"
    } else if receipt.said.is_some_and(|said| said != message.said) {
        "says something else"
    } else if receipt.stamp != message.stamp {
        "has another `at`"
    } else {
        return;
    };
    cx.breach("receipt-message", |names| {
        let (user, from) = (names.of(receipt.user), names.of(message.from));
        format!("{} {seq}: {user} has a receipt, but the message, from {from}, {what}", names.of(channel))
    });
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use crate::checker::What;
    use crate::checker::sample::{Story, message, two, user, with};

    #[test]
    fn everyone_is_told_of_the_same_message() {
        let said = message(1, &user("ann"), "k");
        let mut good = two();
        good.published(1, &said, &[1, 2]);
        good.log(std::slice::from_ref(&said));
        good.holds();
        let others = [
            json!({"from": user("bob")}),
            json!({"key": "other"}),
            json!({"kind": "x-a"}),
            json!({"ref": 1}),
            json!({"body": {"text": "another"}}),
            json!({"at": "2026-11-22T16:59:00.000Z"}),
        ];
        for other in others {
            let mut bad = two();
            bad.published(1, &said, &[1]);
            bad.hear(2, with(said.clone(), other.clone()));
            assert_eq!(bad.broken(), ["one-message-per-place"], "{other}");
        }
    }

    #[test]
    fn what_the_log_holds_is_what_was_heard() {
        let said = message(1, &user("ann"), "k");
        let mut bad = two();
        bad.published(1, &said, &[1, 2]);
        bad.log(&[with(said, json!({"body": {}}))]);
        bad.breaks("one-message-per-place");
    }

    #[test]
    fn time_never_goes_back() {
        let (one, two_) = (message(1, &user("ann"), "a"), message(2, &user("ann"), "b"));
        let late = with(one.clone(), json!({"at": "2026-11-22T16:59:00.000Z"}));
        for (first, rule) in [(one, None), (late, Some("time-goes-back"))] {
            let mut story = two();
            story.published(1, &first, &[1, 2]);
            story.published(1, &two_, &[1, 2]);
            match rule {
                Some(rule) => story.breaks(rule),
                None => story.holds(),
            }
        }
    }

    fn log(story: &mut Story, epoch: &str, first: u64, head: u64, seqs: &[u64]) {
        let messages = seqs.iter().map(|seq| message(*seq, &user("ann"), &format!("k{seq}"))).collect();
        story.what(What::Log { channel: "lobby".into(), epoch: epoch.into(), first, head, messages });
    }

    #[test]
    fn the_log_is_dense_and_holds_all_that_anyone_was_told_of() {
        let story = || {
            let mut story = two();
            (1..4).for_each(|seq| story.published(1, &message(seq, &user("ann"), &format!("k{seq}")), &[1, 2]));
            story
        };
        for (first, head, seqs, rule) in [
            (1, 3, &[1, 2, 3][..], None),
            (3, 3, &[3], None),
            (4, 3, &[], None),
            (1, 3, &[1, 3], Some("log-hole")),
            (1, 3, &[1, 2], Some("log-hole")),
            (1, 2, &[1, 2], Some("lost")),
            (1, 0, &[], Some("lost")),
        ] {
            let mut story = story();
            log(&mut story, "e", first, head, seqs);
            match rule {
                Some(rule) => story.breaks(rule),
                None => story.holds(),
            }
        }
    }

    #[test]
    fn a_durable_channel_keeps_its_epoch() {
        let mut bad = two();
        log(&mut bad, "other", 1, 0, &[]);
        bad.breaks("epoch-changed");
        let mut deleted = two();
        deleted.both(1, json!({"type": "delete", "channel": "lobby"}), json!({"type": "ok"}));
        log(&mut deleted, "other", 1, 0, &[]);
        deleted.holds();
    }
}
