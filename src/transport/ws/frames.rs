//! Where frames begin in the bytes that come in, and how long they say they are (RFC 6455, section 5.2). Pure.
//!
//! The codec behind this looks at a frame's length only once all of it is there: without a look at its header first, a
//! frame that says it is a terabyte long would be gathered until it was.

use super::head::{HEADER_MAX, Head};

/// A frame says that it is longer than it may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct TooLong;

/// Follows a connection's frames.
#[derive(Debug)]
pub(super) struct Frames {
    header: [u8; HEADER_MAX],
    have: usize,
    /// How much of the payload is to come.
    left: u64,
    most: u64,
}

impl Frames {
    /// Lets frames with at most `most` bytes of payload through.
    pub fn new(most: usize) -> Self {
        Self { header: [0; HEADER_MAX], have: 0, left: 0, most: most as u64 }
    }

    /// Follows the next bytes.
    pub fn follow(&mut self, mut bytes: &[u8]) -> Result<(), TooLong> {
        while !bytes.is_empty() {
            if self.left > 0 {
                let skipped = usize::try_from(self.left).unwrap_or(usize::MAX).min(bytes.len());
                self.left -= skipped as u64;
                bytes = &bytes[skipped..];
                continue;
            }
            self.header[self.have] = bytes[0];
            self.have += 1;
            bytes = &bytes[1..];
            if let Some(head) = Head::read(&self.header[..self.have]) {
                if head.length > self.most {
                    return Err(TooLong);
                }
                self.have = 0;
                self.left = head.length;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::model::cases::{damaged, many};

    /// A masked text frame, its length written in the shortest way.
    fn frame(payload: usize) -> Vec<u8> {
        let mut bytes = vec![0x81];
        match payload {
            0..=125 => bytes.push(0x80 | payload as u8),
            126..=0xffff => {
                bytes.push(0xfe);
                bytes.extend((payload as u16).to_be_bytes());
            }
            _ => {
                bytes.push(0xff);
                bytes.extend((payload as u64).to_be_bytes());
            }
        }
        bytes.extend([1, 2, 3, 4]);
        bytes.extend(std::iter::repeat_n(0x7f, payload));
        bytes
    }

    proptest! {
        #[test]
        fn however_the_bytes_are_cut_a_long_frame_is_seen_and_short_ones_pass(
            sizes in proptest::collection::vec(0usize..70_000, 1..4), cut in 1usize..5000, most in 0usize..70_000,
        ) {
            let bytes: Vec<u8> = sizes.iter().flat_map(|size| frame(*size)).collect();
            let mut frames = Frames::new(most);
            let seen = bytes.chunks(cut).try_for_each(|part| frames.follow(part));
            prop_assert_eq!(seen.is_err(), sizes.iter().any(|size| *size > most));
        }
    }

    #[test]
    fn a_terabyte_is_refused_by_its_header() {
        let mut header = vec![0x81, 0xff];
        header.extend((1u64 << 40).to_be_bytes());
        header.extend([0; 4]);
        assert_eq!(Frames::new(65_536).follow(&header), Err(TooLong));
    }

    proptest! {
        #![proptest_config(many())]

        #[test]
        fn damaged_frames_are_judged_alike_whole_and_in_pieces(
            sizes in proptest::collection::vec(0usize..200, 1..5), cut in 1usize..50, seed: u64,
        ) {
            let bytes = damaged(&sizes.iter().flat_map(|size| frame(*size)).collect::<Vec<u8>>(), seed);
            let mut pieces = Frames::new(150);
            prop_assert_eq!(bytes.chunks(cut).try_for_each(|part| pieces.follow(part)), Frames::new(150).follow(&bytes));
        }
    }
}
