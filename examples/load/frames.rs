//! The frames that the generator sends and hears, as bytes. What it hears it scans; no tree is built and nothing is
//! allocated.
//!
//! A message's text begins with when it was due and who sent it, so that whoever hears it knows how old it is.

use memchr::{memchr, memmem};

use crate::floor::room::itoa;
use crate::floor::scan::{leading, number, string};
use crate::floor::wire::{self, TEXT};

/// The shortest text: when it was due, and who sent it.
const SHORTEST: usize = 20;

/// The names of this run's channels: what they all begin with, then a number.
#[derive(Clone, Debug)]
pub struct Names(String);

impl Names {
    /// Names that no other run has.
    pub fn new() -> Self {
        let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
        Self(format!("load-{:x}-{:x}-", since.as_millis(), std::process::id()))
    }

    /// A channel's name.
    pub fn name(&self, channel: u32) -> String {
        format!("{}{channel}", self.0)
    }

    /// The channel that some bytes name.
    fn number(&self, name: &[u8]) -> Option<u32> {
        leading(name.strip_prefix(self.0.as_bytes())?).map(|(number, _)| number as u32)
    }
}

/// A message as it was heard.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Message {
    /// Its channel's number.
    pub channel: u32,
    /// Its place.
    pub seq: u64,
    /// When it was due.
    pub due: u64,
    /// Who sent it.
    pub publisher: u32,
}

/// A receipt as it was heard.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Receipt {
    /// Its channel's number.
    pub channel: u32,
    /// The message's place.
    pub seq: u64,
    /// When it was due.
    pub due: u64,
    /// Whether the message was there already.
    pub duplicate: bool,
}

