//! The log: lines to stderr, plain or as JSON, and which of them, which can be changed while the process runs.
//!
//! A line that is about a session or a channel carries it beside its words, as `sid` and `channel`. What a client keeps
//! to itself (the session's secret, a token, a password, a body) stands in none.

use std::io::Write;
use std::sync::OnceLock;

use env_filter::Filter;
use env_logger::{Builder, Target};
use log::kv::{self, Key, Value, VisitSource};
use log::{LevelFilter, Log, Metadata, Record};
use parking_lot::RwLock;
use serde_json::{Map, json};
use thiserror::Error;

use crate::clock;
use crate::config::{LogFormat, Logging};
use crate::model::Wall;

/// The variable that goes before `log.filter`.
const VARIABLE: &str = "RUST_LOG";

/// The process's log, if it is this one: there is one in a process, and a host may have its own.
static LOG: OnceLock<Steered> = OnceLock::new();

/// Why the log is not as it was asked to be.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum Refused {
    /// Something else logs in this process.
    #[error("this process has a log of its own")]
    Foreign,
    /// It is no filter.
    #[error("{0}")]
    Filter(String),
}

/// A log whose filter can be changed.
struct Steered {
    filter: RwLock<(String, Filter)>,
    out: env_logger::Logger,
}

impl Log for Steered {
    fn enabled(&self, metadata: &Metadata) -> bool {
        self.filter.read().1.enabled(metadata)
    }

    fn log(&self, record: &Record) {
        let shown = self.filter.read().1.matches(record);
        if shown {
            self.out.log(record);
        }
    }

    fn flush(&self) {
        self.out.flush();
    }
}

/// Starts logging as configured; `RUST_LOG`, if it is set and not empty, goes before the configured filter.
pub fn start(config: &Logging) -> Result<(), Refused> {
    let asked = std::env::var(VARIABLE).ok().filter(|filter| !filter.trim().is_empty());
    let text = asked.unwrap_or_else(|| config.filter.clone());
    let filter = filter(&text)?;
    let mut builder = Builder::new();
    builder.filter_level(LevelFilter::Trace).target(Target::Stderr);
    match config.format {
        LogFormat::Plain => builder.format_timestamp_millis(),
        LogFormat::Json => builder.format(|out, record| writeln!(out, "{}", line(clock::wall(), record))),
    };
    let most = filter.filter();
    let log = LOG.get_or_init(|| Steered { filter: RwLock::new((text, filter)), out: builder.build() });
    log::set_logger(log).map_err(|_| Refused::Foreign)?;
    log::set_max_level(most);
    Ok(())
}

/// What is logged now; `None` if the process has a log of its own.
pub fn shown() -> Option<String> {
    LOG.get().map(|log| log.filter.read().0.clone())
}

/// Logs what `text` says from here on, until the process ends or it is changed again.
pub fn steer(text: &str) -> Result<(), Refused> {
    let log = LOG.get().ok_or(Refused::Foreign)?;
    let filter = filter(text)?;
    let most = filter.filter();
    *log.filter.write() = (text.to_owned(), filter);
    log::set_max_level(most);
    Ok(())
}

fn filter(text: &str) -> Result<Filter, Refused> {
    let refused = |why: &str| Refused::Filter(format!("{text:.200?} is no filter of the log: {why}"));
    if text.trim().is_empty() || text.contains(char::is_control) {
        return Err(refused("expected levels as \"info\" or \"warn,parlor::channel=debug\""));
    }
    let mut builder = env_filter::Builder::new();
    builder.try_parse(text).map_err(|why| refused(&why.to_string()))?;
    Ok(builder.build())
}

/// A record as one JSON object.
fn line(at: Wall, record: &Record) -> serde_json::Value {
    let mut beside = Beside(Map::new());
    // It only fails if `Beside` does.
    let _ = record.key_values().visit(&mut beside);
    let own = json!({
        "at": at,
        "level": record.level().as_str().to_ascii_lowercase(),
        "target": record.target(),
        "message": record.args().to_string(),
    });
    let serde_json::Value::Object(own) = own else { return own };
    beside.0.extend(own);
    beside.0.into()
}

/// What a record carries beside its words.
struct Beside(Map<String, serde_json::Value>);

impl<'kvs> VisitSource<'kvs> for Beside {
    fn visit_pair(&mut self, key: Key<'kvs>, value: Value<'kvs>) -> Result<(), kv::Error> {
        let value = value.to_u64().map_or_else(|| json!(value.to_string()), |number| json!(number));
        self.0.insert(key.as_str().to_owned(), value);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(record: &Record) -> serde_json::Value {
        let text = line(Wall(0), record).to_string();
        assert!(!text.contains('\n'));
        serde_json::from_str(&text).unwrap()
    }

    #[test]
    fn a_json_line_is_one_line_whatever_the_message_holds() {
        let args = format_args!("two\nlines and a \"quote\"");
        let read = read(&Record::builder().level(log::Level::Warn).target("parlor::channel").args(args).build());
        assert_eq!(read["at"], "1970-01-01T00:00:00.000Z");
        assert_eq!(read["level"], "warn");
        assert_eq!(read["target"], "parlor::channel");
        assert_eq!(read["message"], "two\nlines and a \"quote\"");
    }

    #[test]
    fn what_a_record_carries_beside_its_words_stands_beside_them_and_not_in_their_place() {
        let pairs: &[(&str, Value)] = &[("channel", "a\nb".into()), ("ms", 7_u64.into()), ("message", "other".into())];
        let read = read(&Record::builder().args(format_args!("said")).key_values(&pairs).build());
        assert_eq!((&read["channel"], &read["ms"], &read["message"]), (&json!("a\nb"), &json!(7), &json!("said")));
    }

    #[test]
    fn what_is_no_filter_is_refused_and_said_so() {
        for bad in ["", "  ", "parlor=loud", "a=b=c", "info\nx"] {
            assert!(matches!(filter(bad), Err(Refused::Filter(why)) if why.contains("is no filter")), "{bad:?}");
        }
        for good in ["info", "off", "warn,parlor::channel=debug", "parlor"] {
            assert!(filter(good).is_ok(), "{good:?}");
        }
    }
}
