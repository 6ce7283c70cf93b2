//! What all clients of a leg share: the plan, the network, who is who, and how far each has got.

use parking_lot::Mutex;
use parlor::checker::SessionNo;
use serde_json::Value;
use tokio::sync::watch;

use crate::gate::{Gate, Target};
use crate::plan::Plan;
use crate::recorder::Recorder;

/// What clients are to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// Whatever they like.
    Act,
    /// Come back, get receipts, hear all there is; nothing new.
    Rest,
    /// As [`Rest`](Self::Rest), and some go and stay away.
    Part,
    /// Say nothing at all for a moment.
    Still,
}

/// What the faults want of one client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Order {
    /// Whether to stop reading.
    Jam(bool),
    /// Be gone without a word; the network keeps silent for so many milliseconds.
    Vanish(u64),
}

/// One user, who may have several clients.
#[derive(Default)]
pub struct User {
    /// How to come back.
    pub token: Option<String>,
    /// Its name.
    pub name: Option<String>,
    /// A client is becoming this user.
    pub making: bool,
    /// Publishes that another client of this user has under way, to be sent at once from here too.
    pub twins: Vec<Publish>,
}

/// What is published, whole.
#[derive(Clone, Debug)]
pub struct Publish {
    /// Where.
    pub channel: String,
    /// By which it is known.
    pub key: Option<String>,
    /// What the client knew when it first sent it: epoch and place.
    pub base: Option<(Option<String>, u64)>,
    /// What.
    pub body: Value,
    /// What sort.
    pub kind: Option<&'static str>,
    /// What it answers.
    pub reference: Option<u64>,
}

/// How far a client has got.
#[derive(Clone, Debug, Default)]
pub struct View {
    /// Its session, once it is welcomed.
    pub session: Option<SessionNo>,
    /// Publishes without a receipt, joins and leaves that have not come to an end.
    pub unsettled: usize,
    /// Commands without a reply, of whatever sort.
    pub asked: usize,
    /// What it hears, by channel: the epoch, and up to where it has heard.
    pub heard: Vec<(String, String, u64)>,
}

/// A receipt that came by plain HTTP: channel, epoch, key, seq.
pub type Receipt = (String, String, String, u64);

/// All of it.
pub struct Scene {
    /// Where everything is written down.
    pub recorder: Recorder,
    /// Who, what, when.
    pub plan: Plan,
    /// Each client's way to the server.
    pub gates: Vec<Gate>,
    /// Where the server is.
    pub target: Target,
    /// The users.
    pub users: Vec<Mutex<User>>,
    /// The clients.
    pub views: Vec<Mutex<View>>,
    /// What they are to do.
    pub phase: watch::Sender<Phase>,
    /// To be looked for at the end.
    pub receipts: Mutex<Vec<Receipt>>,
}

impl Scene {
    /// The names of the users that there are.
    pub fn names(&self) -> Vec<String> {
        self.users.iter().filter_map(|user| user.lock().name.clone()).collect()
    }
}
