//! A subscription's stream: exactly what follows its `joined`, until it ends.
//!
//! - `not-subscribed`: something of a channel came that the session does not hear.
//! - `hole`, `double`: a message was left out, or came again.
//! - `joined-unasked`: a subscription began that nobody asked for.
//! - `pulse-ahead`: a pulse names what did not stand before it.
//! - `closed-why`: a subscription was closed for a reason that is none.
//! - `own-typing`: a user was told of its own typing.
//!
//! Where one begins stands in `resume`.

use serde_json::Value;

use super::cx::Cx;
use super::frame::{Message, text};
use super::names::Set;
use super::order::{LogNo, Logs};
use super::resume::{self, Begin, Stood};
use super::session::{Asked, Hears, Session, Sub};

/// Who has left which channel, so that closing it has a reason.
#[derive(Debug, Default)]
pub(super) struct Left {
    gone: Set<(u32, u32)>,
}

impl Left {
    /// Whether the user has ever left the channel.
    pub fn has(&self, user: u32, channel: u32) -> bool {
        self.gone.contains(&(user, channel))
    }

    /// A `leave` was sent.
    pub fn leave<'h>(&mut self, session: &mut Session<'h>, channel: u32, asked: &Asked<'h>) {
        let only = text(asked.frame, "only") == Some("session");
        if let Some(user) = session.user.or(session.presumed)
            && !only
        {
            self.gone.insert((user, channel));
        }
        match asked.frame.get("id") {
            Some(_) => session.leaves.entry(channel).or_default().push(asked.turn),
            None => loosen(session, channel),
        }
    }
}

/// From here on anything may be.
pub(super) fn loosen(session: &mut Session<'_>, channel: u32) {
    session.subs.entry(channel).or_insert(Sub::NONE).loose = true;
}

/// A `join` was sent.
pub(super) fn join<'h>(session: &mut Session<'h>, channel: u32, asked: Asked<'h>) {
    if session.longpoll {
        session.joins.entry(channel).or_default().push_back(asked);
    } else if asked.frame.get("id").is_none() {
        // Nobody will say where it begins.
        loosen(session, channel);
    }
}

/// A `joined` that begins a subscription; `asked` is its command where that is known. Returns the command, if it can be no other.
pub(super) fn joined<'h>(
    cx: &mut Cx,
    logs: &mut Logs,
    session: &mut Session<'h>,
    channel: u32,
    frame: &'h Value,
    asked: Option<Asked<'h>>,
) -> Option<Asked<'h>> {
    let begin = Begin::read(frame)?;
    let no = session.no;
    let log = logs.of(cx, channel, begin.epoch);
    if !begin.is_possible() {
        cx.breach("replay-count", |names| format!("session {no}, {}: {begin:?}", names.of(channel)));
    }
    let before = session.sub(channel);
    let waits = session.leaves.get(&channel).is_some_and(|leaves| !leaves.is_empty());
    let stood = match before.hears {
        _ if before.loose || session.longpoll && (waits || before.hears == Hears::Rest) => Stood::Unknown(before.next),
        Hears::All if before.log == Some(log) => Stood::At(before.next),
        _ => Stood::Nowhere,
    };
    let mut sure = true;
    let asked = match (asked, session.joins.get_mut(&channel)) {
        (Some(asked), _) => Some(asked),
        (None, Some(joins)) => {
            // Those before it may have been refused: the first that fits is taken.
            let known = |asked: &Asked<'_>| logs.get(log).told.before(asked.turn);
            let fits = |asked: &Asked<'_>| {
                resume::fault(asked.frame, &begin, stood, &cx.terms).is_none() && known(asked) <= begin.head
            };
            let at = joins.iter().position(fits).unwrap_or_default();
            sure = joins.iter().filter(|asked| fits(asked)).count() < 2;
            joins.drain(..joins.len().min(at + 1)).next_back()
        }
        (None, None) => None,
    };
    match asked {
        Some(asked) => {
            if let Some(rule) = resume::fault(asked.frame, &begin, stood, &cx.terms) {
                cx.breach(rule, |names| {
                    format!("session {no}, {}: {} was answered by {begin:?}, {stood:?}", names.of(channel), asked.frame)
                });
            }
            stale(cx, logs, session, log, asked.turn, begin.head);
        }
        // Who `@bob` is depends on who says it.
        None if cx.names.of(channel).starts_with('@') => {}
        None => cx.breach("joined-unasked", |names| format!("session {no}: joined {}", names.of(channel))),
    }
    logs.first(log, begin.first);
    logs.tell(cx, log, begin.head);
    let since = asked.map_or(cx.turn, |asked| asked.turn);
    // Over long-poll it may come when the leave that follows it was answered already.
    let parted = session.parted.get(&channel).is_some_and(|leave| *leave > since);
    let hears = if parted { Hears::Rest } else { Hears::All };
    let sub = Sub { hears, log: Some(log), next: begin.next, loose: false, begun: since };
    session.subs.insert(channel, sub);
    asked.filter(|_| sure)
}

/// A head that is older than what someone was told of before it was asked for is `stale-head`.
pub(super) fn stale(cx: &mut Cx, logs: &Logs, session: &Session<'_>, log: LogNo, asked: u64, head: u64) {
    let log = logs.get(log);
    let known = log.told.before(asked);
    if known > head {
        let (no, channel) = (session.no, log.channel);
        cx.breach("stale-head", |names| {
            format!("session {no}, {}: the head is said to be {head}, {known} was known before", names.of(channel))
        });
    }
}

