//! What a request says: the frames of the protocol, with what they leave out because a client knows it. Pure.

use crate::model::{ChannelName, Epoch, Message, Wall};
use crate::protocol::{Frame, Posted};

use super::step::{Event, Place};

/// A message, with its log's epoch.
pub(super) fn message(channel: &ChannelName, epoch: &Epoch, message: &Message) -> Event {
    let posted = Posted::new(channel, message);
    Event {
        place: Place::Log(message.seq),
        id: format!("msg_{epoch}_{}", message.seq),
        at: message.at,
        body: with(&posted.frame, &format!(r#""epoch":"{epoch}""#)),
    }
}

/// An event, with its time.
pub(super) fn told(frame: &Frame, at: Wall) -> Frame {
    with(frame, &format!(r#""at":"{at}""#))
}

/// A frame with another member behind its type.
fn with(frame: &str, member: &str) -> Frame {
    match frame.split_once(',') {
        Some((head, rest)) => format!("{head},{member},{rest}").into(),
        None => frame.into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::event;

    #[test]
    fn a_message_names_its_epoch_and_an_event_its_time() {
        let channel = ChannelName::stored("a").unwrap();
        let made = message(&channel, &Epoch("x-y".into()), &Message::sample(3, Wall(0)));
        let told = told(&event("member", serde_json::json!({"user": "bob"})), Wall(0));
        assert_eq!(made.id, "msg_x-y_3");
        assert_eq!(
            &*made.body,
            r#"{"type":"message","epoch":"x-y","channel":"a","seq":3,"at":"1970-01-01T00:00:00.000Z","from":"ann","body":{}}"#
        );
        assert_eq!(&*told, r#"{"type":"member","at":"1970-01-01T00:00:00.000Z","user":"bob"}"#);
    }
}
