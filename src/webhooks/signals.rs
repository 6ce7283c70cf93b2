//! How what happens is heard of: channels and the registry say it here, and go on at once.
//!
//! That a channel moved is noted once, however often it does. Events that have no log are taken as long as there is room,
//! and counted if there is none. Whoever listens is woken once for all that is noted since it last looked.

use std::collections::VecDeque;
use std::sync::{Arc, OnceLock};

use parking_lot::Mutex;

use super::body;
use super::step::LaneKey;
use crate::config::Webhook;
use crate::model::maps::HashMap;
use crate::model::{ChannelName, Cursor, UserName, Wall};
use crate::protocol::Frame;

/// How many events that have no log may wait to be put into a queue.
const TOLD: usize = 10_000;

/// Where things are said; a clone is the same. Without webhooks there is nothing behind it.
#[derive(Clone, Default)]
pub struct Signals(Option<Arc<Shared>>);

struct Shared {
    webhooks: Vec<Webhook>,
    heard: Mutex<Heard>,
    wake: OnceLock<Box<dyn Fn() + Send + Sync>>,
}

#[derive(Default)]
struct Heard {
    moved: HashMap<ChannelName, Option<Cursor>>,
    told: VecDeque<Told>,
    /// For each webhook, how many events there was no room for.
    dropped: Vec<u64>,
    woken: bool,
}

/// An event that has no log.
#[derive(Clone, Debug)]
pub(super) struct Told {
    pub key: LaneKey,
    pub at: Wall,
    pub body: Frame,
    /// Which webhooks are told.
    pub hooks: Vec<usize>,
}

impl Signals {
    /// For these.
    pub fn new(webhooks: &[Webhook]) -> Self {
        let shared = || {
            let heard = Heard { dropped: vec![0; webhooks.len()], ..Heard::default() };
            Arc::new(Shared { webhooks: webhooks.to_vec(), heard: Mutex::new(heard), wake: OnceLock::new() })
        };
        Self((!webhooks.is_empty()).then(shared))
    }

    /// Whether someone wants to know of a channel's messages.
    pub fn wants(&self, channel: &ChannelName) -> bool {
        self.hooks(|hook| hook.messages && hook.holds(channel)).next().is_some()
    }

    /// Whether someone wants to know of presence.
    pub fn wants_presence(&self) -> bool {
        self.hooks(|hook| hook.presence).next().is_some()
    }

    /// A channel's log may have grown; it stands here, if that is known.
    pub fn moved(&self, channel: &ChannelName, stand: Option<Cursor>) {
        let Some(shared) = &self.0 else { return };
        let mut heard = shared.heard.lock();
        match heard.moved.get_mut(channel) {
            Some(known) => *known = stand,
            None => drop(heard.moved.insert(channel.clone(), stand)),
        }
        shared.wake(heard);
    }

    /// What became of a member of a channel.
    pub fn member(&self, channel: &ChannelName, frame: &Frame, at: Wall) {
        let hooks: Vec<usize> = self.hooks(|hook| hook.members && hook.holds(channel)).collect();
        self.tell(LaneKey::Channel(channel.clone()), frame, at, hooks);
    }

    /// A user came or went.
    pub fn presence(&self, user: &UserName, frame: &Frame, at: Wall) {
        let hooks = self.hooks(|hook| hook.presence).collect();
        self.tell(LaneKey::User(user.clone()), frame, at, hooks);
    }

    fn tell(&self, key: LaneKey, frame: &Frame, at: Wall, hooks: Vec<usize>) {
        let Some(shared) = self.0.as_ref().filter(|_| !hooks.is_empty()) else { return };
        let body = body::told(frame, at);
        let mut heard = shared.heard.lock();
        if heard.told.len() < TOLD {
            heard.told.push_back(Told { key, at, body, hooks });
        } else {
            hooks.into_iter().filter_map(|hook| heard.dropped.get_mut(hook).map(|count| *count += 1)).for_each(drop);
        }
        shared.wake(heard);
    }

    fn hooks(&self, wants: impl Fn(&Webhook) -> bool) -> impl Iterator<Item = usize> {
        let all = self.0.iter().flat_map(|shared| shared.webhooks.iter().enumerate());
        all.filter(move |(_, hook)| wants(hook)).map(|(at, _)| at)
    }

