//! Maps and sets of hashes, whose order means nothing; yet with the feature `testing` it is the same in each run, so that a
//! simulation can be run again.
//!
//! The hash is keyed by chance, as names come from outside, and quick, as every delivery looks its session up.

/// Hashes by a key of its own.
#[cfg(not(feature = "testing"))]
type Hasher = ahash::RandomState;

/// Hashes alike in each run.
#[cfg(feature = "testing")]
type Hasher = std::hash::BuildHasherDefault<std::hash::DefaultHasher>;

/// As in the standard library.
pub type HashMap<K, V> = std::collections::HashMap<K, V, Hasher>;

/// As in the standard library.
pub type HashSet<T> = std::collections::HashSet<T, Hasher>;
