//! The record: one message on disk, a hashed header and a body.
//!
//! Each header names the hash of the one before it, so the headers of a channel form a chain; a body is bound to its
//! header by a hash of its own and can be erased without breaking the chain. Reading never panics, whatever the
//! bytes; it gives what was written, or says that the form is wrong.

use bytes::{BufMut, BytesMut};
use bytestring::ByteString;
use sha2::{Digest, Sha256};

use super::Hash;
use super::seal::Bad;
use crate::model::{Key, Kind, Message, Seq, UserName, Wall};

/// The hash that the first header of a channel names.
pub(crate) const ROOT: Hash = [0; 16];

/// The header's version.
const VERSION: u8 = 1;
const HAS_KEY: u8 = 1;
const HAS_KIND: u8 = 2;
const HAS_REF: u8 = 4;
/// The mark, outside the hashed header, of a record whose body is gone.
const ERASED: u8 = 1;
/// Where the hash of the header before stands in a header.
const BEFORE: usize = 38;
/// Where the body's length stands there.
const LENGTH: usize = 18;
/// What an erased body reads as: a body is always an object.
const NOTHING: &str = "{}";

/// SHA-256, cut to 16 bytes.
pub(crate) fn hash(bytes: &[u8]) -> Hash {
    let mut cut = [0; 16];
    cut.copy_from_slice(&Sha256::digest(bytes)[..16]);
    cut
}

/// A record as it stands in a block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Record<'a> {
    pub(crate) seq: Seq,
    pub(crate) at: Wall,
    pub(crate) from: &'a str,
    pub(crate) key: Option<&'a str>,
    pub(crate) kind: Option<&'a str>,
    pub(crate) reply_to: Option<Seq>,
    /// `None`: erased.
    pub(crate) body: Option<&'a str>,
    /// How long the body is, or was, in bytes.
    pub(crate) body_length: u32,
    pub(crate) body_hash: Hash,
    /// The hash of the header before.
    pub(crate) before: Hash,
    header: &'a [u8],
    whole: &'a [u8],
}

/// Writes `message` behind a header with hash `before`; gives the new header's hash.
pub(crate) fn write(out: &mut BytesMut, message: &Message, before: Hash) -> Hash {
    out.put_u8(0);
    let length_at = out.len();
    out.put_u16(0);
    let start = out.len();
    out.put_u8(VERSION);
    let flag = |on: bool, flag: u8| if on { flag } else { 0 };
    out.put_u8(
        flag(message.key.is_some(), HAS_KEY)
            | flag(message.kind.is_some(), HAS_KIND)
            | flag(message.reply_to.is_some(), HAS_REF),
    );
    out.put_u64(message.seq);
    out.put_i64(message.at.0);
    out.put_u32(message.body.len() as u32);
    out.put_slice(&hash(message.body.as_bytes()));
    out.put_slice(&before);
    let short =
        [Some(message.from.as_str()), message.key.as_ref().map(Key::as_str), message.kind.as_ref().map(Kind::as_str)];
    for text in short.into_iter().flatten() {
        // Names are at most 133 bytes, keys and kinds 64.
        out.put_u8(text.len() as u8);
        out.put_slice(text.as_bytes());
    }
    if let Some(seq) = message.reply_to {
        out.put_u64(seq);
    }
    let length = (out.len() - start) as u16;
    out[length_at..start].copy_from_slice(&length.to_be_bytes());
    let link = hash(&out[start..]);
    out.put_slice(message.body.as_bytes());
    link
}

/// Writes `message` without its body, of which only the length and the hash are known; gives the new header's hash.
pub(crate) fn write_erased(out: &mut BytesMut, message: &Message, body: (u32, Hash), before: Hash) -> Hash {
    let mut whole = BytesMut::new();
    write(&mut whole, &Message { body: ByteString::new(), ..message.clone() }, before);
    let (length, hashed) = body;
    whole[0] = ERASED;
    let header = &mut whole[3..];
    header[LENGTH..LENGTH + 4].copy_from_slice(&length.to_be_bytes());
    header[LENGTH + 4..BEFORE].copy_from_slice(&hashed);
    let link = hash(header);
    out.put_slice(&whole);
    link
}

