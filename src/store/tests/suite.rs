//! The conformance suite on every engine that there is.

use std::sync::Arc;

use super::super::{Failing, MemoryRows, Rows, SledRows, conformance};

#[test]
fn the_memory_engine_conforms() {
    conformance::run(|| Arc::new(MemoryRows::default())).unwrap();
}

#[test]
fn the_sled_engine_conforms() {
    let homes = tempfile::tempdir().unwrap();
    let next = std::cell::Cell::new(0);
    conformance::run(|| {
        next.set(next.get() + 1);
        Arc::new(SledRows::open(&homes.path().join(next.get().to_string()), 8 << 20).unwrap())
    })
    .unwrap();
}

#[test]
fn the_failing_shim_conforms_while_nothing_is_armed() {
    conformance::run(|| Failing::over(Arc::new(MemoryRows::default())).0).unwrap();
    let home = tempfile::tempdir().unwrap();
    let (name, case) = conformance::cases()[0];
    let rows: Arc<dyn Rows> = Failing::over(Arc::new(SledRows::open(home.path(), 8 << 20).unwrap())).0;
    case(&conformance::Rig { rows, durability: crate::config::Durability::Always })
        .unwrap_or_else(|e| panic!("{name}: {e}"));
}
