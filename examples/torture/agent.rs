//! A client: comes, does things at random, goes, comes back with its cursors, and never gives a key up. What it does with
//! what it hears stands in `hearing.rs`.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::Duration;

use parlor::checker::{By, SessionNo};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use serde_json::{Value, json};
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, sleep_until, timeout};

use crate::link::{Heard, Job, Link, Over};
use crate::plan::Role;
use crate::publishes::{Open, Posted};
use crate::scene::{Order, Phase, Scene, View};
use crate::tracks::{Stage, Track};
use crate::{longpoll, websocket};

/// How often a client looks after what it has under way.
const TICK: Duration = Duration::from_millis(40);
/// How long a connection may take, and a hello.
const HELLO: Duration = Duration::from_secs(3);
/// For how long before its end there must have been no trouble, beyond the time that it takes to find out, in
/// milliseconds.
const CALM: u64 = 500;
/// How long a goodbye may take.
const GOODBYE: Duration = Duration::from_secs(1);

/// What a command was about whose reply is to come.
#[derive(Clone, Debug, PartialEq)]
pub enum Asked {
    /// A join of a channel.
    Join(String),
    /// A leave.
    Leave(String),
    /// A publish, by its number.
    Publish(u64),
    /// Part of what a gap left out: channel, from where, up to where.
    Missing(String, u64, u64),
    /// A publish by plain HTTP in this channel.
    Post(String),
    /// Anything else.
    Else,
}

/// A session, as long as it lasts.
pub struct Talk {
    /// Its frames.
    pub link: Link,
    /// Over which transport.
    pub over: Over,
    /// Its number in the history.
    pub no: SessionNo,
    /// Commands without a reply, by id.
    pub asked: HashMap<String, (Asked, Instant)>,
    /// Whether it was welcomed.
    pub welcomed: bool,
    /// Whether goodbye was said.
    pub leaving: bool,
    /// The largest body.
    pub body_bytes: usize,
    /// When a frame last came.
    pub heard_at: Instant,
    /// Whether it was asked since whether anybody is there.
    pub pinged: bool,
    ids: u64,
}

/// A client.
pub struct Agent {
    /// Which one it is.
    pub n: usize,
    /// What it is like.
    pub role: Role,
    /// What it shares.
    pub scene: Arc<Scene>,
    /// Its chances.
    pub dice: StdRng,
    /// What it knows of channels, across its sessions.
    pub tracks: BTreeMap<String, Track>,
    /// Publishes without a receipt, across its sessions.
    pub open: Vec<Open>,
    /// Some that have one, to be sent again.
    pub done: Vec<Open>,
    /// How many it has made.
    pub count: u64,
    /// Publishes by plain HTTP that are under way.
    pub posts: JoinSet<Posted>,
    orders: mpsc::Receiver<Order>,
    phase: watch::Receiver<Phase>,
}

impl Agent {
    /// The client of this number.
    pub fn new(n: usize, scene: Arc<Scene>, orders: mpsc::Receiver<Order>) -> Self {
        let role = scene.plan.roles[n].clone();
        let (dice, phase) = (StdRng::seed_from_u64(role.seed), scene.phase.subscribe());
        let tracks = role.home.iter().map(|&home| (scene.plan.channels[home].clone(), Track::default())).collect();
        let (open, done, posts) = (Vec::new(), Vec::new(), JoinSet::new());
        Self { n, role, scene, dice, tracks, open, done, count: 0, posts, orders, phase }
    }

    /// Comes and goes until it is aborted.
    pub async fn run(mut self) {
        sleep(Duration::from_millis(self.dice.random_range(0..300))).await;
        loop {
            let mut phases = self.phase.clone();
            let _ = phases.wait_for(|phase| !matches!(phase, Phase::Part | Phase::Still) || !self.parts()).await;
            self.come().await;
            self.report(None);
            let most = if self.acts() && self.dice.random_ratio(1, 8) { 2_000 } else { 200 };
            sleep(Duration::from_millis(self.dice.random_range(10..most))).await;
        }
    }

