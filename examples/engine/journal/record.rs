//! The bytes of a journal, and nothing but bytes: no file, no lock, no index.
//!
//! ```text
//! journal   "parlorjl", version (u32), then records
//! record    length of its rows (u32), their CRC-32 (u32), CRC-32 of the eight bytes before (u32), rows, "."
//! row       length of its key (u32), length of its value (u32; all ones: the row is removed), key, value
//! ```
//!
//! Numbers are big endian. A record is a batch: its rows count together or not at all.
//!
//! What is at the end of a file after a crash was never written whole, and nobody was told that it was. It has to be told
//! apart from damage, which must not pass for it, or a message would be lost in silence. Two things see to that:
//!
//! - the head has a checksum of its own, so that a length is believed only if it was written: a record that does not
//!   fit into the file was cut, and not made long by a flipped bit;
//! - a record ends with a byte that is not zero. Some file systems make a file longer before its bytes are there, and
//!   show zeros: zeros at the end of a file are no part of a record.

use std::fmt;

/// What a journal begins with.
pub const HEADER: [u8; 12] = *b"parlorjl\0\0\0\x01";
/// How much of it names the kind of file; the rest is the version.
const MAGIC: usize = 8;
/// A record's head, in bytes.
pub const HEAD: usize = 12;
/// What a record ends with.
const END: u8 = b'.';
/// The lengths before a row's key, in bytes.
const LENGTHS: usize = 8;
/// The value length of a row that is removed.
const REMOVED: u32 = u32::MAX;

/// Why bytes are no journal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wrong {
    /// The file is something else.
    Kind,
    /// Another version wrote it.
    Version(u32),
    /// A head's checksum.
    Head,
    /// The rows' checksum.
    Rows,
    /// The byte that ends a record.
    End,
    /// Rows do not fill their record.
    Form,
    /// More rows than a record can hold.
    TooLong,
}

impl fmt::Display for Wrong {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Kind => write!(f, "expected a journal"),
            Self::Version(found) => write!(f, "expected version {}, found {found}", number(&HEADER[MAGIC..])),
            Self::Head => write!(f, "a record's head does not fit its checksum"),
            Self::Rows => write!(f, "a record's rows do not fit their checksum"),
            Self::End => write!(f, "a record has no end"),
            Self::Form => write!(f, "a record holds something else than rows"),
            Self::TooLong => write!(f, "a batch of 4 GiB does not fit a record"),
        }
    }
}

/// Looks at a journal's first bytes.
pub fn check_header(found: [u8; HEADER.len()]) -> Result<(), Wrong> {
    match found {
        HEADER => Ok(()),
        _ if found[..MAGIC] == HEADER[..MAGIC] => Err(Wrong::Version(number(&found[MAGIC..]))),
        _ => Err(Wrong::Kind),
    }
}

/// Rows on their way into a record.
#[derive(Debug)]
pub struct Draft(Vec<u8>);

impl Default for Draft {
    fn default() -> Self {
        Self(vec![0; HEAD])
    }
}

impl Draft {
    /// Adds a row.
    pub fn put(&mut self, key: &[u8], value: &[u8]) {
        self.row(key, value.len() as u32, value);
    }

    /// Adds the removal of a row.
    pub fn remove(&mut self, key: &[u8]) {
        self.row(key, REMOVED, &[]);
    }

    fn row(&mut self, key: &[u8], length: u32, value: &[u8]) {
        self.0.extend((key.len() as u32).to_be_bytes());
        self.0.extend(length.to_be_bytes());
        self.0.extend(key);
        self.0.extend(value);
    }

    /// How long the rows are by now, in bytes.
    pub fn len(&self) -> usize {
        self.0.len() - HEAD
    }

    /// The record, as it is to be written.
    pub fn seal(self) -> Result<Vec<u8>, Wrong> {
        let mut record = self.0;
        // With that no key and no value was too long for its own length either.
        let length = u32::try_from(record.len() - HEAD).map_err(|_| Wrong::TooLong)?;
        let check = crc32fast::hash(&record[HEAD..]);
        record[..4].copy_from_slice(&length.to_be_bytes());
        record[4..8].copy_from_slice(&check.to_be_bytes());
        let head_check = crc32fast::hash(&record[..8]);
        record[8..HEAD].copy_from_slice(&head_check.to_be_bytes());
        record.push(END);
        Ok(record)
    }
}

/// A record's head.
#[derive(Clone, Copy, Debug)]
pub struct Head {
    length: u32,
    check: u32,
}

impl Head {
    /// Reads a head, and believes it only if it fits its checksum.
    pub fn read(bytes: [u8; HEAD]) -> Result<Self, Wrong> {
        if number(&bytes[8..]) != crc32fast::hash(&bytes[..8]) {
            return Err(Wrong::Head);
        }
        Ok(Self { length: number(&bytes[..4]), check: number(&bytes[4..8]) })
    }

    /// What follows the head, in bytes.
    pub fn rest(self) -> usize {
        self.length as usize + 1
    }

    /// The rows in what follows the head.
    pub fn rows(self, rest: &[u8]) -> Result<&[u8], Wrong> {
        let Some((END, rows)) = rest.split_last().map(|(end, rows)| (*end, rows)) else { return Err(Wrong::End) };
        if crc32fast::hash(rows) == self.check { Ok(rows) } else { Err(Wrong::Rows) }
    }
}

/// A row in a record.
#[derive(Clone, Copy, Debug)]
pub struct Row<'a> {
    /// Its key.
    pub key: &'a [u8],
    /// Its value and where that begins among the rows; none if the row is removed.
    pub value: Option<(usize, &'a [u8])>,
}

/// Takes the rows of a record apart.
pub fn rows(bytes: &[u8]) -> impl Iterator<Item = Result<Row<'_>, Wrong>> {
    let mut at = 0;
    std::iter::from_fn(move || (at < bytes.len()).then(|| row(bytes, &mut at).ok_or(Wrong::Form)))
}

/// The row at a place, which moves behind it; to the end, if there is no row.
fn row<'a>(bytes: &'a [u8], at: &mut usize) -> Option<Row<'a>> {
    let start = std::mem::replace(at, bytes.len()) + LENGTHS;
    let lengths = bytes.get(start - LENGTHS..start)?;
    let (key_length, value_length) = (number(&lengths[..4]) as usize, number(&lengths[4..]));
    let key_end = start.checked_add(key_length)?;
    let key = bytes.get(start..key_end)?;
    if value_length == REMOVED {
        *at = key_end;
        return Some(Row { key, value: None });
    }
    let end = key_end.checked_add(value_length as usize)?;
    let value = bytes.get(key_end..end)?;
    *at = end;
    Some(Row { key, value: Some((key_end, value)) })
}

/// What a row takes in a record, in bytes.
pub fn size(key: usize, value: usize) -> u64 {
    (LENGTHS + key + value) as u64
}

/// Four bytes as a number.
fn number(bytes: &[u8]) -> u32 {
    bytes.iter().fold(0, |number, byte| number << 8 | u32::from(*byte))
}