    /// From here on `wake` is called when there is something to look at, once until it is looked at. It must not block.
    pub(super) fn wake(&self, wake: impl Fn() + Send + Sync + 'static) {
        if let Some(shared) = &self.0 {
            let wake = shared.wake.get_or_init(|| Box::new(wake));
            // Of what came before nobody was told.
            if shared.heard.lock().woken {
                wake();
            }
        }
    }

    /// The channels that moved since it was last called.
    pub(super) fn take_moved(&self) -> HashMap<ChannelName, Option<Cursor>> {
        let Some(shared) = &self.0 else { return HashMap::default() };
        let mut heard = shared.heard.lock();
        heard.woken = false;
        std::mem::take(&mut heard.moved)
    }

    /// The oldest events that have no log, at most so many, and how many each webhook lost since it was last called.
    pub(super) fn take_told(&self, most: usize) -> (Vec<Told>, Vec<u64>) {
        let Some(shared) = &self.0 else { return Default::default() };
        let mut heard = shared.heard.lock();
        let count = heard.told.len().min(most);
        let lost = heard.dropped.iter_mut().map(std::mem::take).collect();
        (heard.told.drain(..count).collect(), lost)
    }
}

impl Shared {
    fn wake(&self, mut heard: parking_lot::MutexGuard<'_, Heard>) {
        if std::mem::replace(&mut heard.woken, true) {
            return;
        }
        drop(heard);
        if let Some(wake) = self.wake.get() {
            wake();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

    use super::*;
    use crate::config::Config;
    use crate::model::Epoch;
    use crate::protocol::event;

    fn signals() -> (Signals, Arc<AtomicUsize>) {
        let all = "[{name = \"a\", url = \"http://h/\", secret_file = \"x\", events = [\"message\", \"presence\"]}]";
        let config = Config::load(None, [("PARLOR__WEBHOOKS".to_owned(), all.to_owned())]).unwrap();
        let (signals, woken) = (Signals::new(&config.webhooks), Arc::<AtomicUsize>::default());
        let count = Arc::clone(&woken);
        signals.wake(move || _ = count.fetch_add(1, Relaxed));
        (signals, woken)
    }

    #[test]
    fn a_channel_is_noted_once_and_whoever_listens_is_woken_once() {
        let (signals, woken) = signals();
        let (a, b) = (ChannelName::stored("a").unwrap(), ChannelName::stored("b").unwrap());
        for seq in 1..100 {
            signals.moved(&a, Some(Cursor { epoch: Epoch("e".into()), seq }));
            signals.moved(&b, None);
        }
        let moved = signals.take_moved();
        assert_eq!((moved.len(), woken.load(Relaxed)), (2, 1));
        assert_eq!(moved[&a].as_ref().map(|stand| stand.seq), Some(99));
        signals.moved(&a, None);
        assert_eq!((signals.take_moved().len(), woken.load(Relaxed)), (1, 2));
    }

    #[test]
    fn what_there_is_no_room_for_is_counted() {
        let (signals, _) = signals();
        let (user, frame) = (UserName::parse("ann").unwrap(), event("presence", serde_json::json!({"user": "ann"})));
        for _ in 0..TOLD + 3 {
            signals.presence(&user, &frame, Wall(0));
        }
        let (told, lost) = signals.take_told(10);
        assert_eq!((told.len(), lost), (10, vec![3]));
        assert_eq!(signals.take_told(usize::MAX).1, [0]);
    }

    #[test]
    fn nothing_is_kept_that_nobody_wants() {
        let (signals, woken) = signals();
        let (a, frame) = (ChannelName::stored("a").unwrap(), event("member", serde_json::json!({"user": "ann"})));
        signals.member(&a, &frame, Wall(0));
        assert_eq!((signals.take_told(9).0.len(), woken.load(Relaxed)), (0, 0));
        assert!(signals.wants(&a) && !signals.wants(&ChannelName::stored("@a:b").unwrap()));
        let none = Signals::default();
        none.moved(&a, None);
        assert!(!none.wants(&a) && !none.wants_presence() && none.take_moved().is_empty());
    }
}