    /// Whether it is one of those who go at the end.
    fn parts(&self) -> bool {
        self.n.is_multiple_of(3)
    }

    /// Whether it is to do things of its own accord.
    pub fn acts(&self) -> bool {
        *self.phase.borrow() == Phase::Act
    }

    /// Opens a session and lives it to its end.
    async fn come(&mut self) {
        let to = self.scene.gates[self.n].address;
        let narrow = self.role.narrow;
        let over = if self.dice.random_ratio(self.role.longpoll, 100) { Over::LongPoll } else { Over::WebSocket };
        let Some(hello) = self.hello() else { return };
        let link = match over {
            Over::LongPoll => longpoll::open(to, narrow),
            Over::WebSocket => match timeout(HELLO, websocket::open(to, narrow)).await {
                Ok(Ok(link)) => link,
                _ => return self.nobody_came(),
            },
        };
        while self.orders.try_recv().is_ok() {}
        let no = self.scene.recorder.open(Some(self.n), over.name());
        let now = Instant::now();
        let mut talk = Talk {
            link,
            over,
            no,
            asked: HashMap::new(),
            welcomed: false,
            leaving: false,
            body_bytes: 1_000,
            heard_at: now,
            pinged: false,
            ids: 0,
        };
        self.say(&mut talk, hello, Asked::Else);
        let (code, mut by) = self.live(&mut talk).await;
        if by == By::Client && code.is_none() && timeout(GOODBYE, talk.link.tasks.join_next()).await.is_err() {
            // Whether the server has heard of it nobody knows.
            by = By::Network;
        }
        self.suspect(&talk, code, by);
        self.scene.recorder.over(Some(self.n), no, code, by);
        self.nobody_came();
        for track in self.tracks.values_mut() {
            track.stage = Stage::Away;
        }
        self.forget_session();
    }

    /// The hello to come with; none while another client of the same user is about to become somebody.
    fn hello(&mut self) -> Option<Value> {
        let client = format!("torture/{}", self.n);
        let mut user = self.scene.users[self.role.user].lock();
        match &user.token {
            Some(token) => Some(json!({"type": "hello", "version": 1, "token": token, "client": client})),
            None if user.making => None,
            None => {
                user.making = true;
                let wish = format!("u{}", self.role.user);
                Some(json!({"type": "hello", "version": 1, "guest": wish, "client": client}))
            }
        }
    }

    fn nobody_came(&self) {
        self.scene.users[self.role.user].lock().making = false;
    }

    /// Sends a command, if there is room; says whether it did.
    pub fn say(&mut self, talk: &mut Talk, mut frame: Value, asked: Asked) -> bool {
        if !talk.link.has_room() {
            return false;
        }
        let id = Self::id(talk);
        frame["id"] = id.clone().into();
        self.scene.recorder.sent(talk.no, &frame);
        talk.asked.insert(id, (asked, Instant::now()));
        talk.link.order(Job::Say(frame));
        true
    }

    /// An id of its own for what goes another way.
    pub fn id(talk: &mut Talk) -> String {
        talk.ids += 1;
        format!("{}-{}", talk.no, talk.ids)
    }

