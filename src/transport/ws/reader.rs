//! Frames out of the bytes that come in (RFC 6455, section 5). Pure.

use actix_http::ws::Item;
use bytes::Bytes;
use bytestring::ByteString;

use super::head::Head;
use super::text::Parts;
use crate::protocol::CloseCode;

/// The most payload that a control frame may have (RFC 6455, section 5.5).
const CONTROL_MAX: u64 = 125;

/// The kinds of frames (RFC 6455, section 11.8).
pub(super) mod opcode {
    pub const CONTINUATION: u8 = 0;
    pub const TEXT: u8 = 1;
    pub const BINARY: u8 = 2;
    pub const CLOSE: u8 = 8;
    pub const PING: u8 = 9;
    pub const PONG: u8 = 10;
}

/// What a frame was.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Heard {
    /// A message, whole.
    Text(ByteString),
    /// A part of a message, or the answer to a ping: a sign of life.
    Sign,
    /// To be answered with the same payload.
    Ping(Box<[u8]>),
    /// The peer's end, or its answer to ours.
    Close,
}

/// Reads one connection's frames.
#[derive(Debug)]
pub(super) struct Reader {
    parts: Parts,
    most: u64,
}

impl Reader {
    /// Lets messages of at most `most` bytes through.
    pub fn new(most: usize) -> Self {
        Self { parts: Parts::new(most), most: most as u64 }
    }

    /// Takes the frame at the beginning of `bytes`, whose payload is unmasked in place: what it was, and how many bytes
    /// it took; `None` while it is not whole. An error says how the connection has to close, and nothing can be read
    /// after it.
    pub fn take(&mut self, bytes: &mut [u8]) -> Result<Option<(Heard, usize)>, CloseCode> {
        let Some(head) = Head::read(bytes) else { return Ok(None) };
        let control = head.opcode >= opcode::CLOSE;
        if head.reserved || (control && (!head.last || head.length > CONTROL_MAX)) {
            return Err(CloseCode::ProtocolError);
        }
        if head.length > self.most && !control {
            return Err(CloseCode::TooBig);
        }
        let Some(mask) = head.mask else { return Err(CloseCode::ProtocolError) };
        let end = head.size + head.length as usize;
        let Some(payload) = bytes.get_mut(head.size..end) else { return Ok(None) };
        unmask(payload, mask);
        self.frame(head, payload).map(|heard| Some((heard, end)))
    }

    fn frame(&mut self, head: Head, payload: &[u8]) -> Result<Heard, CloseCode> {
        let bytes = || Bytes::copy_from_slice(payload);
        let part = match (head.opcode, head.last) {
            (opcode::TEXT | opcode::BINARY, _) if self.parts.is_open() => return Err(CloseCode::ProtocolError),
            (opcode::TEXT, true) => {
                return ByteString::try_from(bytes()).map(Heard::Text).map_err(|_| CloseCode::BadText);
            }
            (opcode::TEXT, false) => Item::FirstText(bytes()),
            (opcode::BINARY, _) => return Err(CloseCode::Unsupported),
            (opcode::CONTINUATION, false) => Item::Continue(bytes()),
            (opcode::CONTINUATION, true) => Item::Last(bytes()),
            (opcode::CLOSE, _) => return Ok(Heard::Close),
            (opcode::PING, _) => return Ok(Heard::Ping(payload.into())),
            (opcode::PONG, _) => return Ok(Heard::Sign),
            _ => return Err(CloseCode::ProtocolError),
        };
        self.parts.take(part).map(|whole| whole.map_or(Heard::Sign, Heard::Text))
    }
}

