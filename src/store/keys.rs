//! The keys of the store's one tree: a tag byte, then numbers in big-endian, so that bytes sort as numbers do.
//!
//! `docs/format.md` draws them. What is written here is on people's disks: it may grow, it may not change.

use std::ops::Range;

use crate::model::{Hour, Seq};

/// `[0]` belongs to the engine.
const MESSAGE: u8 = 1;
const HOUR: u8 = 2;
const CHANNEL: u8 = 3;
const META: u8 = 4;
const STORE: u8 = 5;
const GONE: u8 = 6;
const LISTED: u8 = 7;

/// How long all keys are that begin like this one, in bytes; `None` where that is not said by its tag.
pub(crate) fn width(key: &[u8]) -> Option<usize> {
    match key.first() {
        Some(&MESSAGE) => Some(17),
        Some(&HOUR) => Some(13),
        Some(&GONE) => Some(9),
        _ => None,
    }
}

/// A channel's number within the store; never given twice.
pub(crate) type ChannelId = u64;

fn numbered(tag: u8, channel: ChannelId, rest: &[u8]) -> Vec<u8> {
    let mut key = Vec::with_capacity(9 + rest.len());
    key.push(tag);
    key.extend_from_slice(&channel.to_be_bytes());
    key.extend_from_slice(rest);
    key
}

fn named(tag: u8, name: &str) -> Vec<u8> {
    let mut key = Vec::with_capacity(1 + name.len());
    key.push(tag);
    key.extend_from_slice(name.as_bytes());
    key
}

/// A block of messages, by the last one's place: a scan that starts at the key of any place meets first the block
/// that holds it.
pub(crate) fn block(channel: ChannelId, last: Seq) -> Vec<u8> {
    numbered(MESSAGE, channel, &last.to_be_bytes())
}

/// The blocks that may hold places from `from` on.
pub(crate) fn blocks(channel: ChannelId, from: Seq) -> Range<Vec<u8>> {
    block(channel, from)..past(MESSAGE, channel)
}

/// The first place of an hour.
pub(crate) fn hour(channel: ChannelId, hour: Hour) -> Vec<u8> {
    numbered(HOUR, channel, &hour.0.to_be_bytes())
}

/// The hours before `end`; all of them without it.
pub(crate) fn hours(channel: ChannelId, end: Option<Hour>) -> Range<Vec<u8>> {
    hour(channel, Hour(0))..end.map_or_else(|| past(HOUR, channel), |end| hour(channel, end))
}

/// The first key after all of `channel`'s with this tag.
fn past(tag: u8, channel: ChannelId) -> Vec<u8> {
    channel.checked_add(1).map_or_else(|| vec![tag + 1], |next| numbered(tag, next, &[]))
}

/// The channel of this name.
pub(crate) fn channel(name: &str) -> Vec<u8> {
    named(CHANNEL, name)
}

/// The channels whose names follow `after`.
pub(crate) fn channels(after: Option<&str>) -> Range<Vec<u8>> {
    following(CHANNEL, "", after)
}

/// Where the name of a channel is listed that is private, or is not.
pub(crate) fn listed(private: bool, name: &str) -> Vec<u8> {
    named(LISTED, &format!("{}{name}", shelf(private)))
}

/// The names that are listed there, begin with `prefix` and follow `after`.
pub(crate) fn all_listed(private: bool, prefix: &str, after: Option<&str>) -> Range<Vec<u8>> {
    let shelf = shelf(private);
    following(LISTED, &format!("{shelf}{prefix}"), after.map(|after| format!("{shelf}{after}")).as_deref())
}

/// The name in a key of [`listed`].
pub(crate) fn listed_name(key: &[u8]) -> Option<&str> {
    name(key)?.get(1..)
}

fn shelf(private: bool) -> char {
    if private { 'p' } else { 'o' }
}

/// The small record of this name.
pub(crate) fn meta(name: &str) -> Vec<u8> {
    named(META, name)
}

/// The small records whose names begin with `prefix` and follow `after`.
pub(crate) fn metas(prefix: &str, after: Option<&str>) -> Range<Vec<u8>> {
    following(META, prefix, after)
}

/// One of the store's own rows.
pub(crate) fn store(name: &str) -> Vec<u8> {
    named(STORE, name)
}

/// The mark of a deleted channel whose rows are still to be removed.
pub(crate) fn gone(channel: ChannelId) -> Vec<u8> {
    numbered(GONE, channel, &[])
}