    /// The session, until it is over; says how.
    async fn live(&mut self, talk: &mut Talk) -> (Option<u16>, By) {
        let mut next = Instant::now();
        let mut tick = Instant::now();
        loop {
            tokio::select! {
                heard = talk.link.next() => match heard {
                    Heard::Frame(frame) => {
                        self.scene.recorder.got(talk.no, frame.clone());
                        self.hear(talk, &frame);
                    }
                    Heard::Aside(frame) => Self::aside(talk, &frame),
                    Heard::Lost(ids) => self.lost(talk, &ids),
                    Heard::Over { code, by } => return Self::ends(talk, code, by),
                    Heard::Wrong(why) => self.scene.recorder.breach("frames", format!("session {}: {why}", talk.no)),
                },
                () = sleep_until(next), if talk.welcomed && self.acts() => {
                    next = Instant::now() + Duration::from_millis(self.dice.random_range(5..self.role.pause));
                    if let Some(by) = self.act(talk) {
                        return (None, by);
                    }
                }
                () = sleep_until(tick) => {
                    tick = Instant::now() + TICK;
                    if let Some(by) = self.tick(talk) {
                        return (None, by);
                    }
                }
                Some(order) = self.orders.recv() => match order {
                    Order::Jam(jammed) => talk.link.jam(jammed),
                    Order::Vanish(ms) => {
                        // A connection that is gone says nothing; what is left of it is in the network.
                        self.scene.gates[self.n].strand(ms);
                        return (None, By::Nobody);
                    }
                },
                Some(posted) = self.posts.join_next() => if let Ok(posted) = posted {
                    self.posted(talk, posted);
                },
            }
        }
    }

    /// A session that ends although nothing was done to it, its server or its machine has been given up for nothing.
    fn suspect(&self, talk: &Talk, code: Option<u16>, by: By) {
        let figures = &self.scene.plan.figures;
        let suspicious = match by {
            By::Network => true,
            By::Server => matches!(code, None | Some(4000 | 4003)),
            By::Client | By::Nobody => false,
        };
        let silent = talk.heard_at.elapsed().as_millis() as u64;
        let while_ago = silent.max(figures.timeout_ms + figures.heartbeat_ms) + CALM;
        if suspicious && talk.welcomed && self.scene.recorder.calm(self.n, talk.no, while_ago) {
            let (no, over) = (talk.no, talk.over.name());
            let text = format!("session {no} over {over} ended with {code:?} by {by:?}, after {silent} ms of silence");
            self.scene.recorder.breach("ended-for-nothing", text);
        }
    }

    /// How a session ends that was ended from elsewhere.
    fn ends(talk: &Talk, code: Option<u16>, by: By) -> (Option<u16>, By) {
        (code, if talk.leaving && code == Some(1000) { By::Client } else { by })
    }

    /// Looks after what is under way. Says who ends the session, if it ends.
    fn tick(&mut self, talk: &mut Talk) -> Option<By> {
        let figures = &self.scene.plan.figures;
        let (heartbeat, timeout_ms) = (figures.heartbeat_ms, figures.timeout_ms);
        let silent = talk.heard_at.elapsed();
        if !talk.welcomed {
            return if talk.leaving { Some(By::Client) } else { (silent > HELLO).then_some(By::Network) };
        }
        let phase = *self.phase.borrow();
        if talk.over == Over::WebSocket && phase != Phase::Still {
            if silent > Duration::from_millis(timeout_ms) {
                return Some(By::Network);
            }
            if silent > Duration::from_millis(heartbeat) && !talk.pinged {
                talk.pinged = self.say(talk, json!({"type": "ping"}), Asked::Else);
            }
        }
        if phase == Phase::Part && self.parts() {
            return self.part(talk);
        }
        if phase != Phase::Still {
            self.resend(talk);
        }
        self.report(Some(talk));
        None
    }

    /// Lets others see how far it has got.
    fn report(&self, talk: Option<&Talk>) {
        let asked = || talk.into_iter().flat_map(|talk| talk.asked.values());
        let waits = asked().filter(|(asked, _)| matches!(asked, Asked::Leave(_) | Asked::Publish(_))).count();
        let turning =
            self.tracks.values().filter(|track| matches!(track.stage, Stage::Joining | Stage::Leaving)).count();
        let live = self.tracks.iter().filter(|(_, track)| track.stage == Stage::Live);
        let heard = live.map(|(name, track)| (name.clone(), track.epoch.clone().unwrap_or_default(), track.seq));
        *self.scene.views[self.n].lock() = View {
            session: talk.filter(|talk| talk.welcomed).map(|talk| talk.no),
            unsettled: self.open.len() + waits + turning + self.posts.len(),
            asked: asked().count(),
            heard: heard.collect(),
        };
    }
}
