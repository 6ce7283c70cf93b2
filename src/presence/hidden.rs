//! Who does not show others whether it is there. It is on disk, one record for each who ever said so, and those who hide
//! now are in memory too, so that nothing is told of a user before this is known.
//!
//! The store's writer keeps it as the disk has it; the registry and the channels look.

use std::sync::Arc;

use parking_lot::RwLock;

use crate::model::UserName;
use crate::model::maps::HashSet;
use crate::store::{Meta, MetaOp, ReadError, Versioned};

/// Below this prefix the store keeps whether users show themselves.
pub const VISIBLE_PREFIX: &str = "visible/";
/// What the record of a user who hides holds; any other one is of a user who does not.
const OFF: &[u8] = b"off";
const ON: &[u8] = b"on";
/// How many records are read at once.
const PAGE: usize = 1000;

/// The users who hide; a clone is the same.
#[derive(Clone, Debug, Default)]
pub struct Hidden(Arc<RwLock<HashSet<UserName>>>);

impl Hidden {
    /// As the store has it. Blocks on the disk.
    pub fn load(&self, meta: &dyn Meta) -> Result<(), ReadError> {
        let mut after = None;
        loop {
            let page = meta.list(VISIBLE_PREFIX, after.as_deref(), PAGE)?;
            page.iter().for_each(|(key, record)| drop(self.take(key, Some(record))));
            after = page.last().map(|(key, _)| key.clone());
            if page.len() < PAGE {
                return Ok(());
            }
        }
    }

    /// A record was written, or removed with its user. Returns the user if it lives on.
    pub fn take(&self, key: &str, record: Option<&Versioned>) -> Option<UserName> {
        let user = UserName::parse(key.strip_prefix(VISIBLE_PREFIX)?).ok()?;
        if record.is_some_and(|record| record.value == OFF) {
            self.0.write().insert(user.clone());
        } else {
            self.0.write().remove(&user);
        }
        record.map(|_| user)
    }

    /// What has a user hide from now on, or not.
    pub fn write(user: &UserName, visible: bool) -> MetaOp {
        let value = if visible { ON } else { OFF };
        MetaOp::Put(format!("{VISIBLE_PREFIX}{user}"), bytes::Bytes::from_static(value))
    }

    /// Whether a user hides.
    pub fn contains(&self, user: &UserName) -> bool {
        self.0.read().contains(user)
    }

    /// Whether nobody does.
    pub fn is_empty(&self) -> bool {
        self.0.read().is_empty()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::auth::memory_meta::MemoryMeta;

    fn user(name: &str) -> UserName {
        UserName::parse(name).unwrap()
    }

    #[actix::test]
    async fn what_is_written_is_read_again() {
        let meta = Arc::new(MemoryMeta::default());
        for (name, visible) in [("ann", false), ("bob", true), ("dan", false), ("dan", true), ("~eve-aaaaa", false)] {
            meta.write(vec![Hidden::write(&user(name), visible)], Box::new(|outcome| outcome.unwrap()));
        }
        let hidden = Hidden::default();
        hidden.load(&*meta).unwrap();
        let hides = |name| hidden.contains(&user(name));
        assert_eq!(["ann", "bob", "dan", "~eve-aaaaa"].map(hides), [true, false, false, true]);
    }

    #[test]
    fn who_is_gone_altogether_hides_no_more_and_is_not_shown() {
        let hidden = Hidden::default();
        let off = Versioned { version: 1, value: OFF.into() };
        assert_eq!(hidden.take("visible/ann", Some(&off)), Some(user("ann")));
        assert!(hidden.contains(&user("ann")));
        assert_eq!(hidden.take("visible/ann", None), None);
        assert!(!hidden.contains(&user("ann")));
        assert_eq!(hidden.take("visible/No Name", Some(&off)), None);
    }
}
