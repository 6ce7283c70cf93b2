//! sled's log, read without sled: which messages stand in it, and where it is not what was written.
//!
//! sled 0.34 takes the first message that it cannot read for a torn write, fills what is behind it with zeros, and then says
//! that the store is damaged, or nothing at all. So no log is given to it that was not looked at here. The form is sled's
//! (`docs/format.md`); no bytes make reading panic.

use std::collections::BTreeMap;
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;

use bytes::{Buf, Bytes};

use super::super::mend;
use super::super::rows::EngineError;
use super::dir::Dir;
use super::tree::{ROUND, SEGMENT, io as failed};

/// How long a segment's head is: checksum `u32`, lsn `i64`, up to where the log was written `i64`.
const HEAD: usize = 20;
/// Where a message says what it is.
const KIND: usize = 4;
/// A message begins no closer to the end of its segment, and its head is no longer.
const MARGIN: usize = 32;

/// What a message is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// Nothing that counts here.
    Void,
    /// The rest of the segment is empty.
    Cap,
    /// What follows, up to the place that it names, is one batch.
    Batch,
    /// A whole page.
    Node,
    /// A change of a page.
    Link,
}

impl Kind {
    fn of(byte: u8) -> Option<Self> {
        Some(match byte {
            1 | 4..=6 => Self::Void,
            2 => Self::Cap,
            3 => Self::Batch,
            8 => Self::Node,
            10 => Self::Link,
            // 0 is nothing; 7, 9 and 11 lie in files of their own, and Parlor has none.
            _ => return None,
        })
    }
}

/// One message of the log.
#[derive(Clone, Debug)]
pub(super) struct Message {
    pub(super) kind: Kind,
    /// The page that it is of.
    pub(super) page: u64,
    /// Its place in the log, which only grows.
    pub(super) lsn: u64,
    /// Where its body stands in the file.
    pub(super) at: u64,
    pub(super) body: Bytes,
    /// The file has another body: one byte of it was put right.
    pub(super) mended: bool,
    /// How many holes were read before it of which nothing is known.
    pub(super) lost: usize,
}

/// Bytes that are not what was written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hole {
    /// Where they begin in the file.
    pub at: u64,
    /// How many they are.
    pub length: u64,
    /// One of them was wrong, and what was written is known.
    pub mended: bool,
}

/// A number as sled writes it: one to nine bytes, the first of which says how many.
pub(super) fn number(bytes: &mut impl Buf) -> Option<u64> {
    let first = bytes.has_remaining().then(|| bytes.get_u8())?;
    let more = match first {
        0..=240 => return Some(u64::from(first)),
        241..=248 => 1,
        249 => 2,
        _ => usize::from(first) - 247,
    };
    if bytes.remaining() < more {
        return None;
    }
    let mut rest = [0; 8];
    bytes.copy_to_slice(&mut rest[..more]);
    Some(match first {
        241..=248 => 240 + 256 * (u64::from(first) - 241) + u64::from(rest[0]),
        249 => 2288 + 256 * u64::from(rest[0]) + u64::from(rest[1]),
        _ => u64::from_le_bytes(rest),
    })
}

/// What a message's front says of it, which may not be true.
#[derive(Clone, Copy)]
struct Head {
    crc: u32,
    kind: Kind,
    segment: u64,
    page: u64,
    /// How long the head is, and all of it.
    length: usize,
    whole: usize,
}

/// The head in `front`, of a message that is no longer than `room`.
fn head(front: &[u8], room: usize) -> Option<Head> {
    let mut rest = front;
    if rest.len() < 8 {
        return None;
    }
    let (crc, kind) = (rest.get_u32_le(), Kind::of(rest.get_u8())?);
    let (body, segment, page) = (number(&mut rest)?, number(&mut rest)?, number(&mut rest)?);
    let length = front.len() - rest.len();
    let whole = usize::try_from(body).ok()?.checked_add(length)?;
    (whole <= room).then_some(Head { crc, kind, segment, page, length, whole })
}

/// In which bits the checksum of `head` is not that of the message, which stands at the front of `bytes`.
fn trace(head: &Head, bytes: &[u8]) -> u32 {
    let mut crc = crc32fast::Hasher::new();
    crc.update(&bytes[head.length..head.whole]);
    crc.update(&bytes[4..head.length]);
    crc.finalize() ^ u32::MAX ^ head.crc
}

/// The head of the message at the front of `bytes`, if that is whole.
fn message(bytes: &[u8]) -> Option<Head> {
    head(bytes, bytes.len()).filter(|head| trace(head, bytes) == 0)
}

