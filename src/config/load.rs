//! Gathering: the defaults, over them the file, over that the environment. Names and types are held against the raw
//! structs here, and everything that does not fit becomes a fault; ranges and relations come after.

use std::collections::BTreeMap;
use std::path::Path;

use serde::Deserialize;
use toml::de::DeTable;
use toml::{Table, Value};

use super::fault::{Fault, Place, Places, Problem};
use super::raw::{HIDDEN, Raw};
use super::webhooks::Written;

/// What the name of an environment variable that sets a key begins with.
const PREFIX: &str = "PARLOR__";

/// The one list of tables.
const WEBHOOKS: &str = "webhooks";

/// What was gathered: the values, where each was set, and what did not fit.
pub(super) struct Gathered {
    table: Table,
    pub(super) places: Places,
    pub(super) faults: Vec<Fault>,
}

impl Gathered {
    /// The defaults.
    pub(super) fn new() -> Self {
        let table = Table::try_from(Raw::default()).unwrap_or_default();
        Self { table, places: Places::new(), faults: Vec::new() }
    }

    /// Lays a file over it.
    pub(super) fn file(&mut self, path: &Path) {
        match std::fs::read_to_string(path) {
            Ok(text) => self.text(path, &text),
            Err(why) => {
                self.faults.push(Fault::unreadable(Place::File(path.to_owned()), format!("cannot be read: {why}")));
            }
        }
    }

    /// Lays a file's text over it.
    pub(super) fn text(&mut self, path: &Path, text: &str) {
        let line = |offset: usize| 1 + text.as_bytes().iter().take(offset).filter(|&&byte| byte == b'\n').count();
        let at = |offset| Place::Line(path.to_owned(), line(offset));
        let (spans, errors) = DeTable::parse_recoverable(text);
        let table = match toml::from_str::<Table>(text) {
            Ok(table) => table,
            Err(why) => {
                let errors = if errors.is_empty() { vec![why] } else { errors };
                for error in errors {
                    let offset = error.span().map_or(0, |span| span.start);
                    self.faults.push(Fault::unreadable(at(offset), format!("not TOML: {}", error.message())));
                }
                return;
            }
        };
        let mut lines = BTreeMap::new();
        for (section, keys) in spans.get_ref() {
            lines.insert(section.get_ref().to_string(), section.span().start);
            for (key, _) in keys.get_ref().as_table().into_iter().flatten() {
                lines.insert(format!("{}.{}", section.get_ref(), key.get_ref()), key.span().start);
            }
            for (number, table) in keys.get_ref().as_array().into_iter().flat_map(|list| list.iter().enumerate()) {
                lines.insert(format!("{}[{number}]", section.get_ref()), table.span().start);
            }
        }
        let place = |key: &str| at(lines.get(key).copied().unwrap_or(0));
        for (section, keys) in table {
            if section == WEBHOOKS {
                self.webhooks(|number| place(&format!("{WEBHOOKS}[{number}]")), keys);
                continue;
            }
            match (keys, self.table.get(&section)) {
                (Value::Table(keys), Some(_)) => {
                    for (key, value) in keys {
                        let key = format!("{section}.{key}");
                        self.set(place(&key), &key, value);
                    }
                }
                (value, Some(_)) => {
                    let expected = format!("a section, [{section}]");
                    self.faults.push(Fault::value(place(&section), &section, value, expected));
                }
                (_, None) => self.unknown(place(&section), &section),
            }
        }
    }

    /// Lays those variables of an environment over it whose name begins with `PARLOR__`.
    pub(super) fn environment(&mut self, variables: impl IntoIterator<Item = (String, String)>) {
        let mut mine: Vec<_> = variables
            .into_iter()
            .filter(|(name, _)| name.get(..PREFIX.len()).is_some_and(|start| start.eq_ignore_ascii_case(PREFIX)))
            .collect();
        mine.sort();
        let mut taken = BTreeMap::new();
        for (name, text) in mine {
            let key = name[PREFIX.len()..].to_ascii_lowercase().replace("__", ".");
            let place = Place::Variable(name.clone());
            if key == WEBHOOKS {
                // As a document of its own: what is a value and what is not is said by the parser.
                let list =
                    toml::from_str::<Table>(&format!("it = {text}")).ok().and_then(|mut table| table.remove("it"));
                self.webhooks(|_| place.clone(), list.unwrap_or(Value::Boolean(false)));
                continue;
            }
            let Some(like) = self.known(&key).cloned() else {
                self.unknown(place, &key);
                continue;
            };
            if let Some(first) = taken.insert(key.clone(), name) {
                self.faults.push(Fault::value(place, &key, text, format!("one variable, but {first} sets it too")));
                continue;
            }
            match read(&text, &like) {
                Some(value) => self.set(place, &key, value),
                None => self.faults.push(Fault::value(place, &key, quoted(&text), kind(&like))),
            }
        }
    }