/// All such marks.
pub(crate) fn all_gone() -> Range<Vec<u8>> {
    vec![GONE]..vec![GONE + 1]
}

/// The name in a key of [`channel`], [`meta`] or [`store`]; `None` if it is not UTF-8.
pub(crate) fn name(key: &[u8]) -> Option<&str> {
    std::str::from_utf8(key.get(1..)?).ok()
}

/// The channel's number in a key that has one.
pub(crate) fn number(key: &[u8]) -> Option<ChannelId> {
    Some(ChannelId::from_be_bytes(key.get(1..9)?.try_into().ok()?))
}

/// The place in a key of [`block`].
pub(crate) fn last(key: &[u8]) -> Option<Seq> {
    Some(Seq::from_be_bytes(key.get(9..17)?.try_into().ok()?))
}

/// The hour in a key of [`hour`].
pub(super) fn of_hour(key: &[u8]) -> Option<Hour> {
    Some(Hour(u32::from_be_bytes(key.get(9..13)?.try_into().ok()?)))
}

/// The channel and the last place in a key of [`block`]; `None` for any other.
pub(crate) fn of_block(key: &[u8]) -> Option<(ChannelId, Seq)> {
    let block = key.len() == 17 && key[0] == MESSAGE;
    if block { number(key).zip(last(key)) } else { None }
}

fn following(tag: u8, prefix: &str, after: Option<&str>) -> Range<Vec<u8>> {
    let mut start = named(tag, prefix);
    // The first key above every one that begins with `start`: its last byte that can grow, grown. A tag always can.
    let mut end = start.clone();
    while let Some(last) = end.pop() {
        if last < u8::MAX {
            end.push(last + 1);
            break;
        }
    }
    if let Some(after) = after {
        let mut next = named(tag, after);
        next.push(0);
        start = start.max(next);
    }
    start..end
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_sort_as_numbers_do_and_channels_keep_apart() {
        let mut keys = vec![block(1, 255), block(1, 256), block(1, u64::MAX), block(2, 0), block(256, 1)];
        let sorted = keys.clone();
        keys.reverse();
        keys.sort();
        assert_eq!(keys, sorted);
        let all = blocks(1, 0);
        assert!(all.contains(&block(1, u64::MAX)) && !all.contains(&block(2, 0)));
        assert!(blocks(u64::MAX, 0).contains(&block(u64::MAX, u64::MAX)));
    }

    #[test]
    fn a_prefix_covers_what_begins_with_it_and_nothing_else() {
        let within = metas("read/", Some("read/ann"));
        assert!(within.contains(&meta("read/ann2")) && within.contains(&meta("read/\u{10ffff}")));
        assert!(!within.contains(&meta("read/ann")) && !within.contains(&meta("read0")));
        assert!(metas("b", Some("a")).contains(&meta("b")));
        assert!(metas("", None).contains(&meta("\u{10ffff}")) && !metas("", None).contains(&store("")));
    }

    #[test]
    fn listed_names_are_found_by_how_they_begin_and_on_their_own_shelf() {
        let within = all_listed(false, "team-", Some("team-a"));
        assert!(within.contains(&listed(false, "team-b")) && !within.contains(&listed(false, "team-a")));
        assert!(!within.contains(&listed(true, "team-b")) && !within.contains(&listed(false, "x")));
        assert!(all_listed(false, "b", Some("a")).contains(&listed(false, "b")));
        assert!(all_listed(true, "", None).contains(&listed(true, "0")));
        assert_eq!(listed_name(&listed(true, "lobby")), Some("lobby"));
    }

    #[test]
    fn hours_end_before_the_one_named() {
        let old = hours(7, Some(Hour(10)));
        assert!(old.contains(&hour(7, Hour(9))) && !old.contains(&hour(7, Hour(10))));
        assert!(hours(7, None).contains(&hour(7, Hour(u32::MAX))));
    }

    #[test]
    fn what_a_key_is_made_of_is_read_back() {
        assert_eq!((number(&block(5, 9)), last(&block(5, 9))), (Some(5), Some(9)));
        assert_eq!(name(&channel("general")), Some("general"));
        assert_eq!((of_hour(&hour(5, Hour(9))), of_hour(&[2])), (Some(Hour(9)), None));
        assert_eq!(
            (of_block(&block(5, 9)), of_block(&channel("sixteen-bytes-xx")), of_block(&[])),
            (Some((5, 9)), None, None)
        );
        assert_eq!((number(&[1, 2]), last(&[]), name(&[3, 0xff])), (None, None, None));
    }
}
