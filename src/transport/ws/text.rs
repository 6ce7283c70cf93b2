//! Joins the parts of a fragmented text message (RFC 6455, section 5.4). Pure.

use actix_http::ws::Item;
use bytes::BytesMut;
use bytestring::ByteString;

use crate::protocol::CloseCode;

/// A message of which not all parts have come.
#[derive(Debug)]
pub(super) struct Parts {
    open: Option<BytesMut>,
    most: usize,
}

impl Parts {
    /// Joins messages of at most `most` bytes.
    pub fn new(most: usize) -> Self {
        Self { open: None, most }
    }

    /// Whether a message has begun and not ended.
    pub fn is_open(&self) -> bool {
        self.open.is_some()
    }

    /// Takes the next part: the whole message with the last one, or why the connection cannot go on.
    pub fn take(&mut self, part: Item) -> Result<Option<ByteString>, CloseCode> {
        let (bytes, last) = match part {
            Item::FirstText(bytes) => {
                self.open = Some(BytesMut::new());
                (bytes, false)
            }
            Item::FirstBinary(_) => return Err(CloseCode::Unsupported),
            Item::Continue(bytes) => (bytes, false),
            Item::Last(bytes) => (bytes, true),
        };
        let Some(open) = &mut self.open else { return Err(CloseCode::ProtocolError) };
        if open.len() + bytes.len() > self.most {
            return Err(CloseCode::TooBig);
        }
        open.extend_from_slice(&bytes);
        if !last {
            return Ok(None);
        }
        let whole = self.open.take().unwrap_or_default().freeze();
        ByteString::try_from(whole).map(Some).map_err(|_| CloseCode::BadText)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_are_joined_and_a_character_may_be_cut_in_two() {
        let mut parts = Parts::new(10);
        assert_eq!(parts.take(Item::FirstText("a\u{e9}".as_bytes()[..2].to_vec().into())), Ok(None));
        assert_eq!(parts.take(Item::Last("\u{e9}".as_bytes()[1..].to_vec().into())), Ok(Some("a\u{e9}".into())));
    }

    #[test]
    fn what_cannot_be_joined_says_how_to_close() {
        assert_eq!(Parts::new(10).take(Item::Last("a".into())), Err(CloseCode::ProtocolError));
        assert_eq!(Parts::new(10).take(Item::FirstBinary("a".into())), Err(CloseCode::Unsupported));
        assert_eq!(Parts::new(1).take(Item::FirstText("ab".into())), Err(CloseCode::TooBig));
        let mut parts = Parts::new(10);
        assert_eq!(parts.take(Item::FirstText(vec![0xff].into())), Ok(None));
        assert_eq!(parts.take(Item::Last("".into())), Err(CloseCode::BadText));
    }
}