fn unmask(payload: &mut [u8], mask: [u8; 4]) {
    for four in payload.chunks_mut(4) {
        four.iter_mut().zip(mask).for_each(|(byte, mask)| *byte ^= mask);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::model::cases::{damaged, many};

    /// A client's frame.
    fn frame(first: u8, payload: &[u8]) -> Vec<u8> {
        let mut bytes = Vec::new();
        super::super::head::write(&mut bytes, 0, payload.len());
        bytes[0] = first;
        bytes[1] |= 0x80;
        bytes.extend([1, 2, 3, 4]);
        bytes.extend(payload.iter().zip([1, 2, 3, 4].iter().cycle()).map(|(byte, mask)| byte ^ mask));
        bytes
    }

    fn all(reader: &mut Reader, bytes: &[u8]) -> Result<Vec<Heard>, CloseCode> {
        let mut bytes = bytes.to_vec();
        let (mut heard, mut at) = (Vec::new(), 0);
        while let Some((one, size)) = reader.take(&mut bytes[at..])? {
            heard.push(one);
            at += size;
        }
        Ok(heard)
    }

    /// What is heard when the bytes come in pieces of this size, and how it ends.
    fn in_pieces(bytes: &[u8], size: usize) -> (Vec<Heard>, Option<CloseCode>) {
        let (mut reader, mut rest, mut heard) = (Reader::new(60), Vec::new(), Vec::new());
        for piece in bytes.chunks(size) {
            rest.extend_from_slice(piece);
            loop {
                match reader.take(&mut rest) {
                    Ok(Some((one, taken))) => {
                        heard.push(one);
                        rest.drain(..taken);
                    }
                    Ok(None) => break,
                    Err(code) => return (heard, Some(code)),
                }
            }
        }
        (heard, None)
    }

    proptest! {
        #![proptest_config(many())]

        #[test]
        fn damaged_frames_are_heard_alike_whole_and_in_pieces(
            frames in proptest::collection::vec((0usize..8, proptest::collection::vec(any::<u8>(), 0..70)), 1..5),
            size in 1usize..40, seed: u64, spoil: bool,
        ) {
            const FIRST: [u8; 8] = [0x81, 0x01, 0x00, 0x80, 0x89, 0x8a, 0x88, 0x81];
            let whole: Vec<u8> = frames.iter().flat_map(|(kind, payload)| frame(FIRST[*kind], payload)).collect();
            let bytes = if spoil { damaged(&whole, seed) } else { whole };
            let all = in_pieces(&bytes, usize::MAX);
            prop_assert_eq!(&in_pieces(&bytes, size), &all);
            prop_assert_eq!(&in_pieces(&bytes, 1), &all);
            prop_assert!(all.0.iter().all(|one| !matches!(one, Heard::Text(text) if text.len() > 60)));
        }

        #[test]
        fn texts_come_out_as_they_went_in_however_the_bytes_are_cut(
            texts in proptest::collection::vec(".{0,300}", 1..6), cut in 1usize..200,
        ) {
            let stream: Vec<u8> = texts.iter().flat_map(|text| frame(0x81, text.as_bytes())).collect();
            let mut reader = Reader::new(2000);
            let (mut rest, mut got) = (Vec::new(), Vec::new());
            for part in stream.chunks(cut) {
                rest.extend_from_slice(part);
                while let Some((heard, size)) = reader.take(&mut rest).unwrap() {
                    got.push(heard);
                    rest.drain(..size);
                }
            }
            let expected: Vec<Heard> = texts.iter().map(|text| Heard::Text(text.as_str().into())).collect();
            prop_assert_eq!(got, expected);
            prop_assert!(rest.is_empty());
        }

        #[test]
        fn no_bytes_whatever_are_read_beyond_their_end(
            bytes in proptest::collection::vec(any::<u8>(), 0..300), most in 0usize..400,
        ) {
            let mut reader = Reader::new(most);
            let (mut bytes, mut at) = (bytes, 0);
            while let Ok(Some((heard, size))) = reader.take(&mut bytes[at..]) {
                prop_assert!(size >= 6 && at + size <= bytes.len());
                prop_assert!(!matches!(heard, Heard::Text(text) if text.len() > most));
                at += size;
            }
        }
    }

    #[test]
    fn what_the_protocol_forbids_says_how_to_close() {
        let long = frame(0x81, &[b'a'; 11]);
        for (bytes, code) in [
            (frame(0xc1, b"a"), CloseCode::ProtocolError),
            (frame(0x83, b"a"), CloseCode::ProtocolError),
            (frame(0x8b, b""), CloseCode::ProtocolError),
            (frame(0x09, b"a"), CloseCode::ProtocolError),
            (frame(0x89, &[0; 126]), CloseCode::ProtocolError),
            (frame(0x80, b"a"), CloseCode::ProtocolError),
            ([frame(0x01, b"a"), frame(0x81, b"b")].concat(), CloseCode::ProtocolError),
            (vec![0x81, 1, b'a'], CloseCode::ProtocolError),
            (frame(0x82, b"a"), CloseCode::Unsupported),
            (frame(0x81, &[0xff]), CloseCode::BadText),
            (long[..6].to_vec(), CloseCode::TooBig),
            ([frame(0x01, &[b'a'; 6]), frame(0x80, &[b'b'; 6])].concat(), CloseCode::TooBig),
        ] {
            assert_eq!(all(&mut Reader::new(10), &bytes), Err(code), "{bytes:?}");
        }
    }

    #[test]
    fn control_frames_may_stand_between_the_parts_of_a_message() {
        let parts = [frame(0x01, b"he"), frame(0x89, b"?"), frame(0x8a, b""), frame(0x80, b"llo"), frame(0x88, b"")];
        let heard = all(&mut Reader::new(10), &parts.concat());
        let ping = Heard::Ping(b"?"[..].into());
        assert_eq!(heard, Ok(vec![Heard::Sign, ping, Heard::Sign, Heard::Text("hello".into()), Heard::Close]));
    }
}
