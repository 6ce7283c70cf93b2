//! Whom a user wants to hear of without asking, as the store keeps it: one record, `contacts/<user>`, a name a line. Pure.
//!
//! A record is never removed, so that its version tells which of two lists is the newer one.

use bytes::Bytes;

use crate::model::UserName;

/// Below this prefix the store keeps users' contacts.
pub const CONTACTS_PREFIX: &str = "contacts/";

/// The record that holds the contacts of `user`.
pub fn contacts_key(user: &UserName) -> String {
    format!("{CONTACTS_PREFIX}{user}")
}

/// A user's contacts, by name, ascending.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Contacts(Vec<UserName>);

impl Contacts {
    /// Reads a record; what is no name in it is passed over.
    pub fn read(bytes: &[u8]) -> Self {
        let text = String::from_utf8_lossy(bytes);
        let mut names: Vec<UserName> = text.lines().filter_map(|line| UserName::parse(line).ok()).collect();
        names.sort_unstable();
        names.dedup();
        Self(names)
    }

    /// What a record holds.
    pub fn bytes(&self) -> Bytes {
        let names: Vec<&str> = self.0.iter().map(UserName::as_str).collect();
        names.join("\n").into()
    }

    /// The same without some and then with others; `None` if that is the same.
    pub fn changed(&self, add: &[UserName], remove: &[UserName]) -> Option<Self> {
        let mut names: Vec<UserName> = self.0.iter().filter(|name| !remove.contains(name)).cloned().collect();
        names.extend(add.iter().cloned());
        names.sort_unstable();
        names.dedup();
        (names != self.0).then_some(Self(names))
    }

    /// The names.
    pub fn names(&self) -> &[UserName] {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;
    use crate::config::Config;

    fn names(all: &[&str]) -> Vec<UserName> {
        all.iter().map(|name| UserName::parse(name).unwrap()).collect()
    }

    #[test]
    fn a_record_reads_back_in_order_and_damage_is_passed_over() {
        let list = Contacts::default().changed(&names(&["bob", "~eve-aaaaa", "ann", "bob"]), &[]).unwrap();
        assert_eq!(list.bytes(), "ann\nbob\n~eve-aaaaa");
        assert_eq!(Contacts::read(&list.bytes()), list);
        assert_eq!(Contacts::read(b""), Contacts::default());
        assert_eq!(Contacts::read(b"bob\nA\xff\n\nann\nbob").names(), names(&["ann", "bob"]));
        assert_eq!(contacts_key(&names(&["ann"])[0]), "contacts/ann");
    }

    #[test]
    fn the_longest_list_of_the_longest_names_fits_a_row() {
        let most = 1000;
        assert!(Config::default().limits.contacts <= most);
        let longest: Vec<UserName> = (0..most).map(|n| UserName::parse(&format!("{n:0>64}")).unwrap()).collect();
        let list = Contacts::default().changed(&longest, &[]).unwrap();
        assert!(list.bytes().len() + contacts_key(&longest[0]).len() + 16 <= 64 << 10);
    }

    proptest! {
        #[test]
        fn a_change_takes_away_and_then_adds(
            ops in prop::collection::vec((prop::collection::vec(0..9u8, 0..4), prop::collection::vec(0..9u8, 0..4)), 0..12),
        ) {
            let user = |n: &u8| UserName::parse(&format!("u{n}")).unwrap();
            let (mut list, mut model) = (Contacts::default(), BTreeSet::new());
            for (add, remove) in ops {
                let (add, remove): (Vec<_>, Vec<_>) = (add.iter().map(user).collect(), remove.iter().map(user).collect());
                let before = model.clone();
                model.retain(|name| !remove.contains(name));
                model.extend(add.iter().cloned());
                let changed = list.changed(&add, &remove);
                prop_assert_eq!(changed.is_some(), model != before);
                list = changed.unwrap_or(list);
                prop_assert!(list.names().iter().eq(&model));
            }
        }
    }
}
