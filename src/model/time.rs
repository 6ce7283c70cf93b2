//! Points in time, as plain numbers.

use std::fmt;
use std::time::Duration;

use chrono::{DateTime, NaiveDateTime, SecondsFormat, Utc};
use serde::{Serialize, Serializer};

/// A point of the monotonic clock: milliseconds since some start. Only differences mean anything.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Moment(pub u64);

impl Moment {
    /// This moment, `by` later.
    #[must_use]
    pub fn after(self, by: Duration) -> Self {
        Self(self.0.saturating_add(by.as_millis() as u64))
    }

    /// How long ago `earlier` was; zero if it lies ahead.
    pub fn since(self, earlier: Self) -> Duration {
        Duration::from_millis(self.0.saturating_sub(earlier.0))
    }
}

/// A point of civil time: milliseconds since 1970-01-01T00:00Z. Shown as RFC 3339 with milliseconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Wall(pub i64);

impl Wall {
    /// The hour that this point lies in.
    pub fn hour(self) -> Hour {
        Hour(u32::try_from(self.0.div_euclid(3_600_000)).unwrap_or(0))
    }
}

impl fmt::Display for Wall {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let at = DateTime::<Utc>::from_timestamp_millis(self.0).unwrap_or_default();
        f.write_str(&at.to_rfc3339_opts(SecondsFormat::Millis, true))
    }
}

impl Serialize for Wall {
    fn serialize<S: Serializer>(&self, out: S) -> Result<S::Ok, S::Error> {
        out.collect_str(self)
    }
}

/// How an hour is written: a digit for each 0.
const SHAPE: &[u8; 13] = b"0000-00-00T00";

/// An hour of civil time: hours since 1970-01-01T00:00Z. Written as `2026-11-22T10`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Hour(pub u32);

impl Hour {
    /// Reads the wire's `YYYY-MM-DDTHH`; `None` if it is not one.
    pub fn parse(text: &str) -> Option<Self> {
        // The parser behind this takes signs, spaces and single digits, too.
        let is_shaped = text.len() == SHAPE.len()
            && text
                .bytes()
                .zip(SHAPE)
                .all(|(byte, shape)| if *shape == b'0' { byte.is_ascii_digit() } else { byte == *shape });
        if !is_shaped {
            return None;
        }
        let at = NaiveDateTime::parse_from_str(&format!("{text}:00"), "%Y-%m-%dT%H:%M").ok()?;
        u32::try_from(at.and_utc().timestamp().div_euclid(3600)).ok().map(Self)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::model::cases::{damaged_text, many};

    #[test]
    fn a_wall_time_reads_as_rfc_3339_with_milliseconds() {
        assert_eq!(Wall(1_795_341_600_007).to_string(), "2026-11-22T10:00:00.007Z");
    }

    #[test]
    fn an_hour_is_read_back_from_its_text_and_nothing_else_is() {
        assert_eq!(Hour::parse("2026-11-22T10"), Some(Wall(1_795_341_600_007).hour()));
        for bad in [
            "",
            "2026-11-22",
            "2026-11-22T24",
            "2026-11-22T1",
            "2026-11-22T10:00",
            "2026-13-22T10",
            "+026-11-22T10",
            "+26-11-022T10",
            "2026-11- 2T10",
            "2026-011-2T10",
            "+2026-11-2T10",
            "2026-11-22T+9",
            "2026-11-22t10",
        ] {
            assert_eq!(Hour::parse(bad), None, "{bad}");
        }
    }

    proptest! {
        #![proptest_config(many())]

        #[test]
        fn every_hour_is_read_back_and_has_one_text(at in 0..32_503_680_000_000_i64, seed: u64) {
            let (hour, text) = (Wall(at).hour(), Wall(at).to_string());
            prop_assert_eq!(Hour::parse(&text[..13]), Some(hour));
            let other = damaged_text(&text[..13], seed);
            if let Some(hour) = Hour::parse(&other) {
                prop_assert_eq!(&Wall(i64::from(hour.0) * 3_600_000).to_string()[..13], other.as_str());
            }
        }
    }
}