/// The message of this segment that all of `bytes` were before one of them changed.
fn mended(bytes: &[u8], segment: u64) -> Option<(Head, Bytes)> {
    let fits = |head: &Head| head.whole == bytes.len() && head.segment == segment;
    let turned = |at: usize, by: u8| {
        let mut right = bytes.to_vec();
        right[at] ^= by;
        message(&right).filter(fits).map(|head| (head, Bytes::from(right)))
    };
    if let Some(head) = head(bytes, bytes.len()).filter(fits) {
        let trace = trace(&head, bytes);
        if let Some(at) = (0..4).find(|at| trace & !(0xff << (at * 8)) == 0) {
            return turned(at, trace.to_le_bytes()[at]);
        }
        // In the checksum the head stands behind the body.
        let (body, (at, by)) = (head.whole - head.length, mend::spot(trace, head.whole - 4)?);
        return turned(if at < body { head.length + at } else { 4 + at - body }, by);
    }
    // Where its length or segment is wrong the checksum says nothing: all of its first bytes are tried.
    let mut front = [0; MARGIN];
    let long = bytes.len().min(MARGIN);
    front[..long].copy_from_slice(&bytes[..long]);
    (4..long).find_map(|at| {
        (1..=u8::MAX).find_map(|by| {
            front[at] ^= by;
            let found = head(&front[..long], bytes.len());
            front[at] ^= by;
            found.filter(fits).and_then(|_| turned(at, by))
        })
    })
}

/// A segment's head: where it stands in the log, and up to where the log was written when it began.
fn segment(head: &[u8]) -> Option<(u64, u64)> {
    let mut rest = head;
    let crc = rest.get_u32_le() ^ u32::MAX;
    let (lsn, stable) = (rest.get_i64_le() ^ i64::MAX, rest.get_i64_le() ^ i64::MAX);
    let lsn = u64::try_from(lsn).ok().filter(|lsn| lsn.is_multiple_of(SEGMENT as u64))?;
    // It may say that nothing was yet.
    (crc == crc32fast::hash(&head[4..])).then_some((lsn, u64::try_from(stable).unwrap_or(0)))
}

/// The first message at `from` or behind it of which all is there; whatever its segment is, up to `newest`.
fn next(bytes: &[u8], from: usize, newest: u64) -> Option<(usize, Head)> {
    let mut at = from;
    while at + MARGIN <= bytes.len() {
        // What is nothing has no kind.
        at += bytes[at + KIND..].iter().position(|byte| *byte != 0)?;
        let Some(front) = bytes.get(at..at + MARGIN) else { break };
        if head(front, bytes.len() - at).is_some_and(|head| head.segment <= newest)
            && let Some(head) = message(&bytes[at..])
        {
            return Some((at, head));
        }
        at += 1;
    }
    None
}

/// A log's segments.
struct Segments<'a> {
    file: &'a File,
    /// Where each stands in the file, by its place in the log.
    all: BTreeMap<u64, u64>,
    /// Those whose head is not what was written.
    headless: Vec<u64>,
    /// Everything before this place in the log was on disk.
    stable: u64,
}

impl<'a> Segments<'a> {
    /// Those of which something stands behind `from`, before which all was on disk.
    fn find(file: &'a File, from: u64) -> io::Result<Self> {
        let mut found = Self { file, all: BTreeMap::new(), headless: Vec::new(), stable: from };
        let mut lost = Vec::new();
        for at in (0..file.metadata()?.len()).step_by(SEGMENT) {
            let bytes = found.read(at, HEAD)?;
            match segment(&bytes) {
                Some((lsn, stable)) => {
                    found.all.insert(lsn, at);
                    // Up to there it was written, and synced up to the segment that this is in
                    // ([`Tree::apply`](super::tree::Tree::apply)).
                    found.stable = found.stable.max(stable / SEGMENT as u64 * SEGMENT as u64);
                }
                None => lost.push(at),
            }
        }
        // One without a head is known by what stands in it.
        let newest = found.newest() + 1;
        for at in lost {
            let inside = next(&found.read(at, SEGMENT)?, HEAD, newest);
            if let Some(lsn) = inside.map(|(_, head)| head.segment * SEGMENT as u64)
                && !found.all.contains_key(&lsn)
            {
                found.all.insert(lsn, at);
                found.headless.push(at);
            }
        }
        found.all = found.all.split_off(&(from / SEGMENT as u64 * SEGMENT as u64));
        found.stable = found.stable.max(found.settled()?);
        Ok(found)
    }

    /// The number of the newest.
    fn newest(&self) -> u64 {
        self.all.keys().next_back().map_or(0, |lsn| lsn / SEGMENT as u64)
    }

