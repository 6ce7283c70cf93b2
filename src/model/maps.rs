//! Maps and sets of hashes, whose order means nothing; yet with the feature `testing` it is the same in each run, so that a
//! simulation can be run again.

#[cfg(not(feature = "testing"))]
pub use std::collections::{HashMap, HashSet};

/// Hashes alike in each run.
#[cfg(feature = "testing")]
type Alike = std::hash::BuildHasherDefault<std::hash::DefaultHasher>;

/// As in the standard library.
#[cfg(feature = "testing")]
pub type HashMap<K, V> = std::collections::HashMap<K, V, Alike>;

/// As in the standard library.
#[cfg(feature = "testing")]
pub type HashSet<T> = std::collections::HashSet<T, Alike>;
