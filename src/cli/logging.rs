//! The log: levels and form by the configuration, lines to stderr.

use std::io::Write;

use env_logger::{Builder, Target};
use log::{Record, SetLoggerError};
use serde_json::json;

use crate::clock;
use crate::config::{LogFormat, Logging};
use crate::model::Wall;

/// The variable that goes before `log.filter`.
const VARIABLE: &str = "RUST_LOG";

/// Starts logging; fails if something logs already.
pub(super) fn start(config: &Logging) -> Result<(), SetLoggerError> {
    let asked = std::env::var(VARIABLE).ok().filter(|filter| !filter.trim().is_empty());
    let mut builder = Builder::new();
    builder.parse_filters(asked.as_deref().unwrap_or(&config.filter)).target(Target::Stderr);
    match config.format {
        LogFormat::Plain => builder.format_timestamp_millis(),
        LogFormat::Json => builder.format(|out, record| writeln!(out, "{}", line(clock::wall(), record))),
    };
    builder.try_init()
}

/// A record as one JSON object.
fn line(at: Wall, record: &Record) -> serde_json::Value {
    json!({
        "at": at,
        "level": record.level().as_str().to_ascii_lowercase(),
        "target": record.target(),
        "message": record.args().to_string(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_json_line_is_one_line_whatever_the_message_holds() {
        let args = format_args!("two\nlines and a \"quote\"");
        let record = Record::builder().level(log::Level::Warn).target("parlor::channel").args(args).build();
        let text = line(Wall(0), &record).to_string();
        assert!(!text.contains('\n'));
        let read: serde_json::Value = serde_json::from_str(&text).unwrap();
        assert_eq!(read["at"], "1970-01-01T00:00:00.000Z");
        assert_eq!(read["level"], "warn");
        assert_eq!(read["target"], "parlor::channel");
        assert_eq!(read["message"], "two\nlines and a \"quote\"");
    }
}