    /// So many bytes of the file, with zeros for those behind its end.
    fn read(&self, at: u64, length: usize) -> io::Result<Bytes> {
        let (mut bytes, mut filled) = (vec![0; length], 0);
        while filled < length {
            match self.file.read_at(&mut bytes[filled..], at + filled as u64) {
                Ok(0) => break,
                Ok(more) => filled += more,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(bytes.into())
    }

    /// Up to where all was on disk because the number of a round of the journal was written behind it: it never is before
    /// ([`Tree::begin`](super::tree::Tree::begin)).
    fn settled(&self) -> io::Result<u64> {
        let (newest, mut settled) = (self.newest(), 0);
        for (lsn, at) in self.all.range(self.stable / SEGMENT as u64 * SEGMENT as u64..) {
            let bytes = self.read(*at, SEGMENT)?;
            let mut place = HEAD;
            while let Some((at, head)) = next(&bytes, place, newest) {
                place = at + head.whole;
                if head.kind == Kind::Link && is_round(&bytes[at + head.length..place]) {
                    settled = settled.max(lsn + at as u64);
                }
            }
        }
        Ok(settled)
    }
}

/// Whether the change of a page sets the number of the journal's round.
fn is_round(link: &[u8]) -> bool {
    matches!(link, [0, length, rest @ ..] if usize::from(*length) == ROUND.len() && rest.starts_with(ROUND))
}

/// What is read of a batch is held back until all of it is there.
struct Batches<'a> {
    each: &'a mut dyn FnMut(Message),
    held: Vec<Message>,
    /// Where the batch ends.
    upto: u64,
}

impl Batches<'_> {
    fn take(&mut self, message: Message) {
        if message.kind == Kind::Batch {
            let upto = message.body.first_chunk().map_or(0, |bytes| u64::from_le_bytes(*bytes));
            self.upto = self.upto.max(upto);
        } else {
            self.held.push(message);
        }
    }

    /// The log was read up to here.
    fn reached(&mut self, lsn: u64) {
        if lsn > self.upto {
            self.held.drain(..).for_each(&mut *self.each);
        }
    }
}

/// Refuses a log that sled would read wrongly: of which something is missing that sled has not in its snapshot.
pub(super) fn check(dir: &Dir) -> Result<(), EngineError> {
    let file = File::open(dir.data()).map_err(failed)?;
    let holes = read(&file, dir.snapshot_lsn().map_err(failed)?, &mut |_| ()).map_err(failed)?;
    match holes.first() {
        None => Ok(()),
        Some(hole) => Err(EngineError::Damaged(format!("sled/db is not what was written, from byte {} on", hole.at))),
    }
}

/// Reads the log in `file` in its order, from the segment on that `from` is in, before which all was on disk, and calls `each`
/// with what counts of it: up to where a write tore when the power went. Gives what is damaged, which is everything
/// else that is not what was written.
pub(super) fn read(file: &File, from: u64, each: &mut dyn FnMut(Message)) -> io::Result<Vec<Hole>> {
    let found = Segments::find(file, from)?;
    let (newest, stable, mut holes) = (found.newest(), found.stable, Vec::new());
    let mut batches = Batches { each, held: Vec::new(), upto: 0 };
    let mut expected = stable / SEGMENT as u64 * SEGMENT as u64;
    for (&lsn, &at) in &found.all {
        // Behind what was on disk there is nothing behind a segment that is missing.
        if lsn > expected {
            break;
        }
        expected = expected.max(lsn + SEGMENT as u64);
        if found.headless.contains(&at) && lsn < stable {
            holes.push(Hole { at, length: HEAD as u64, mended: false });
        }
        let (bytes, number) = (found.read(at, SEGMENT)?, lsn / SEGMENT as u64);
        let mut place = HEAD;
        while place + MARGIN <= SEGMENT {
            let here = message(&bytes[place..]).filter(|head| head.segment == number);
            let (head, whole, is_mended) = if let Some(head) = here {
                (head, bytes.slice(place..place + head.whole), false)
            } else {
                let behind = next(&bytes, place + 1, newest + 1);
                // A later segment is being written over what was free.
                if behind.is_some_and(|(_, head)| head.segment != number) {
                    break;
                }
                if lsn + place as u64 >= stable {
                    batches.reached(lsn + place as u64);
                    return Ok(holes);
                }
                let end = behind.map_or(SEGMENT, |(at, _)| at);
                let right = mended(&bytes[place..end], number);
                holes.push(Hole { at: at + place as u64, length: (end - place) as u64, mended: right.is_some() });
                let Some((head, whole)) = right else {
                    place = end;
                    continue;
                };
                (head, whole, true)
            };
            let body = whole.slice(head.length..);
            let (lsn, at) = (lsn + place as u64, at + (place + head.length) as u64);
            let lost = holes.iter().filter(|hole| !hole.mended).count();
            batches.take(Message { kind: head.kind, page: head.page, lsn, at, body, mended: is_mended, lost });
            place += head.whole;
            if head.kind == Kind::Cap {
                break;
            }
            batches.reached(lsn + head.whole as u64);
        }
        batches.reached(lsn + place as u64);
    }
    Ok(holes)
}