/// A `message` event.
pub(super) fn message(cx: &mut Cx, logs: &mut Logs, session: &mut Session<'_>, channel: u32, message: Message) {
    let (no, seq) = (session.no, message.seq);
    let sub = session.subs.entry(channel).or_insert(Sub::NONE);
    let due = sub.next;
    if sub.loose {
        sub.next = seq + 1;
    } else if sub.hears == Hears::Nothing {
        return cx.breach("not-subscribed", |names| format!("session {no}: message {seq} of {}", names.of(channel)));
    } else if seq == due {
        sub.next = seq + 1;
    } else {
        sub.next = due.max(seq + 1);
        let rule = if seq > due { "hole" } else { "double" };
        cx.breach(rule, |names| format!("session {no}, {}: {seq} came where {due} was due", names.of(channel)));
    }
    let log = sub.log.filter(|_| !sub.loose);
    if let Some(log) = log {
        logs.see(cx, log, message);
    }
}

/// A `left` that answers the command of that turn.
pub(super) fn left(session: &mut Session<'_>, channel: u32, asked: u64) {
    if let Some(leaves) = session.leaves.get_mut(&channel) {
        leaves.retain(|leave| *leave != asked);
    }
    let parted = session.parted.entry(channel).or_default();
    *parted = asked.max(*parted);
    let sub = session.subs.entry(channel).or_insert(Sub::NONE);
    if session.longpoll {
        // It comes another way than the events: a later subscription may be heard already.
        if sub.begun < asked && sub.hears == Hears::All {
            sub.hears = Hears::Rest;
        }
    } else {
        (sub.hears, sub.loose) = (Hears::Nothing, false);
    }
}

/// A `closed`.
pub(super) fn closed(cx: &mut Cx, logs: &Logs, left: &Left, session: &mut Session<'_>, channel: u32, reason: &str) {
    let no = session.no;
    let user = session.user.unwrap_or_default();
    let longpoll = session.longpoll;
    let sub = session.subs.entry(channel).or_insert(Sub::NONE);
    if sub.hears == Hears::Nothing && !sub.loose && !longpoll {
        cx.breach("not-subscribed", |names| format!("session {no}: closed {}", names.of(channel)));
    }
    sub.hears = Hears::Nothing;
    let wrong = match reason {
        "left" => !left.has(user, channel),
        "deleted" => !logs.deleted.contains(&channel),
        _ => false,
    };
    if wrong {
        cx.breach("closed-why", |names| format!("session {no}, {}: {reason}, but nobody did that", names.of(channel)));
    }
}

/// Another event of a channel, which only those get who hear it.
pub(super) fn event(cx: &mut Cx, session: &Session<'_>, channel: u32, kind: &str) {
    let sub = session.sub(channel);
    if sub.hears == Hears::Nothing && !sub.loose {
        let no = session.no;
        cx.breach("not-subscribed", |names| format!("session {no}: {kind} of {}", names.of(channel)));
    }
}

/// `typing`, which goes to others.
pub(super) fn typing(cx: &mut Cx, session: &Session<'_>, channel: u32, frame: &Value) {
    event(cx, session, channel, "typing");
    let user = cx.names.maybe(text(frame, "user"));
    if session.user == Some(user) {
        let no = session.no;
        cx.breach("own-typing", |names| format!("session {no}, {}: {frame}", names.of(channel)));
    }
}

/// A `pulse`.
pub(super) fn pulse(cx: &mut Cx, session: &Session<'_>, frame: &Value) {
    let heads = frame.get("heads").and_then(Value::as_object);
    for (name, head) in heads.into_iter().flatten() {
        let channel = cx.names.id(name);
        event(cx, session, channel, "pulse");
        let sub = session.sub(channel);
        let head = head.as_u64().unwrap_or_default();
        if sub.hears == Hears::All && !sub.loose && head >= sub.next {
            let (no, next) = (session.no, sub.next);
            cx.breach("pulse-ahead", |_| format!("session {no}, {name}: {head} is named where {next} has not come"));
        }
    }
}

/// A join or a leave was refused: after some errors nobody knows what became of it.
pub(super) fn refused(session: &mut Session<'_>, channel: u32, asked: &Asked<'_>, known: bool) {
    let turn = asked.turn;
    if let Some(leaves) = session.leaves.get_mut(&channel) {
        leaves.retain(|leave| *leave != turn);
    }
    match (known, session.joins.get_mut(&channel)) {
        (false, _) => loosen(session, channel),
        (true, Some(joins)) => joins.retain(|join| join.turn != turn),
        (true, None) => {}
    }
}

/// Everything that a session should have heard once all is at rest: `rest-not-heard`.
pub(super) fn rest(cx: &mut Cx, logs: &Logs, session: &Session<'_>) {
    for (&channel, sub) in &session.subs {
        let Some(log) = sub.log.filter(|_| sub.hears == Hears::All && !sub.loose) else { continue };
        let told = logs.get(log).told.now();
        if sub.next <= told {
            let (no, heard) = (session.no, sub.next - 1);
            cx.breach("rest-not-heard", |names| {
                format!("session {no}, {}: heard up to {heard}, but {told} is known", names.of(channel))
            });
        }
    }
}

#[cfg(test)]
#[path = "subscription_tests.rs"]
mod tests;
