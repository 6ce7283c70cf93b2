//! A frame's header (RFC 6455, section 5.2). Pure.

/// The longest header: two bytes, eight of length, four of mask.
pub(super) const HEADER_MAX: usize = 14;

/// What a frame says of itself before its payload.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Head {
    /// Whether this is a message's last frame.
    pub last: bool,
    /// Whether one of the bits is set that only extensions may use.
    pub reserved: bool,
    /// What kind of frame it is.
    pub opcode: u8,
    /// The mask, which every frame of a client has to have.
    pub mask: Option<[u8; 4]>,
    /// Bytes of the header.
    pub size: usize,
    /// Bytes of payload behind it.
    pub length: u64,
}

impl Head {
    /// Reads the header at the beginning of `bytes`; `None` while it is not whole.
    pub fn read(bytes: &[u8]) -> Option<Self> {
        let (&[first, second], rest) = bytes.split_first_chunk()?;
        let extended = match second & 0x7f {
            126 => 2,
            127 => 8,
            _ => 0,
        };
        let wide = rest.get(..extended)?.iter().fold(0, |sum, byte| (sum << 8) | u64::from(*byte));
        let length = if extended == 0 { u64::from(second & 0x7f) } else { wide };
        let masked = second & 0x80 != 0;
        let mask = if masked { Some(*rest.get(extended..)?.first_chunk::<4>()?) } else { None };
        let size = 2 + extended + if masked { 4 } else { 0 };
        Some(Self { last: first & 0x80 != 0, reserved: first & 0x70 != 0, opcode: first & 0x0f, mask, size, length })
    }
}

/// Writes the header of a server's frame, which is whole and has no mask.
pub(super) fn write(out: &mut Vec<u8>, opcode: u8, length: usize) {
    out.push(0x80 | opcode);
    match length {
        0..=125 => out.push(length as u8),
        126..=0xffff => {
            out.push(126);
            out.extend((length as u16).to_be_bytes());
        }
        _ => {
            out.push(127);
            out.extend((length as u64).to_be_bytes());
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_header_that_was_written_is_read_back_and_no_part_of_it_is_taken_for_a_whole(
            opcode in 0u8..16, length in prop_oneof![0usize..200, 65_000usize..66_000, 0usize..1 << 40],
        ) {
            let mut bytes = Vec::new();
            write(&mut bytes, opcode, length);
            let head = Head { last: true, reserved: false, opcode, mask: None, size: bytes.len(), length: length as u64 };
            prop_assert_eq!(Head::read(&bytes), Some(head));
            prop_assert!((0..bytes.len()).all(|part| Head::read(&bytes[..part]).is_none()));
        }
    }
}