    /// Takes a list of tables, which goes before all of an earlier one.
    fn webhooks(&mut self, place: impl Fn(usize) -> Place, list: Value) {
        let expected = "a list of tables, [[webhooks]]";
        let Value::Array(list) = list else {
            // It is not shown: there may be a secret in it.
            return self.faults.push(Fault::value(place(0), WEBHOOKS, HIDDEN, expected));
        };
        let mut taken = Vec::new();
        for (number, table) in list.into_iter().enumerate() {
            let key = format!("{WEBHOOKS}[{number}]");
            match Written::deserialize(table.clone()) {
                Ok(_) => taken.push(table),
                Err(why) => self.faults.push(Fault::unreadable(place(number), format!("{key}: {}", why.message()))),
            }
            self.places.insert(key, place(number));
        }
        self.table.insert(WEBHOOKS.to_owned(), Value::Array(taken));
    }

    /// The values as structs.
    pub(super) fn raw(&mut self) -> Raw {
        Raw::deserialize(Value::Table(self.table.clone())).unwrap_or_else(|why| {
            // Types were looked at one by one: this is out of reach, and if it is not, it is still no panic.
            self.faults.push(Fault::unreadable(Place::Default, why.message()));
            Raw::default()
        })
    }

    /// The value that a key has by now.
    fn known(&self, key: &str) -> Option<&Value> {
        let (section, key) = key.split_once('.')?;
        self.table.get(section)?.get(key)
    }

    /// Takes a value, if its key and its type are right.
    fn set(&mut self, place: Place, key: &str, value: Value) {
        let Some(like) = self.known(key) else {
            return self.unknown(place, key);
        };
        if !fits(&value, like) {
            let expected = kind(like);
            self.faults.push(Fault::value(place, key, value, expected));
            return;
        }
        self.places.insert(key.to_owned(), place);
        if let Some((section, name)) = key.split_once('.')
            && let Some(Value::Table(keys)) = self.table.get_mut(section)
        {
            keys.insert(name.to_owned(), value);
        }
    }

    /// Refuses a key that is not there, naming the nearest one.
    fn unknown(&mut self, place: Place, key: &str) {
        let sections = self.table.keys().cloned();
        let keys = self.table.iter().flat_map(|(section, keys)| {
            keys.as_table().into_iter().flat_map(Table::keys).map(move |key| format!("{section}.{key}"))
        });
        let candidates: Vec<String> = if key.contains('.') { keys.collect() } else { sections.chain(keys).collect() };
        // A bare key may have been written above its section: its last part is compared too.
        let score = |known: &str| {
            let bare = known.rsplit('.').next().unwrap_or(known);
            let whole = strsim::jaro_winkler(key, known);
            let last = key.rsplit('.').next().unwrap_or(key);
            whole.max(strsim::jaro_winkler(last, bare) - 0.01)
        };
        let nearest = candidates.into_iter().map(|known| (score(&known), known)).max_by(|a, b| a.0.total_cmp(&b.0));
        let nearest = nearest.filter(|(score, _)| *score >= 0.75).map(|(_, known)| known);
        self.faults.push(Fault { place, key: key.to_owned(), problem: Problem::Unknown { nearest } });
    }
}

/// Whether a value has the type of another; numbers are never negative.
fn fits(value: &Value, like: &Value) -> bool {
    match (value, like) {
        (Value::Integer(number), Value::Integer(_)) => *number >= 0,
        (Value::Array(list), Value::Array(_)) => list.iter().all(Value::is_str),
        _ => value.same_type(like),
    }
}

/// The type of a value, in words.
fn kind(like: &Value) -> &'static str {
    match like {
        Value::Integer(_) => "a whole number, 0 or more",
        Value::Boolean(_) => "true or false",
        Value::Array(_) => "a list of strings",
        _ => "a string, not empty",
    }
}

/// Reads a variable's text as a value like `like`: as TOML if that fits, else a string or a comma-separated list.
fn read(text: &str, like: &Value) -> Option<Value> {
    let text = text.trim();
    // What the system could not say in UTF-8 arrives with the replacement character in it.
    if text.contains('\u{fffd}') {
        return None;
    }
    if let Some(value) = text.parse::<Value>().ok().filter(|value| fits(value, like)) {
        return Some(value);
    }
    match like {
        Value::String(_) if !text.is_empty() => Some(Value::String(text.to_owned())),
        Value::Array(_) => {
            let parts = text.split(',').map(str::trim).filter(|part| !part.is_empty());
            Some(Value::Array(parts.map(|part| Value::String(part.to_owned())).collect()))
        }
        _ => None,
    }
}

/// A text in quotes, as TOML would write it.
pub(super) fn quoted(text: &str) -> String {
    Value::String(text.to_owned()).to_string()
}
