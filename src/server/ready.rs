//! What readiness is asked of: the store's health, and actors that rest.

use std::sync::Arc;

use parking_lot::RwLock;

use crate::admin::Readiness;
use crate::channel::CHANNEL;
use crate::store::{Health, Store};
use crate::supervise::{Probe, Probes};

/// How many actors of a kind `/readyz` names that rest.
const NAMED: usize = 10;

/// What keeps a server from being ready that has this store, while it has it, and these actors.
pub(super) fn readiness(store: &Arc<RwLock<Option<Store>>>, probes: &Probes) -> Readiness {
    let resting = {
        let probes = probes.clone();
        move || {
            let named = |probe: Arc<Probe>| {
                let kind = probe.kind().name;
                // Who asks may be anybody, and a channel's name is not for everybody.
                let name = |name: String| if kind == CHANNEL.name { kind.to_owned() } else { format!("{kind} {name}") };
                let mut names: Vec<String> = probe.resting(NAMED).into_iter().map(name).collect();
                names.dedup();
                names
            };
            probes.all().into_iter().flat_map(named).collect()
        }
    };
    // A weak hold: routes may outlive the server in a host, and the store may not.
    let held = Arc::downgrade(store);
    let health = move || match held.upgrade().and_then(|store| store.read().as_ref().map(Store::health)) {
        Some(Health::Ok) => None,
        Some(Health::LowSpace) => Some("too little free space".to_owned()),
        Some(Health::Failed(why)) => Some(why),
        None => Some("closed".to_owned()),
    };
    Readiness::new(health, resting)
}
