//! How long to wait before something is tried again.

use std::time::Duration;

/// A random part of a wait that doubles with each try: "full jitter", so that those who were thrown out together do not
/// come back together.
pub fn jittered(base: Duration, cap: Duration, tries: u32, dice: u64) -> Duration {
    let doubled = base.saturating_mul(2u32.saturating_pow(tries.min(20)));
    let bound = doubled.min(cap).as_millis() as u64;
    Duration::from_millis(dice % (bound + 1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_up_to_the_cap_and_are_random() {
        for (tries, bound) in [(0, 250), (1, 500), (6, 16_000), (7, 30_000), (400, 30_000)] {
            let wait = |dice| jittered(Duration::from_millis(250), Duration::from_secs(30), tries, dice).as_millis();
            assert_eq!((wait(0), wait(bound), wait(bound + 1)), (0, u128::from(bound), 0));
        }
    }
}