/// How long [`write`] makes `message`, in bytes.
pub(crate) fn length(message: &Message) -> usize {
    let short = |text: Option<&str>| text.map_or(0, |text| 1 + text.len());
    3 + 54
        + short(Some(message.from.as_str()))
        + short(message.key.as_ref().map(Key::as_str))
        + short(message.kind.as_ref().map(Kind::as_str))
        + message.reply_to.map_or(0, |_| 8)
        + message.body.len()
}

/// Takes one record off the front of `bytes`.
pub(crate) fn read<'a>(bytes: &mut &'a [u8]) -> Result<Record<'a>, Bad> {
    let (mut record, marks, length, mut rest) = head(bytes)?;
    record.body = match marks {
        0 => Some(text(take(&mut rest, length)?)?),
        ERASED => None,
        _ => return Err(Bad::Form),
    };
    record.whole = &bytes[..bytes.len() - rest.len()];
    *bytes = rest;
    Ok(record)
}

/// A record of which the body may be damaged, at the front of `bytes`, and how long it was; a body that does not fit its
/// hash is left out.
pub(crate) fn salvage(bytes: &[u8]) -> Result<(Record<'_>, usize), Bad> {
    let (mut record, marks, length, rest) = head(bytes)?;
    let body = rest.get(..length).filter(|body| hash(body) == record.body_hash);
    record.body = body.and_then(|body| std::str::from_utf8(body).ok());
    // An erased one may have lost nothing but the mark that says so.
    let length = if record.body.is_none() && marks == ERASED { 0 } else { length };
    let end = (bytes.len() - rest.len() + length).min(bytes.len());
    record.whole = &bytes[..end];
    Ok((record, end))
}

/// A record without its body: that, its marks, the length that its body has by it, and what follows it.
fn head(bytes: &[u8]) -> Result<(Record<'_>, u8, usize, &[u8]), Bad> {
    let mut rest = bytes;
    let marks = array::<1>(&mut rest)?[0];
    let length = u16::from_be_bytes(array(&mut rest)?);
    let header = take(&mut rest, usize::from(length))?;

    let mut fields = header;
    let [version, flags] = array(&mut fields)?;
    if version != VERSION {
        return Err(Bad::Version(version));
    }
    let seq = u64::from_be_bytes(array(&mut fields)?);
    let at = Wall(i64::from_be_bytes(array(&mut fields)?));
    let body_length = u32::from_be_bytes(array(&mut fields)?);
    let body_hash = array(&mut fields)?;
    let before = array(&mut fields)?;
    let from = short(&mut fields)?;
    let key = (flags & HAS_KEY != 0).then(|| short(&mut fields)).transpose()?;
    let kind = (flags & HAS_KIND != 0).then(|| short(&mut fields)).transpose()?;
    let reply_to = (flags & HAS_REF != 0).then(|| array(&mut fields).map(u64::from_be_bytes)).transpose()?;
    if !fields.is_empty() || flags & !(HAS_KEY | HAS_KIND | HAS_REF) != 0 {
        return Err(Bad::Form);
    }
    let record =
        Record { seq, at, from, key, kind, reply_to, body: None, body_length, body_hash, before, header, whole: bytes };
    Ok((record, marks, body_length as usize, rest))
}

/// The place and the time of the record at the front of `bytes`.
pub(crate) fn front(mut bytes: &[u8]) -> Result<(Seq, Wall), Bad> {
    let [_marks, _, _, version, _flags] = array(&mut bytes)?;
    if version != VERSION {
        return Err(Bad::Version(version));
    }
    let seq = u64::from_be_bytes(array(&mut bytes)?);
    Ok((seq, Wall(i64::from_be_bytes(array(&mut bytes)?))))
}