/// Whether a frame is a message.
pub fn is_message(frame: &[u8]) -> bool {
    frame.starts_with(br#"{"type":"message""#)
}

/// Whether a frame is a receipt.
pub fn is_receipt(frame: &[u8]) -> bool {
    frame.starts_with(br#"{"type":"published""#)
}

impl Names {
    /// Reads a `message` that this generator sent.
    pub fn message(&self, frame: &[u8]) -> Option<Message> {
        let rest = frame.strip_prefix(br#"{"type":"message","channel":""#)?;
        let end = memchr(b'"', rest)?;
        let channel = self.number(&rest[..end])?;
        let (seq, digits) = leading(rest[end..].strip_prefix(br#"","seq":"#)?)?;
        let text = text(&rest[end + 8 + digits..])?;
        let (due, digits) = leading(text)?;
        let (publisher, _) = leading(text.get(digits + 1..)?)?;
        Some(Message { channel, seq, due, publisher: publisher as u32 })
    }

    /// Reads a `published` of this generator.
    pub fn receipt(&self, frame: &[u8]) -> Option<Receipt> {
        let (due, _) = leading(frame.strip_prefix(br#"{"type":"published","id":""#)?)?;
        let channel = self.number(string(frame, br#""channel":""#)?)?;
        let seq = number(frame, br#""seq":"#)?;
        Some(Receipt { channel, seq, due, duplicate: memmem::find(frame, br#""duplicate":true"#).is_some() })
    }

    /// The channel that any frame names.
    pub fn channel(&self, frame: &[u8]) -> Option<u32> {
        self.number(string(frame, br#""channel":""#)?)
    }
}

/// The text of a message, given what stands behind its seq.
fn text(rest: &[u8]) -> Option<&[u8]> {
    const NAMED: &[u8] = br#"","from":""#;
    const BODY: &[u8] = br#","body":{"text":""#;
    // `,"at":"` and 24 characters, if the members stand as they do today; else they are looked for.
    let quick = || {
        let from = rest.get(31..)?.strip_prefix(NAMED)?;
        from[memchr(b'"', from)? + 1..].strip_prefix(BODY)
    };
    quick().or_else(|| memmem::find(rest, br#""text":""#).map(|at| &rest[at + 8..]))
}

/// What a text of so many bytes ends with.
pub fn filling(text: usize) -> String {
    "words and ".chars().cycle().take(text.max(SHORTEST) - SHORTEST).collect()
}

/// Writes the generator's commands.
#[derive(Debug)]
pub struct Writer {
    names: Vec<String>,
    filling: Vec<u8>,
    scratch: Vec<u8>,
    keys: bool,
    sent: u64,
}

impl Writer {
    /// For so many channels, with texts of so many bytes, and perhaps with a key for each publish.
    pub fn new(names: &Names, channels: u32, text: usize, keys: bool) -> Self {
        let names = (0..channels).map(|channel| names.name(channel)).collect();
        Self { names, filling: filling(text).into_bytes(), scratch: Vec::new(), keys, sent: 0 }
    }

    /// A `publish` that was due then, whose `id` says so.
    pub fn publish(&mut self, channel: u32, publisher: u32, due: u64) -> &[u8] {
        self.sent += 1;
        let mut digits = itoa();
        self.scratch.clear();
        self.add(br#"{"type":"publish","id":""#);
        self.add(digits.write(due));
        self.add(br#"","channel":""#);
        self.scratch.extend_from_slice(self.names[channel as usize].as_bytes());
        if self.keys {
            self.add(br#"","key":""#);
            self.add(digits.write(u64::from(publisher)));
            self.add(b".");
            let sent = self.sent;
            self.add(digits.write(sent));
        }
        self.add(br#"","body":{"text":""#);
        self.padded(due, 12);
        self.add(b".");
        self.padded(u64::from(publisher), 6);
        self.add(b".");
        self.scratch.extend_from_slice(&self.filling);
        self.add(br#""}}"#);
        &self.scratch
    }

    fn add(&mut self, part: &[u8]) {
        self.scratch.extend_from_slice(part);
    }

    fn padded(&mut self, number: u64, width: usize) {
        let mut digits = itoa();
        let digits = digits.write(number);
        self.scratch.resize(self.scratch.len() + width.saturating_sub(digits.len()), b'0');
        self.scratch.extend_from_slice(digits);
    }

    /// The name of a channel.
    pub fn name(&self, channel: u32) -> &str {
        &self.names[channel as usize]
    }
}

/// Writes a command as a WebSocket frame.
pub fn put(out: &mut Vec<u8>, command: &[u8]) {
    wire::put_masked(out, TEXT, command);
}

/// A `hello`, as a new guest or as the one whose token it is.
pub fn hello(token: Option<&str>) -> String {
    match token {
        Some(token) => format!(r#"{{"type":"hello","id":"hello","version":1,"token":"{token}"}}"#),
        None => r#"{"type":"hello","id":"hello","version":1,"guest":"load","client":"load"}"#.to_owned(),
    }
}

/// A `join` that begins at the head, or after a cursor.
pub fn join(channel: &str, since: Option<(&str, u64)>, member: bool) -> String {
    let place = match since {
        Some((epoch, seq)) => format!(r#""since":{{"epoch":"{epoch}","seq":{seq}}}"#),
        None => r#""tail":0"#.to_owned(),
    };
    format!(r#"{{"type":"join","id":"join","channel":"{channel}",{place},"member":{member}}}"#)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_published_is_understood_when_it_is_heard() {
        let names = Names::new();
        let mut writer = Writer::new(&names, 12, 120, false);
        let sent = String::from_utf8(writer.publish(11, 7, 1_234_567).to_vec()).expect("text");
        let body = &sent[sent.find(r#""body":"#).expect("a body")..sent.len() - 1];
        let name = names.name(11);
        let expected = Message { channel: 11, seq: 90, due: 1_234_567, publisher: 7 };
        for between in [r#""at":"2026-11-22T16:32:41.850Z","from":"~load-abcde""#, r#""from":"x","at":"later""#] {
            let frame = format!(r#"{{"type":"message","channel":"{name}","seq":90,{between},{body}}}"#);
            assert_eq!(names.message(frame.as_bytes()), Some(expected), "{frame}");
        }
        let text = serde_json::from_str::<serde_json::Value>(&sent).expect("JSON");
        assert_eq!(text["body"]["text"].as_str().map(str::len), Some(120));
    }

    #[test]
    fn a_receipt_says_when_its_publish_was_due() {
        let names = Names::new();
        let frame = format!(
            r#"{{"type":"published","id":"55","channel":"{}","epoch":"e","seq":3,"at":"x","duplicate":false}}"#,
            names.name(2)
        );
        let expected = Receipt { channel: 2, seq: 3, due: 55, duplicate: false };
        assert_eq!(names.receipt(frame.as_bytes()), Some(expected));
    }

    #[test]
    fn foreign_channels_are_nobody_s_business() {
        let frame = br#"{"type":"message","channel":"lobby","seq":1,"at":"x","from":"y","body":{"text":"1.2."}}"#;
        assert_eq!(Names::new().message(frame), None);
    }
}
