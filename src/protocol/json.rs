//! Whether bytes are JSON that Parlor takes: one object, no deeper than 32, no lone surrogate.
//!
//! Bodies are stored and sent on as they came, so they are looked through once, here.

use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, Error, MapAccess, SeqAccess, Visitor};

/// How deep arrays and objects may stand in one another.
const DEPTH_MAX: usize = 32;

/// Says what is wrong with `text` as a frame, if anything is.
pub(super) fn check(text: &str) -> Result<(), String> {
    if !text.trim_start().starts_with('{') {
        let json = serde_json::from_str::<serde::de::IgnoredAny>(text);
        return Err(json.map_or_else(|e| e.to_string(), |_| "expected an object".into()));
    }
    let mut reader = serde_json::Deserializer::from_str(text);
    Value { depth: 0 }.deserialize(&mut reader).map_err(|e| e.to_string())?;
    reader.end().map_err(|e| e.to_string())
}

/// Visits a value and everything in it; strings are decoded, so that a lone surrogate shows.
#[derive(Clone, Copy)]
struct Value {
    depth: usize,
}

impl Value {
    fn deeper<E: Error>(self) -> Result<Self, E> {
        if self.depth == DEPTH_MAX {
            return Err(E::custom(format_args!("deeper than {DEPTH_MAX}")));
        }
        Ok(Self { depth: self.depth + 1 })
    }
}

impl<'de> DeserializeSeed<'de> for Value {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, reader: D) -> Result<(), D::Error> {
        reader.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Value {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_bool<E>(self, _: bool) -> Result<(), E> {
        Ok(())
    }

    fn visit_i64<E>(self, _: i64) -> Result<(), E> {
        Ok(())
    }

    fn visit_u64<E>(self, _: u64) -> Result<(), E> {
        Ok(())
    }

    fn visit_f64<E>(self, _: f64) -> Result<(), E> {
        Ok(())
    }

    fn visit_str<E>(self, _: &str) -> Result<(), E> {
        Ok(())
    }

    fn visit_unit<E>(self) -> Result<(), E> {
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<(), A::Error> {
        let inner = self.deeper()?;
        while seq.next_element_seed(inner)?.is_some() {}
        Ok(())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        let inner = self.deeper()?;
        while map.next_key_seed(inner)?.is_some() {
            map.next_value_seed(inner)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn objects_up_to_the_depth_pass_and_deeper_ones_do_not() {
        let nested = |n: usize| format!("{}1{}", "{\"a\":".repeat(n), "}".repeat(n));
        assert_eq!(check(&nested(32)), Ok(()));
        assert!(check(&nested(33)).unwrap_err().contains("deeper than 32"));
        assert!(check(&nested(5000)).is_err());
    }

    #[test]
    fn lone_surrogates_are_refused_in_values_and_in_names() {
        assert_eq!(check(r#"{"a":"\ud83d\ude00"}"#), Ok(()));
        assert!(check(r#"{"a":"\ud83d"}"#).is_err());
        assert!(check(r#"{"\udc00":1}"#).is_err());
    }

    #[test]
    fn only_one_object_is_a_frame() {
        for bad in
            ["", "[]", "1", "null", "{", "{}{}", "{} x", "{\"a\":1,}", "\u{feff}{}", "{\"a\":NaN}", "{\"a\":1e999}"]
        {
            assert!(check(bad).is_err(), "{bad}");
        }
        assert_eq!(check(" {\"a\":[1,-2,3.5,null,true,\"x\"]} \n"), Ok(()));
    }
}
