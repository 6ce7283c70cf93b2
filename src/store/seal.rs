//! How every value of the store is closed: a checksum over its key and itself, a version, what it holds.
//!
//! A value that rotted, was cut, or stands under a key that is not its own does not open. Opening never panics.

use bytes::{BufMut, Bytes, BytesMut};
use thiserror::Error;

/// The only version so far of any row.
const VERSION: u8 = 1;

/// How much longer a value is than what it holds, in bytes.
pub(crate) const OVERHEAD: usize = 5;

/// Why a row does not open.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub(crate) enum Bad {
    /// It is not what was written there.
    #[error("the checksum is wrong")]
    Checksum,
    /// A later Parlor wrote it.
    #[error("version {0} is not known")]
    Version(u8),
    /// It does not have the form that its version promises.
    #[error("the form is wrong")]
    Form,
}

fn checksum(key: &[u8], rest: &[u8]) -> u32 {
    let mut crc = crc32fast::Hasher::new();
    crc.update(key);
    crc.update(rest);
    crc.finalize()
}

/// Closes what `content` writes into the value of `key`.
pub(crate) fn seal(key: &[u8], content: impl FnOnce(&mut BytesMut)) -> Bytes {
    seal_long(key, 123, content)
}

/// The same for a content of about `length` bytes.
pub(crate) fn seal_long(key: &[u8], length: usize, content: impl FnOnce(&mut BytesMut)) -> Bytes {
    let mut value = BytesMut::with_capacity(OVERHEAD + length);
    value.put_u32(0);
    value.put_u8(VERSION);
    content(&mut value);
    let crc = checksum(key, &value[4..]);
    value[..4].copy_from_slice(&crc.to_be_bytes());
    value.freeze()
}

/// What the value of `key` holds.
pub(crate) fn open<'a>(key: &[u8], value: &'a [u8]) -> Result<&'a [u8], Bad> {
    let (crc, rest) = value.split_first_chunk::<4>().ok_or(Bad::Form)?;
    let (version, content) = rest.split_first().ok_or(Bad::Form)?;
    if u32::from_be_bytes(*crc) != checksum(key, rest) {
        return Err(Bad::Checksum);
    }
    if *version == VERSION { Ok(content) } else { Err(Bad::Version(*version)) }
}

/// In which bits the checksum that stands in `value` is not that of what is there; `None` if it is the right one.
pub(super) fn trace(key: &[u8], value: &[u8]) -> Option<u32> {
    let (crc, rest) = value.split_first_chunk::<4>()?;
    let trace = u32::from_be_bytes(*crc) ^ checksum(key, rest);
    (trace != 0).then_some(trace)
}

/// Seals one number.
pub(crate) fn number(key: &[u8], number: u64) -> Bytes {
    seal(key, |out| out.put_u64(number))
}

/// Opens what [`number`] sealed.
pub(crate) fn open_number(key: &[u8], value: &[u8]) -> Result<u64, Bad> {
    Ok(u64::from_be_bytes(open(key, value)?.try_into().map_err(|_| Bad::Form)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_opens_under_its_own_key_alone() {
        let value = number(b"key", 7);
        assert_eq!(open_number(b"key", &value), Ok(7));
        assert_eq!(open_number(b"kez", &value), Err(Bad::Checksum));
        assert_eq!(value.len(), 8 + OVERHEAD);
    }

    #[test]
    fn any_flipped_bit_and_any_cut_is_noticed() {
        let value = seal(b"key", |out| out.put_slice(b"words"));
        for bit in 0..value.len() * 8 {
            let mut worse = value.to_vec();
            worse[bit / 8] ^= 1 << (bit % 8);
            assert!(open(b"key", &worse).is_err(), "bit {bit}");
        }
        for end in 0..value.len() {
            assert!(open(b"key", &value[..end]).is_err(), "cut at {end}");
        }
    }

    #[test]
    fn a_later_version_is_named() {
        let mut value = seal(b"k", |_| ()).to_vec();
        value[4] = 9;
        let crc = checksum(b"k", &value[4..]);
        value[..4].copy_from_slice(&crc.to_be_bytes());
        assert_eq!(open(b"k", &value), Err(Bad::Version(9)));
    }
}
