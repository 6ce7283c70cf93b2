//! One channel's log as it should be, and what is found of it.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::marks::Shown;

/// A channel's log after some writes.
#[derive(Clone, Debug, Default)]
pub struct Log {
    pub exists: bool,
    /// As it was last told.
    pub epoch: Option<String>,
    pub seq: u64,
    /// The newest hash that was told, and of which place.
    pub hash: Option<(u64, [u8; 16])>,
    /// The prints of the messages, and of what is left of each when it is erased.
    pub messages: Arc<BTreeMap<u64, (u64, u64)>>,
    /// Between these is the first place that is kept.
    pub first: (u64, u64),
}

/// A write, ready to be applied to a channel.
#[derive(Clone, Debug)]
pub enum Edit {
    Create,
    Append(Arc<Vec<(u64, (u64, u64))>>),
    Trim(u64),
    Redact(u64),
    Delete,
}

impl Log {
    pub fn apply(&mut self, edit: &Edit) {
        match edit {
            Edit::Create if self.exists => {}
            Edit::Create => *self = Self { exists: true, first: (1, 1), ..Self::default() },
            Edit::Append(messages) => {
                Arc::make_mut(&mut self.messages).extend(messages.iter().copied());
                self.seq = messages.last().map_or(self.seq, |(seq, _)| *seq);
            }
            Edit::Trim(below) => self.first.1 = self.first.1.max(*below),
            Edit::Redact(seq) => {
                if let Some(print) = Arc::make_mut(&mut self.messages).get_mut(seq) {
                    print.0 = print.1;
                }
            }
            Edit::Delete => *self = Self::default(),
        }
    }

    pub fn learn(&mut self, edit: &Edit, told: &Shown) {
        self.epoch = Some(told.epoch.clone());
        self.hash = Some((told.seq, told.hash));
        if matches!(edit, Edit::Trim(_)) {
            self.first.0 = self.first.0.max(told.first);
        }
    }

    /// Why this is not what was found.
    pub fn differs(&self, found: Option<&Found>) -> Option<String> {
        let Some(found) = found else { return self.exists.then(|| "it is gone".into()) };
        let head = &found.head;
        if !self.exists {
            return Some("it is there".into());
        }
        if head.seq != self.seq {
            return Some(format!("its head is at {}, not at {}", head.seq, self.seq));
        }
        if !(self.first.0..=self.first.1.max(self.first.0)).contains(&head.first) {
            return Some(format!("it begins at {}, not within {:?}", head.first, self.first));
        }
        if self.hash.is_some_and(|(seq, hash)| seq == head.seq && hash != head.hash) {
            return Some("its hash is another".into());
        }
        let expected = self.messages.range(head.first..).map(|(seq, print)| (*seq, print.0));
        let wrong = expected.zip(&found.prints).find(|(expected, found)| expected != *found);
        if let Some(((seq, _), _)) = wrong {
            return Some(format!("the message at {seq} is another"));
        }
        let (kept, count) = (head.seq + 1 - head.first, found.prints.len() as u64);
        (count != kept).then(|| format!("it has {count} messages, not {kept}"))
    }
}

/// What is found in a channel.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Found {
    pub head: Shown,
    /// Every kept message.
    pub prints: Vec<(u64, u64)>,
}
