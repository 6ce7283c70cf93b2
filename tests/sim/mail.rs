//! The mailboxes of all actors, and which actor runs next.
//!
//! What is posted to one actor has one order, the order of posting, as in a real mailbox. Handlers of actors on different
//! threads overlap in reality: where a step is split, what its handler posts leaves one by one, and others run between.

use std::cell::RefCell;
use std::collections::{BTreeMap, VecDeque};

use parlor::supervise::carrier::{Carrier, Deliver};

/// A thread of the server: its workers, its registry, and one for each channel.
type Thread = u64;

/// What may run next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Turn {
    /// The actor of this mailbox handles its next message.
    Run(u64),
    /// The next of what this thread has posted arrives.
    Release(Thread),
}

struct Mailbox {
    kind: &'static str,
    thread: Thread,
    waiting: VecDeque<(u64, Deliver)>,
}

#[derive(Default)]
struct Inside {
    boxes: BTreeMap<u64, Mailbox>,
    born: u64,
    posted: u64,
    /// Whose code runs.
    now: Thread,
    /// Whether what it posts is held back.
    split: bool,
    held: BTreeMap<Thread, VecDeque<(u64, Deliver)>>,
}

impl Inside {
    /// The next of what this thread has posted arrives.
    fn release(&mut self, thread: Thread) {
        let Some(held) = self.held.get_mut(&thread) else { return };
        let first = held.pop_front();
        if held.is_empty() {
            self.held.remove(&thread);
        }
        self.posted += 1;
        if let Some((number, deliver)) = first
            && let Some(mailbox) = self.boxes.get_mut(&number)
        {
            mailbox.waiting.push_back((self.posted, deliver));
        }
    }
}

/// All of them.
#[derive(Default)]
pub struct Mail(RefCell<Inside>);

/// The first worker's thread; the others follow.
pub const WORKERS: Thread = 10;

impl Carrier for Mail {
    fn born(&self, kind: &'static str) -> u64 {
        let mut inside = self.0.borrow_mut();
        inside.born += 1;
        let number = inside.born;
        let thread = match kind {
            "channel" => 1000 + number,
            "presence" => 1,
            _ => inside.now,
        };
        inside.boxes.insert(number, Mailbox { kind, thread, waiting: VecDeque::new() });
        number
    }

    fn posted(&self, mailbox: u64, deliver: Deliver) {
        let mut inside = self.0.borrow_mut();
        inside.posted += 1;
        let stamp = inside.posted;
        if inside.split {
            let now = inside.now;
            inside.held.entry(now).or_default().push_back((mailbox, deliver));
        } else if let Some(mailbox) = inside.boxes.get_mut(&mailbox) {
            mailbox.waiting.push_back((stamp, deliver));
        }
    }
}

impl Mail {
    /// What may run, that which waits longest first.
    pub fn turns(&self) -> Vec<Turn> {
        let inside = self.0.borrow();
        let mut turns: Vec<(u64, Turn)> = Vec::new();
        for (number, mailbox) in &inside.boxes {
            if let Some((stamp, _)) = mailbox.waiting.front()
                && !inside.held.contains_key(&mailbox.thread)
            {
                turns.push((*stamp, Turn::Run(*number)));
            }
        }
        turns.sort_unstable_by_key(|(stamp, _)| *stamp);
        let releases = inside.held.keys().map(|thread| Turn::Release(*thread));
        releases.chain(turns.into_iter().map(|(_, turn)| turn)).collect()
    }

    /// What an actor is, for people.
    pub fn name(&self, turn: Turn) -> String {
        match turn {
            Turn::Run(number) => {
                let inside = self.0.borrow();
                format!("{} {number}", inside.boxes.get(&number).map_or("?", |mailbox| mailbox.kind))
            }
            Turn::Release(thread) => format!("post of thread {thread}"),
        }
    }

    /// Hands on one message; what the actor posts meanwhile is held back if `split`.
    pub fn take(&self, turn: Turn, split: bool) {
        let deliver = {
            let mut inside = self.0.borrow_mut();
            match turn {
                Turn::Run(number) => {
                    let Some(mailbox) = inside.boxes.get_mut(&number) else { return };
                    let Some((_, deliver)) = mailbox.waiting.pop_front() else { return };
                    (inside.now, inside.split) = (mailbox_thread(&inside, number), split);
                    deliver
                }
                Turn::Release(thread) => {
                    inside.release(thread);
                    return;
                }
            }
        };
        deliver();
    }

    /// Everything that was posted arrives: a thread's timers run when its handler is done.
    pub fn arrive(&self) {
        let mut inside = self.0.borrow_mut();
        while let Some(thread) = inside.held.keys().next().copied() {
            inside.release(thread);
        }
    }

    /// What runs from here on runs on this thread, and posts at once.
    pub fn on(&self, thread: Thread) {
        let mut inside = self.0.borrow_mut();
        (inside.now, inside.split) = (thread, false);
    }
}

fn mailbox_thread(inside: &Inside, number: u64) -> Thread {
    inside.boxes.get(&number).map_or(0, |mailbox| mailbox.thread)
}
