//! What is wrong with a configuration, and where it stands.

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;

/// Where a value comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Place {
    /// Nobody set it.
    Default,
    /// A line of a file.
    Line(PathBuf, usize),
    /// A file as a whole.
    File(PathBuf),
    /// An environment variable.
    Variable(String),
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Default => f.write_str("default"),
            Self::Line(path, line) => write!(f, "{}:{line}", path.display()),
            Self::File(path) => write!(f, "{}", path.display()),
            Self::Variable(name) => f.write_str(name),
        }
    }
}

/// Where each key that somebody set was set, by its dotted name.
pub(super) type Places = BTreeMap<String, Place>;

/// What is wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Problem {
    /// No such key.
    Unknown {
        /// The known key whose name is nearest, if one is near.
        nearest: Option<String>,
    },
    /// Not a value that this key may have.
    Value {
        /// What came.
        value: String,
        /// What is allowed.
        expected: String,
    },
    /// The text as a whole cannot be read.
    Unreadable(String),
}

/// One thing that is wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// Where it stands.
    pub place: Place,
    /// The key's dotted name, as `server.bind`; empty for a fault of the whole file.
    pub key: String,
    /// What is wrong with it.
    pub problem: Problem,
}

impl Fault {
    /// A value that its key may not have.
    pub(super) fn value(place: Place, key: &str, value: impl fmt::Display, expected: impl Into<String>) -> Self {
        let value = if key == "jwt.key" { "(hidden)".to_owned() } else { value.to_string() };
        let problem = Problem::Value { value, expected: expected.into() };
        Self { place, key: key.to_owned(), problem }
    }

    /// A text that cannot be read.
    pub(super) fn unreadable(place: Place, why: impl fmt::Display) -> Self {
        Self { place, key: String::new(), problem: Problem::Unreadable(why.to_string()) }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { place, key, problem } = self;
        match problem {
            Problem::Unknown { nearest: Some(nearest) } => {
                write!(f, "{place}: {key}: unknown key; the nearest known one is {nearest}")
            }
            Problem::Unknown { nearest: None } => {
                write!(f, "{place}: {key}: unknown key; `parlor print-config` shows all that there are")
            }
            Problem::Value { value, expected } => write!(f, "{place}: {key} = {value}: expected {expected}"),
            Problem::Unreadable(why) => write!(f, "{place}: {why}"),
        }
    }
}

/// All that is wrong with a configuration: never empty.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfigErrors(pub Vec<Fault>);

impl fmt::Display for ConfigErrors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let count = self.0.len();
        write!(f, "configuration refused, {count} {}:", if count == 1 { "fault" } else { "faults" })?;
        self.0.iter().try_for_each(|fault| write!(f, "\n  {fault}"))
    }
}

impl std::error::Error for ConfigErrors {}
