//! A value of which one bit flipped, put right: its checksum says which one it was.
//!
//! Two different bits never leave the same trace in a CRC-32 of so short a value. Damage of more than one bit passes for that
//! of one about once in ten thousand times, so whoever mends looks at what comes out, too.

use bytes::Bytes;

use super::seal;

/// The polynomial of CRC-32 (IEEE), reflected.
const POLYNOMIAL: u32 = 0xedb8_8320;

/// What the register becomes by one more byte of zeros.
fn step(register: u32) -> u32 {
    (0..8).fold(register, |now, _| if now & 1 == 1 { (now >> 1) ^ POLYNOMIAL } else { now >> 1 })
}

/// The value that stood under `key` before one bit of it flipped; `None` if no single bit explains what is there.
pub(crate) fn mend(key: &[u8], value: &[u8]) -> Option<Bytes> {
    let trace = seal::trace(key, value)?;
    let mut mended = value.to_vec();
    if trace.is_power_of_two() {
        let right = u32::from_be_bytes(*value.first_chunk::<4>()?) ^ trace;
        mended[..4].copy_from_slice(&right.to_be_bytes());
        return Some(mended.into());
    }
    // The trace of each bit of a byte, from the last byte to the first.
    let mut traces: [u32; 8] = std::array::from_fn(|bit| step(1 << bit));
    for at in (4..value.len()).rev() {
        if let Some(bit) = traces.iter().position(|&left| left == trace) {
            mended[at] ^= 1 << bit;
            return Some(mended.into());
        }
        traces = traces.map(step);
    }
    None
}

#[cfg(test)]
mod tests {
    use bytes::BufMut;

    use super::*;

    #[test]
    fn every_single_flipped_bit_is_put_right_and_two_are_not_taken_for_one() {
        let whole = seal::seal(b"key", |out| out.put_slice(b"what was written"));
        let flipped = |bits: &[usize]| {
            let mut worse = whole.to_vec();
            bits.iter().for_each(|bit| worse[bit / 8] ^= 1 << (bit % 8));
            mend(b"key", &worse)
        };
        for bit in 0..whole.len() * 8 {
            assert_eq!(flipped(&[bit]), Some(whole.clone()), "bit {bit}");
            assert_eq!(flipped(&[bit, (bit + 17) % (whole.len() * 8)]), None, "bit {bit}");
        }
        assert_eq!((mend(b"key", &whole), mend(b"key", b"abc")), (None, None));
    }
}
