//! From what the server has to say to a frame's bytes, encoded once however many hear it.

use std::fmt::Write as _;

use bytestring::ByteString;
use serde::Serialize;
use utoipa::ToSchema;

use super::{Problem, VERSIONS};
use crate::model::{ChannelName, Epoch, Key, Message, Seq, Sid, UserName, Wall};

/// A frame's text. Cloning shares the bytes.
pub type Frame = ByteString;

/// Most replies are no longer, in bytes.
const SMALL: usize = 256;

/// A frame of this type that answers the command `id`. `members` has to be written as an object.
pub fn reply(kind: &str, id: Option<&str>, members: impl Serialize) -> Frame {
    #[derive(Serialize)]
    struct Lead<'a> {
        r#type: &'a str,
        #[serde(skip_serializing_if = "Option::is_none")]
        id: Option<&'a str>,
    }
    // The two objects are joined as text, so that what was written before is not taken apart again.
    let mut bytes = Vec::with_capacity(SMALL);
    let written = serde_json::to_writer(&mut bytes, &Lead { r#type: kind, id }).and_then(|()| {
        let lead = bytes.len();
        serde_json::to_writer(&mut bytes, &members)?;
        if bytes.len() > lead + 2 {
            bytes[lead - 1] = b',';
            bytes.remove(lead);
        } else {
            bytes.truncate(lead);
        }
        String::from_utf8(bytes).map_err(serde::ser::Error::custom)
    });
    // These are our own structs: names for keys, nothing that can fail. Were one to, the client still hears a frame.
    written
        .unwrap_or_else(|_| r#"{"type":"error","code":"internal","message":"the answer could not be written"}"#.into())
        .into()
}

/// A frame of this type that answers nothing.
pub fn event(kind: &str, members: impl Serialize) -> Frame {
    reply(kind, None, members)
}

impl Problem {
    /// The `error` frame, as a reply if there is an `id`.
    pub fn frame(&self, id: Option<&str>) -> Frame {
        reply("error", id, self)
    }
}

/// What was said is stored, and this is its place.
#[derive(Serialize, ToSchema)]
pub struct Published<'a> {
    /// Where.
    channel: &'a ChannelName,
    /// The life of the channel's log.
    epoch: &'a Epoch,
    /// The message's place; of a duplicate, the first one's.
    #[schema(value_type = u64, minimum = 1)]
    seq: Seq,
    /// When the channel took it.
    at: Wall,
    /// The key had been used before, and nothing was stored.
    duplicate: bool,
}

/// `published`: the message's place is `seq`.
pub fn published(id: Option<&str>, channel: &ChannelName, epoch: &Epoch, seq: Seq, at: Wall, duplicate: bool) -> Frame {
    reply("published", id, Published { channel, epoch, seq, at, duplicate })
}

/// The limits that a `welcome` names.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct Limits {
    /// The largest frame, in bytes.
    pub frame_bytes: usize,
    /// The largest body, in bytes.
    pub body_bytes: usize,
    /// The longest page.
    pub page_max: usize,
    /// How many messages a join replays at most.
    pub replay_max: u64,
    /// Unanswered publishes of one session.
    pub outstanding: usize,
    /// Channels that one session may subscribe to.
    pub channels: usize,
}

/// You are in: the answer to `hello`, which comes even where that had no `id`.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct Welcome<'a> {
    /// The session's credential. Show it to nobody.
    #[schema(pattern = "^[0-9a-f]+-[0-9a-f]{64}$")]
    pub session: &'a str,
    /// Its public name.
    #[schema(value_type = Sid)]
    pub sid: &'a str,
    /// Who the client is now.
    pub user: &'a UserName,
    /// Whether that is a guest.
    pub guest: bool,
    /// What brings the same user back.
    pub token: &'a str,
    /// When the token ends.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub expires_at: Option<Wall>,
    /// After how long without hearing anything a client pings, in milliseconds.
    pub heartbeat_ms: u64,
    /// After how long without hearing anything either side gives up, in milliseconds.
    pub timeout_ms: u64,
    /// The server's time.
    pub now: Wall,
    /// Name and version.
    pub server: &'static str,
    /// Protocol versions spoken.
    #[schema(value_type = Vec<u32>)]
    pub versions: [u32; VERSIONS.len()],
    /// What is offered beyond the protocol's core.
    #[schema(value_type = Vec<String>)]
    pub features: &'static [&'static str],
    /// What the client may do.
    pub limits: &'a Limits,
}

/// A message that has its place, encoded.
#[derive(Clone, Debug)]
pub struct Posted {
    /// Its place.
    pub seq: Seq,
    /// When the channel took it.
    pub at: Wall,
    /// Who said it.
    pub from: UserName,
    /// The sender's idempotency key.
    pub key: Option<Key>,
    /// Whether it counts as unread.
    pub counts: bool,
    /// The `message` frame.
    pub frame: Frame,
}

