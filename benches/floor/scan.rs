//! Members of a frame found by scanning its bytes, without a tree.
//!
//! A name is looked for from the frame's beginning on, and the first one is taken. That is right for frames that put
//! what belongs to a command or an event before the `body`, as both ends here do.

use memchr::{memchr, memchr3, memmem};

/// What stands behind `"name":`, up to the frame's end.
fn behind<'a>(frame: &'a [u8], name: &[u8]) -> Option<&'a [u8]> {
    memmem::find(frame, name).map(|at| &frame[at + name.len()..])
}

/// The characters of a string without escapes; `name` is given as `"name":"`.
pub fn string<'a>(frame: &'a [u8], name: &[u8]) -> Option<&'a [u8]> {
    let rest = behind(frame, name)?;
    memchr(b'"', rest).map(|end| &rest[..end])
}

/// A whole number; `name` is given as `"name":`.
pub fn number(frame: &[u8], name: &[u8]) -> Option<u64> {
    leading(behind(frame, name)?).map(|(number, _)| number)
}

/// The number that some bytes begin with, and how many digits it has.
pub fn leading(bytes: &[u8]) -> Option<(u64, usize)> {
    let mut number = 0u64;
    let mut digits = 0;
    while let Some(digit) = bytes.get(digits).map(|byte| byte.wrapping_sub(b'0')).filter(|digit| *digit < 10) {
        number = number.wrapping_mul(10).wrapping_add(u64::from(digit));
        digits += 1;
    }
    (digits > 0).then_some((number, digits))
}

/// An object, from its brace to its brace; `name` is given as `"name":`.
pub fn object<'a>(frame: &'a [u8], name: &[u8]) -> Option<&'a [u8]> {
    let rest = behind(frame, name)?;
    if rest.first() != Some(&b'{') {
        return None;
    }
    let (mut at, mut depth) = (0, 0u32);
    loop {
        at += memchr3(b'"', b'{', b'}', &rest[at..])?;
        match rest[at] {
            b'{' => depth += 1,
            b'}' => depth -= 1,
            _ => at += string_end(&rest[at + 1..])? + 1,
        }
        at += 1;
        if depth == 0 {
            return Some(&rest[..at]);
        }
    }
}

/// Where a string ends whose first quote was before these bytes.
fn string_end(bytes: &[u8]) -> Option<usize> {
    let mut at = 0;
    loop {
        at += memchr::memchr2(b'"', b'\\', &bytes[at..])?;
        if bytes[at] == b'"' {
            return Some(at);
        }
        at += 2;
        if at > bytes.len() {
            return None;
        }
    }
}

/// What kind of frame this is.
pub fn kind(frame: &[u8]) -> &[u8] {
    let rest = frame.strip_prefix(br#"{"type":""#).unwrap_or_default();
    match memchr(b'"', rest) {
        Some(end) => &rest[..end],
        None => string(frame, br#""type":""#).unwrap_or_default(),
    }
}
