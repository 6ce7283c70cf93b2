//! Places where a test may have an actor panic. Nothing but code that builds a server can arm one.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

use parking_lot::Mutex;

/// A server's armed faults: none, outside tests.
#[derive(Clone, Debug, Default)]
pub struct Faults(Arc<Armed>);

#[derive(Debug, Default)]
struct Armed {
    left: AtomicUsize,
    places: Mutex<Vec<&'static str>>,
}

impl Faults {
    /// The next time that `place` is passed, it panics. Arming it twice makes it panic twice.
    pub fn arm(&self, place: &'static str) {
        self.0.places.lock().push(place);
        self.0.left.fetch_add(1, Relaxed);
    }

    /// What has not struck yet will not.
    pub fn disarm(&self) {
        let mut places = self.0.places.lock();
        self.0.left.fetch_sub(places.len(), Relaxed);
        places.clear();
    }

    /// How many armed faults have not struck yet.
    pub fn left(&self) -> usize {
        self.0.left.load(Relaxed)
    }

    /// Passes `place`.
    ///
    /// # Panics
    ///
    /// If it is armed: that is what it is for.
    pub fn pass(&self, place: &'static str) {
        if self.0.left.load(Relaxed) == 0 {
            return;
        }
        let struck = {
            let mut places = self.0.places.lock();
            places.iter().position(|&armed| armed == place).map(|at| places.swap_remove(at))
        };
        if let Some(place) = struck {
            self.0.left.fetch_sub(1, Relaxed);
            panic!("fault armed at {place}");
        }
    }
}
