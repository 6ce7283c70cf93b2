//! One leg: a plan, carried out from an empty store to the verdict.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use parlor::checker::{Breach, History, What};
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;

use crate::agent::Agent;
use crate::disk::Disk;
use crate::gate::{Gate, Target};
use crate::plan::Plan;
use crate::process::{House, Server};
use crate::progress::Progress;
use crate::recorder::{Counts, Recorder};
use crate::rest::{Reader, come_to_rest};
use crate::scene::{Order, Phase, Scene, User, View};
use crate::{faults, verdict};

/// Where it takes place.
#[derive(Clone, Debug)]
pub struct Place {
    /// A directory of its own.
    pub dir: PathBuf,
    /// Another server than the one in this program.
    pub binary: Option<PathBuf>,
    /// Whether the store gets a small file system.
    pub small_disk: bool,
}

/// What came of it.
pub struct Outcome {
    /// Everything that happened.
    pub history: History,
    /// What was wrong.
    pub breaches: Vec<Breach>,
    /// How much there was.
    pub counts: Counts,
    /// How long it took.
    pub took: Duration,
}

/// Carries a plan out.
pub async fn run(plan: Plan, place: Place, progress: &Progress) -> Result<Outcome, String> {
    let begun = Instant::now();
    let terms = plan.figures.terms();
    let recorder = Recorder::new(plan.roles.len());
    recorder.note(verdict::note(&terms, plan.seed));
    let disk = if place.small_disk { Some(Disk::mount(&place.dir.join("disk"))?) } else { None };
    let store = disk.as_ref().map_or(place.dir.as_path(), Disk::place).join("data");
    let house = House { binary: place.binary, dir: place.dir, store, settings: plan.figures.settings() };
    let target: Target = Arc::new(Mutex::new(([127, 0, 0, 1], 0).into()));
    let mut server = Server::start(house, Arc::clone(&target)).await?;
    let mut gates = Vec::new();
    for role in &plan.roles {
        let gate = Gate::open(Arc::clone(&target), role.narrow).await;
        gates.push(gate.map_err(|why| format!("no gate: {why}"))?);
    }
    let scene = Arc::new(Scene {
        recorder: recorder.clone(),
        gates,
        target,
        users: (0..plan.users).map(|_| Mutex::new(User::default())).collect(),
        views: plan.roles.iter().map(|_| Mutex::new(View::default())).collect(),
        phase: watch::channel(Phase::Act).0,
        receipts: Mutex::default(),
        plan,
    });
    faults::ready(&scene).await?;
    recorder.add(What::ServerUp);
    let mut first = Reader::come(&scene).await?;
    for corner in &scene.plan.corners {
        first.make(corner).await?;
    }
    first.go();
    let mut agents = JoinSet::new();
    let machine = tokio::spawn(faults::watch_machine(Arc::clone(&scene)));
    let orders: Vec<mpsc::Sender<Order>> = (0..scene.plan.roles.len())
        .map(|n| {
            let (order, orders) = mpsc::channel(16);
            agents.spawn(Agent::new(n, Arc::clone(&scene), orders).run());
            order
        })
        .collect();
    let done = rounds(&scene, &mut server, disk.as_ref(), &orders, progress).await;
    if let Err(why) = done {
        recorder.breach("server", why);
    }
    // A client that has panicked is a mistake in this program, and is not to be passed over.
    while let Some(ended) = agents.try_join_next() {
        recorder.breach("program", format!("a client has ended: {ended:?}"));
    }
    agents.shutdown().await;
    machine.abort();
    let (history, mut breaches, counts) = recorder.finish();
    if let Err(why) = server.stop().await {
        breaches.push(Breach { at: recorder.now(), rule: "server", text: why });
    }
    breaches.extend(verdict::check(&history, &terms));
    Ok(Outcome { history, breaches, counts, took: begun.elapsed() })
}

async fn rounds(
    scene: &Arc<Scene>,
    server: &mut Server,
    disk: Option<&Disk>,
    orders: &[mpsc::Sender<Order>],
    progress: &Progress,
) -> Result<(), String> {
    let rounds = scene.plan.rounds.clone();
    let count = rounds.len();
    let mut rest = true;
    for (n, round) in rounds.into_iter().enumerate() {
        scene.phase.send_replace(Phase::Act);
        let told = progress.round(scene, n, count);
        let clients = tokio::spawn(faults::on_clients(Arc::clone(scene), round.clone(), orders.to_vec()));
        let struck = faults::on_server(scene, server, disk, &round).await;
        let _ = clients.await;
        drop(told);
        struck?;
        scene.phase.send_replace(Phase::Rest);
        rest = come_to_rest(scene, |_| false).await;
        if !rest {
            // What follows would only say so again.
            break;
        }
    }
    if rest {
        scene.phase.send_replace(Phase::Part);
        come_to_rest(scene, |client| client.is_multiple_of(3)).await;
    }
    let mut reader = Reader::come(scene).await?;
    for channel in scene.plan.channels.iter().chain(&scene.plan.corners) {
        reader.log(channel).await?;
    }
    reader.presence().await?;
    reader.go();
    Ok(())
}

/// A directory for a leg, made anew.
pub fn directory(below: &Path, seed: u64) -> Result<PathBuf, String> {
    let dir = below.join(format!("seed-{seed}"));
    let _ = std::fs::remove_dir_all(&dir);
    std::fs::create_dir_all(&dir).map_err(|why| format!("{}: {why}", dir.display()))?;
    Ok(dir)
}
