//! Names as small numbers, and hashes of what frames carry: comparing is then cheap however long a history is.

use std::collections::{HashMap, HashSet};
use std::hash::{BuildHasherDefault, Hasher};

use serde_json::Value;

/// A map whose keys nobody chooses in order to make it slow.
pub(super) type Map<K, V> = HashMap<K, V, BuildHasherDefault<Mixer>>;
/// A set of such keys.
pub(super) type Set<K> = HashSet<K, BuildHasherDefault<Mixer>>;

/// An odd number with as many ones as noughts, to spread what it multiplies.
const SPREAD: u64 = 0x9E37_79B9_7F4A_7C15;

/// A hasher that is quick on small keys.
#[derive(Default)]
pub(super) struct Mixer(u64);

fn mix(state: u64, word: u64) -> u64 {
    (state.rotate_left(23) ^ word).wrapping_mul(SPREAD)
}

fn bytes(mut state: u64, bytes: &[u8]) -> u64 {
    let mut words = bytes.chunks_exact(8);
    for word in &mut words {
        state = mix(state, word.iter().fold(0, |number, &byte| number << 8 | u64::from(byte)));
    }
    let rest = words.remainder().iter().fold(1, |number, &byte| number << 8 | u64::from(byte));
    mix(state, rest)
}

impl Hasher for Mixer {
    fn finish(&self) -> u64 {
        let folded = (self.0 ^ self.0 >> 32).wrapping_mul(SPREAD);
        folded ^ folded >> 29
    }

    fn write(&mut self, more: &[u8]) {
        self.0 = bytes(self.0, more);
    }

    fn write_u8(&mut self, word: u8) {
        self.0 = mix(self.0, word.into());
    }

    fn write_u32(&mut self, word: u32) {
        self.0 = mix(self.0, word.into());
    }

    fn write_u64(&mut self, word: u64) {
        self.0 = mix(self.0, word);
    }
}

/// A hash of a value, the same in whatever order its members stand.
pub(super) fn digest(value: &Value) -> u64 {
    match value {
        Value::Null => 1,
        Value::Bool(flag) => 2 + u64::from(*flag),
        Value::Number(number) => match (number.as_i64(), number.as_f64()) {
            (Some(whole), _) => mix(4, whole as u64),
            (None, broken) => mix(5, broken.unwrap_or_default().to_bits()),
        },
        Value::String(text) => bytes(6, text.as_bytes()),
        Value::Array(list) => list.iter().fold(7, |state, element| mix(state, digest(element))),
        Value::Object(members) => {
            let all = members.iter().map(|(name, value)| mix(bytes(8, name.as_bytes()), digest(value)));
            mix(9, all.fold(members.len() as u64, u64::wrapping_add))
        }
    }
}

/// Names of users, channels, epochs and keys, each with its number; 0 is the name that is not there.
#[derive(Debug)]
pub(super) struct Names {
    numbers: Map<Box<str>, u32>,
    names: Vec<Box<str>>,
}

impl Names {
    /// No names but the empty one.
    pub fn new() -> Self {
        Self { numbers: [(Box::from(""), 0)].into_iter().collect(), names: vec![Box::from("")] }
    }

    /// The number of a name.
    pub fn id(&mut self, name: &str) -> u32 {
        if let Some(number) = self.numbers.get(name) {
            return *number;
        }
        let number = self.names.len() as u32;
        self.numbers.insert(name.into(), number);
        self.names.push(name.into());
        number
    }

    /// The number of a name that may not be there.
    pub fn maybe(&mut self, name: Option<&str>) -> u32 {
        name.map_or(0, |name| self.id(name))
    }

    /// The name of a number.
    pub fn of(&self, number: u32) -> &str {
        self.names.get(number as usize).map_or("", |name| name)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_name_keeps_its_number() {
        let mut names = Names::new();
        let (ann, bob) = (names.id("ann"), names.id("bob"));
        assert_eq!((names.id("ann"), names.maybe(None)), (ann, 0));
        assert_eq!(names.of(bob), "bob");
        assert_ne!(ann, bob);
    }

    #[test]
    fn a_digest_tells_values_apart_and_not_their_order() {
        let all = [
            json!(null),
            json!(0),
            json!(1),
            json!(-1),
            json!(1.5),
            json!("1"),
            json!([1, 2]),
            json!([2, 1]),
            json!([[1], 2]),
            json!({}),
            json!({"a": 1}),
            json!({"a": 2}),
            json!({"b": 1}),
            json!({"a": {"b": 1}}),
            json!(""),
            json!("\0"),
        ];
        let digests: Set<u64> = all.iter().map(digest).collect();
        assert_eq!(digests.len(), all.len());
        let one: Value = serde_json::from_str(r#"{"a":1,"b":[2]}"#).unwrap();
        let other: Value = serde_json::from_str(r#"{"b":[2],"a":1}"#).unwrap();
        assert_eq!(digest(&one), digest(&other));
    }
}
