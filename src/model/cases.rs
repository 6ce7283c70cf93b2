//! What property tests try: how many cases, and inputs that somebody has been at.

/// Pieces that mean something to one parser or another.
const TELLING: [&[u8]; 36] = [
    b"\"",
    b"\\",
    b"{",
    b"}",
    b"[",
    b"]",
    b",",
    b":",
    b"null",
    b"true",
    b"-1",
    b"0",
    b"1e999",
    b"9007199254740992",
    b"18446744073709551616",
    b"\\u0000",
    b"\\ud800",
    b"\0",
    b"\r\n",
    b"\r\n\r\n",
    b" ",
    b"%00",
    b"%ff",
    b"%2f",
    b"../",
    b"/",
    b"?",
    b"&",
    b"=",
    b";",
    b"~",
    b"@",
    b".",
    b"-",
    b"\xc3\xa9",
    b"\xff",
];

/// How many inputs to try: as many as `PROPTEST_CASES` says, else these.
pub fn count(default: u32) -> u32 {
    std::env::var("PROPTEST_CASES").ok().and_then(|said| said.parse().ok()).unwrap_or(default)
}

/// Some thousands, for what takes microseconds.
#[cfg(test)]
pub(crate) fn many() -> proptest::test_runner::Config {
    proptest::test_runner::Config::with_cases(count(3000))
}

/// What a fault, a bad line or somebody's malice makes of these bytes: a few of them changed, gone, said again or new. The
/// same seed makes the same of them.
pub fn damaged(whole: &[u8], seed: u64) -> Vec<u8> {
    let (mut bytes, mut chance) = (whole.to_vec(), Chance(seed));
    for _ in 0..=chance.below(3) {
        let at = chance.below(bytes.len());
        let end = bytes.len().min(at + 1 + chance.below(8));
        match chance.below(8) {
            0 => bytes[at..end].fill(chance.next() as u8),
            1 => bytes[at..end].iter_mut().take(1).for_each(|byte| *byte ^= 1 << chance.below(8)),
            2 => bytes.truncate(at),
            3 => drop(bytes.drain(at..end)),
            4 => bytes.insert(at, chance.next() as u8),
            5 => {
                let (again, to) = (bytes[at..end].to_vec(), chance.below(bytes.len()));
                bytes.splice(to..to, again);
            }
            _ => drop(bytes.splice(at..at, TELLING[chance.below(TELLING.len())].iter().copied())),
        }
    }
    bytes
}

/// The same of a text, which stays one.
pub fn damaged_text(whole: &str, seed: u64) -> String {
    String::from_utf8_lossy(&damaged(whole.as_bytes(), seed)).into_owned()
}

/// Numbers from a seed (Steele, Lea and Flood, "Fast splittable pseudorandom number generators").
struct Chance(u64);

impl Chance {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let once = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let twice = (once ^ (once >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        twice ^ (twice >> 31)
    }

    /// A number below `n`, or 0.
    fn below(&mut self, n: usize) -> usize {
        (self.next() % (n as u64).max(1)) as usize
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_damaged_differs_and_is_the_same_for_the_same_seed() {
        let whole = b"{\"type\":\"ping\"}";
        let all: Vec<_> = (0..1000).map(|seed| damaged(whole, seed)).collect();
        assert!(all.iter().filter(|bytes| **bytes == whole).count() < 50);
        assert!((0..1000).all(|seed| damaged(whole, seed) == all[seed as usize]));
        assert!((0..1000).all(|seed| damaged(b"", seed).len() < 100), "nothing can be damaged, too");
    }
}
