//! A line on the screen: pieces of text, each in a tone. Whatever strangers wrote is made harmless here. Pure.

use chrono::NaiveDateTime;
use parlor::model::Wall;

/// How civil time is shown: what the clock on the wall says at that moment.
pub type Zone = fn(Wall) -> NaiveDateTime;

/// How a piece of text sounds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tone {
    /// What people say.
    Plain,
    /// What is only by the way.
    Quiet,
    /// What has gone wrong.
    Alarm,
    /// A channel's name.
    Channel,
    /// The user's own name.
    Own,
    /// Someone else's, each in a colour that is always the same.
    Name,
}

/// A line.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Line(Vec<(Tone, String)>);

impl Line {
    /// A line in one tone.
    pub fn new(tone: Tone, text: &str) -> Self {
        Self::default().and(tone, text)
    }

    /// Something by the way.
    pub fn quiet(text: &str) -> Self {
        Self::new(Tone::Quiet, text)
    }

    /// Something that has gone wrong.
    pub fn alarm(text: &str) -> Self {
        Self::new(Tone::Alarm, text)
    }

    /// This line with a piece more. There is no other way for a text into a line, so that none gets in as it came.
    #[must_use]
    pub fn and(mut self, tone: Tone, text: &str) -> Self {
        if !text.is_empty() {
            self.0.push((tone, harmless(text)));
        }
        self
    }

    /// What is written.
    pub fn paint(&self, colours: bool) -> String {
        let piece = |(tone, text): &(Tone, String)| match colour(*tone, text).filter(|_| colours) {
            Some(code) => format!("\x1b[{code}m{text}\x1b[0m"),
            None => text.clone(),
        };
        self.0.iter().map(piece).collect()
    }
}

/// The "select graphic rendition" code (ECMA-48, section 8.3.117) of a tone.
fn colour(tone: Tone, text: &str) -> Option<&'static str> {
    const NAMES: [&str; 6] = ["32", "33", "34", "35", "36", "94"];
    match tone {
        Tone::Plain => None,
        Tone::Quiet => Some("2"),
        Tone::Alarm => Some("31"),
        Tone::Channel => Some("36"),
        Tone::Own => Some("1"),
        Tone::Name => {
            let sum = text.bytes().fold(7usize, |sum, byte| sum.wrapping_mul(31).wrapping_add(usize::from(byte)));
            Some(NAMES[sum % NAMES.len()])
        }
    }
}

/// The text without anything that a terminal would obey, or that would make it look like something else: control
/// characters show as their pictures, and a further line cannot be taken for one of ours.
pub fn harmless(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '\n' => out.push_str("\n        │ "),
            '\t' => out.push_str("    "),
            // The pictures of the control characters stand in their order (Unicode, block 2400).
            '\0'..='\x1f' => out.push(char::from_u32(0x2400 + u32::from(c)).unwrap_or('\u{fffd}')),
            '\x7f' => out.push('\u{2421}'),
            // Further controls, separators of lines, and what turns the direction of writing.
            '\u{80}'..='\u{9f}' | '\u{2028}' | '\u{2029}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' => {
                out.push('\u{fffd}');
            }
            '\u{200e}' | '\u{200f}' | '\u{61c}' | '\u{feff}' => {}
            _ => out.push(c),
        }
    }
    out
}

/// `[10:42]`, with the day if it is not today's.
pub fn stamp(at: Wall, now: Wall, zone: Zone) -> String {
    let (then, today) = (zone(at), zone(now).date());
    let form = if then.date() == today { "[%H:%M] " } else { "[%Y-%m-%d %H:%M] " };
    then.format(form).to_string()
}

#[cfg(test)]
mod tests {
    use super::super::testing::utc;
    use super::*;

    #[test]
    fn what_a_terminal_would_obey_is_shown_and_not_obeyed() {
        assert_eq!(harmless("a\u{1b}[2Jb\u{7}\r\u{7f}"), "a␛[2Jb␇␍␡");
        assert_eq!(harmless("\u{9b}31m \u{202e}evil \u{200f}x"), "\u{fffd}31m \u{fffd}evil x");
        assert_eq!(harmless("Grüße, 日本, 👩\u{200d}🚒"), "Grüße, 日本, 👩\u{200d}🚒");
    }

    #[test]
    fn a_second_line_cannot_pass_for_another_message() {
        let line = Line::new(Tone::Plain, "x\n[10:00] #lobby bob: I owe you").paint(false);
        assert_eq!(line, "x\n        │ [10:00] #lobby bob: I owe you");
    }

    #[test]
    fn colours_are_there_only_if_they_are_wanted() {
        let line = Line::quiet("a").and(Tone::Plain, "b").and(Tone::Alarm, "\u{1b}[0m");
        assert_eq!(line.paint(false), "ab␛[0m");
        assert_eq!(line.paint(true), "\u{1b}[2ma\u{1b}[0mb\u{1b}[31m␛[0m\u{1b}[0m");
    }

    #[test]
    fn the_day_is_named_only_if_it_is_another() {
        let (morning, noon) = (Wall(1_795_341_720_000), Wall(1_795_348_800_000));
        assert_eq!(stamp(morning, noon, utc), "[10:02] ");
        assert_eq!(stamp(Wall(morning.0 - 86_400_000), noon, utc), "[2026-11-21 10:02] ");
    }
}