impl Posted {
    /// Encodes a message of `channel`.
    pub fn new(channel: &ChannelName, message: &Message) -> Self {
        #[derive(Serialize)]
        struct Tail<'a> {
            #[serde(skip_serializing_if = "Option::is_none")]
            key: Option<&'a str>,
            #[serde(skip_serializing_if = "Option::is_none")]
            kind: Option<&'a str>,
            #[serde(rename = "ref", skip_serializing_if = "Option::is_none")]
            reply_to: Option<Seq>,
        }
        // A text that grows is moved from one size of memory to the next, which is where threads meet.
        let key = message.key.as_ref().map_or(0, |key| key.as_str().len());
        let names = channel.as_str().len() + message.from.as_str().len() + key;
        let mut text = String::with_capacity(SMALL / 2 + names + message.body.len());
        // Names have no character that JSON escapes, and the body is JSON already. Writing to a string does not fail.
        let _ = write!(
            text,
            r#"{{"type":"message","channel":"{channel}","seq":{},"at":"{}","from":"{}","body":{}"#,
            message.seq, message.at, message.from, message.body
        );
        let tail = Tail {
            key: message.key.as_ref().map(Key::as_str),
            kind: message.kind.as_ref().map(crate::model::Kind::as_str),
            reply_to: message.reply_to,
        };
        let tail = serde_json::to_string(&tail).unwrap_or_else(|_| "{}".into());
        if tail != "{}" {
            text.push(',');
            text.push_str(&tail[1..tail.len() - 1]);
        }
        text.push('}');
        Self {
            seq: message.seq,
            at: message.at,
            from: message.from.clone(),
            key: message.key.clone(),
            counts: message.kind.is_none(),
            frame: text.into(),
        }
    }
}

impl Posted {
    /// The same without its body.
    #[must_use]
    pub fn erased(&self) -> Self {
        // Nothing before it can hold these characters: names have none that JSON escapes.
        let text: &str = &self.frame;
        let start = text.find(BODY).map_or(text.len(), |at| at + BODY.len());
        let mut body = serde_json::Deserializer::from_str(&text[start..]).into_iter::<serde::de::IgnoredAny>();
        let _ = body.next();
        let end = start + body.byte_offset();
        let frame = [&text[..start], "{}", &text[end..]].concat();
        Self { frame: frame.into(), ..self.clone() }
    }
}

/// What stands before the body in a `message` frame.
const BODY: &str = r#""body":"#;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Kind;

    #[test]
    fn an_erased_message_is_the_one_whose_body_was_empty() {
        let channel = ChannelName::stored("a").unwrap();
        let message = Message {
            kind: Kind::new("x-a"),
            reply_to: Some(2),
            body: r#" {"body": {"body":"} ,"}, "a":[1]}"#.into(),
            ..Message::sample(3, Wall(0))
        };
        let bare = Posted::new(&channel, &Message { body: "{}".into(), ..message.clone() });
        assert_eq!(Posted::new(&channel, &message).erased().frame, bare.frame);
        assert_eq!(bare.erased().frame, bare.frame);
    }

    #[test]
    fn a_message_is_one_object_with_its_body_untouched() {
        let channel = ChannelName::stored("a").unwrap();
        let mut message = Message {
            seq: 3,
            at: Wall(0),
            from: UserName::parse("ann").unwrap(),
            key: None,
            kind: None,
            reply_to: None,
            body: r#"{"text": "hi"}"#.into(),
        };
        let bare = Posted::new(&channel, &message);
        assert_eq!(
            bare.frame,
            r#"{"type":"message","channel":"a","seq":3,"at":"1970-01-01T00:00:00.000Z","from":"ann","body":{"text": "hi"}}"#
        );
        message.key = Key::new("k\"\\");
        message.kind = Kind::new("x-a");
        message.reply_to = Some(2);
        let full = Posted::new(&channel, &message);
        let json: serde_json::Value = serde_json::from_str(&full.frame).unwrap();
        assert_eq!((&json["key"], &json["kind"], &json["ref"]), (&"k\"\\".into(), &"x-a".into(), &2.into()));
        assert!(bare.counts && !full.counts);
    }

    #[test]
    fn an_error_names_its_code_and_what_follows() {
        let problem = Problem { close: Some(super::super::CloseCode::BadFrames), ..Problem::bad_frame("no") };
        assert_eq!(
            problem.frame(Some("7")),
            r#"{"type":"error","id":"7","code":"bad_frame","message":"no","close":4503}"#
        );
    }
}