impl Record<'_> {
    /// This header's hash: what the next one names.
    pub(crate) fn link(&self) -> Hash {
        hash(self.header)
    }

    /// Writes it again, as it is.
    pub(crate) fn copy(&self, out: &mut BytesMut) {
        out.put_slice(self.whole);
    }

    /// Writes it again without its body.
    pub(crate) fn erase(&self, out: &mut BytesMut) {
        out.put_u8(ERASED);
        out.put_u16(self.header.len() as u16);
        out.put_slice(self.header);
    }

    /// How long it is without its body, in bytes.
    pub(crate) fn head_length(&self) -> usize {
        3 + self.header.len()
    }

    /// Whether the body, if it is there, is the one that the header names.
    pub(crate) fn fits_its_body(&self) -> bool {
        self.body.is_none_or(|body| hash(body.as_bytes()) == self.body_hash)
    }

    /// Writes it behind a header with hash `before`, whatever it stood behind, without its body if that is not there;
    /// gives its new hash.
    pub(crate) fn relink(&self, out: &mut BytesMut, before: Hash) -> Hash {
        out.put_u8(if self.body.is_some() { 0 } else { ERASED });
        out.put_u16(self.header.len() as u16);
        let start = out.len();
        out.put_slice(self.header);
        out[start + BEFORE..start + BEFORE + before.len()].copy_from_slice(&before);
        let link = hash(&out[start..]);
        out.put_slice(self.body.unwrap_or_default().as_bytes());
        link
    }

    /// How long its body is, as it is read, in bytes.
    pub(super) fn body_length(&self) -> u64 {
        self.body.unwrap_or(NOTHING).len() as u64
    }

    /// The message that it holds.
    pub(crate) fn message(&self) -> Result<Message, Bad> {
        Ok(Message {
            seq: self.seq,
            at: self.at,
            from: UserName::parse(self.from).map_err(|_| Bad::Form)?,
            key: self.key.map(|key| Key::new(key).ok_or(Bad::Form)).transpose()?,
            kind: self.kind.map(|kind| Kind::new(kind).ok_or(Bad::Form)).transpose()?,
            reply_to: self.reply_to,
            body: ByteString::from(self.body.unwrap_or(NOTHING)),
        })
    }
}

fn take<'a>(bytes: &mut &'a [u8], length: usize) -> Result<&'a [u8], Bad> {
    let (taken, rest) = bytes.split_at_checked(length).ok_or(Bad::Form)?;
    *bytes = rest;
    Ok(taken)
}

fn array<const N: usize>(bytes: &mut &[u8]) -> Result<[u8; N], Bad> {
    take(bytes, N)?.try_into().map_err(|_| Bad::Form)
}

fn short<'a>(bytes: &mut &'a [u8]) -> Result<&'a str, Bad> {
    let length = array::<1>(bytes)?[0];
    text(take(bytes, usize::from(length))?)
}

fn text(bytes: &[u8]) -> Result<&str, Bad> {
    std::str::from_utf8(bytes).map_err(|_| Bad::Form)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::tests::support::any_message;
    use super::*;

    proptest! {
        #[test]
        fn what_was_written_is_read_back(message in any_message(), before: Hash) {
            let mut out = BytesMut::new();
            let link = write(&mut out, &message, before);
            prop_assert_eq!(out.len(), length(&message));
            let mut bytes = &out[..];
            prop_assert_eq!(front(bytes).unwrap(), (message.seq, message.at));
            let record = read(&mut bytes).unwrap();
            prop_assert!(bytes.is_empty());
            prop_assert_eq!(record.link(), link);
            prop_assert_eq!(record.before, before);
            prop_assert_eq!(record.message().unwrap(), message);
        }

        #[test]
        fn an_erased_body_leaves_its_header_and_its_link(message in any_message(), before: Hash) {
            let (mut out, mut erased) = (BytesMut::new(), BytesMut::new());
            let link = write(&mut out, &message, before);
            read(&mut &out[..]).unwrap().erase(&mut erased);
            let record = read(&mut &erased[..]).unwrap();
            prop_assert_eq!(record.link(), link);
            prop_assert_eq!(record.body_hash, hash(message.body.as_bytes()));
            prop_assert_eq!(record.message().unwrap(), Message { body: "{}".into(), ..message });
        }

        #[test]
        fn no_bytes_make_it_panic(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
            let _ = (front(&bytes), read(&mut &bytes[..]).map(|record| record.message()));
        }

        #[test]
        fn no_mutation_makes_it_panic(
            message in any_message(),
            changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..4),
            end: prop::sample::Index,
        ) {
            let mut out = BytesMut::new();
            write(&mut out, &message, ROOT);
            for (at, byte) in changes {
                let at = at.index(out.len());
                out[at] = byte;
            }
            let _ = read(&mut &out[..]).map(|record| record.message());
            let _ = read(&mut &out[..end.index(out.len())]);
        }
    }
}
