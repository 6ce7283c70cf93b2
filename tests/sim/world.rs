//! A world made up from a seed: a server in one life after another, its clients, their network, their disk, their time.

use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};

use parlor::checker::{By, History, SessionNo, Terms, What};
use parlor::clock::made_up::{self, Time};
use parlor::config::{Config, Durability};
use parlor::model::{Moment, Wall};
use parlor::protocol::Posted;
use parlor::store::{Failing, Fault, MemoryRows, Rows, Store, Trouble};
use parlor::supervise::{Faults, Probes, carrier};
use serde_json::Value;

use crate::agent::{Agent, At, Careful, HEARTBEAT, TIMEOUT};
use crate::dice::{Chooser, Dice};
use crate::library::Library;
use crate::life::Life;
use crate::line::{Flow, Heard, Line};
use crate::mail::{Mail, Turn};
use crate::trouble::{Event, Plan};

/// How often the dead are looked for.
const SWEEP: u64 = 100;
/// How late anything may be.
const SLACK: u64 = 700;
/// The wall clock at the beginning, a little before the hour turns.
const EPOCH: i64 = 1_795_345_197_000;

/// What may happen next.
#[derive(Clone, Copy, Debug)]
enum Choice {
    Turn(Turn),
    Write,
    Read,
    Line(SessionNo),
    Agent(usize),
    /// Time passes, although there is something to do.
    Pass,
}

/// Why a life ended.
enum End {
    Killed { keep: usize },
    Stopped,
    Over,
}

/// What came of it.
pub struct Outcome {
    pub history: History,
    pub terms: Terms,
    pub chooser: Chooser,
    /// What agents still waited for at the end.
    pub unsettled: Vec<String>,
}

/// The world.
pub struct World {
    pub plan: Plan,
    pub dice: Dice,
    chooser: Chooser,
    pub now: u64,
    began: u64,
    pub skew: i64,
    pub history: History,
    pub lines: BTreeMap<SessionNo, Line>,
    owners: BTreeMap<SessionNo, usize>,
    users: Vec<String>,
    agents: Vec<Option<Box<dyn Agent>>>,
    mail: Rc<Mail>,
    rows: Arc<Failing>,
    pub trouble: Trouble,
    pub faults: Faults,
    config: Config,
    start: Instant,
    calm: bool,
    /// Reasons why the server may be slow.
    slow: usize,
    /// From when on choices are given, and which.
    explored: Option<(u64, Vec<usize>)>,
    /// Mailboxes that rest until then.
    pub resting: Vec<(u64, u64)>,
    /// When it was well again, or an actor had rested.
    pub well: u64,
    /// Lines that were ever held or broken.
    pub hampered: BTreeSet<SessionNo>,
    /// What is wrong that no history shows.
    complaints: Vec<String>,
    /// Whether it says what happens.
    story: bool,
}

impl World {
    /// A world of this seed; with `story`, it says what happens.
    pub fn new(seed: u64, story: bool) -> Self {
        let mut dice = Dice::of(seed);
        let plan = Plan::draw(&mut dice);
        let mut agents: Vec<Box<dyn Agent>> = Vec::new();
        for number in 0..plan.agents {
            let watches = dice.once_in(2);
            // Some go for good.
            let ends = if dice.once_in(3) { dice.range(1500, plan.span) } else { u64::MAX };
            agents.push(Box::new(Careful::new(number, plan.pace, watches, ends)));
        }
        for number in plan.agents..plan.agents + plan.libraries {
            agents.push(Box::new(Library::new(number, plan.pace)));
        }
        Self::of(plan, agents, dice, Chooser::of(seed), story)
    }

    /// A world in which these agents act, and nothing goes wrong but what is planned; what happens next is chosen as given,
    /// from then on.
    pub fn small(plan: Plan, agents: Vec<Box<dyn Agent>>, from: u64, choices: Vec<usize>, story: bool) -> Self {
        let mut world = Self::of(plan, agents, Dice::of(1), Chooser::given(Vec::new()), story);
        world.explored = Some((from, choices));
        world
    }

    fn of(plan: Plan, agents: Vec<Box<dyn Agent>>, dice: Dice, chooser: Chooser, story: bool) -> Self {
        let (rows, trouble) = Failing::over(Arc::new(MemoryRows::default()));
        let config = configure(&plan);
        Self {
            plan,
            dice,
            chooser,
            now: 1000,
            began: 0,
            skew: 0,
            history: History::default(),
            lines: BTreeMap::new(),
            owners: BTreeMap::new(),
            users: Vec::new(),
            agents: agents.into_iter().map(Some).collect(),
            mail: Rc::default(),
            rows,
            trouble,
            faults: Faults::default(),
            config,
            start: Instant::now(),
            calm: false,
            slow: 0,
            explored: None,
            well: 0,
            hampered: BTreeSet::new(),
            complaints: Vec::new(),
            resting: Vec::new(),
            story,
        }
    }

    /// Lives through it.
    pub fn run(mut self, seed: u64) -> Outcome {
        self.tell(|world| format!("{:?}", world.plan));
        made_up::begin(Time { moment: Moment(0), wall: Wall(EPOCH), start: self.start }, seed);
        let mut down = 0;
        loop {
            self.began = self.now + down;
            self.mail = Rc::default();
            carrier::carry(Some(Rc::clone(&self.mail) as Rc<dyn carrier::Carrier>));
            let system = actix::System::with_tokio_rt(|| {
                let mut runtime = tokio::runtime::Builder::new_current_thread();
                runtime.enable_time().start_paused(true).build().expect("a runtime on this thread")
            });
            let end = system.block_on(self.life());
            drop(system);
            self.resting.clear();
            down = self.dice.range(5, 600);
            match end {
                End::Over => break,
                End::Killed { keep } => {
                    self.tell(|_| format!("killed; {keep} unsynced batches survive"));
                    self.trouble.keep(keep);
                    self.rows.crash().expect("memory does not fail");
                }
                End::Stopped => self.tell(|_| "stopped".into()),
            }
        }
        carrier::carry(None);
        self.read_logs();
        made_up::end();
        let agents = self.agents.iter().flatten();
        let unsettled = self.complaints.into_iter().chain(agents.filter_map(|agent| agent.unsettled())).collect();
        let terms = terms(&self.config);
        Outcome { history: self.history, terms, chooser: self.chooser, unsettled }
    }

    pub fn tell(&mut self, words: impl FnOnce(&Self) -> String) {
        if self.story {
            println!("{:>6} {}", self.now, words(self));
        }
    }

    pub fn note(&mut self, what: What) {
        if let What::Hampered { session } = &what {
            self.hampered.insert(*session);
        }
        self.history.add(self.now, what);
    }

    /// The server may be slow from here on, for one more reason, or one reason less.
    pub fn slow(&mut self, more: bool) {
        let before = self.slow;
        self.slow = if more { before + 1 } else { before.saturating_sub(1) };
        match (before, self.slow) {
            (0, 1) => self.note(What::ServerSlow),
            (1, 0) => {
                self.well = self.now;
                self.note(What::ServerWell);
            }
            _ => {}
        }
    }

    fn set_clock(&self) {
        let moment = Moment(self.now.saturating_sub(self.began));
        made_up::set(moment, Wall(EPOCH + self.now as i64 + self.skew));
    }

    /// The time until the server is there, and then its life.
    async fn life(&mut self) -> End {
        self.set_clock();
        while self.now < self.began {
            if !self.step(&mut None).await {
                let ms = self.dice.range(1, 5);
                self.pass(ms).await;
            }
        }
        self.set_clock();
        // What was to strike the life before is over; opening may fail in its own way.
        self.trouble.disarm();
        if !self.calm && self.dice.once_in(8) {
            self.trouble.arm(*self.dice.one_of(&[Fault::Apply, Fault::Sync, Fault::Read]));
        }
        let rows = Arc::clone(&self.rows) as Arc<dyn Rows>;
        let started = Life::start(&self.config, rows, &self.faults, Rc::clone(&self.mail), self.plan.workers).await;
        let mut life = match started {
            Ok(life) => Some(life),
            Err(why) => {
                self.tell(|_| format!("it does not start: {why}"));
                self.trouble.disarm();
                settle().await;
                return End::Killed { keep: 0 };
            }
        };
        self.note(What::ServerUp);
        self.tell(|_| "the server is up".into());
        let end = self.live(&mut life).await;
        // An actor that was never polled would be when it is dropped, where there is no runtime any more.
        settle().await;
        if !matches!(end, End::Over) {
            for line in self.lines.values_mut() {
                line.orphan(self.now, life.as_ref(), &mut self.dice);
            }
        }
        if let (End::Stopped | End::Over, Some(life)) = (&end, &mut life)
            && let Some(store) = life.store.take()
        {
            // A disk that fails at the very end is a crash.
            drop(store.close());
        }
        end
    }

    async fn live(&mut self, life: &mut Option<Life>) -> End {
        let mut stopping = None;
        loop {
            if self.now >= self.plan.span && !self.calm {
                self.heal();
            }
            if self.now >= self.plan.span + self.plan.calm {
                self.note(What::Rest);
                return End::Over;
            }
            for event in self.plan.due(self.now) {
                match event {
                    Event::Kill { keep } if stopping.is_none() => {
                        self.note(What::ServerDown);
                        return End::Killed { keep };
                    }
                    Event::Stop if stopping.is_none() => {
                        self.tell(|_| "told to stop".into());
                        self.note(What::ServerDown);
                        let server = life.as_mut().and_then(|life| life.server.take());
                        stopping = server.map(|server| actix::spawn(server.stop()));
                    }
                    Event::Kill { .. } | Event::Stop => {}
                    other => self.strike(other),
                }
            }
            if stopping.as_ref().is_some_and(actix_web::rt::task::JoinHandle::is_finished) {
                return End::Stopped;
            }
            if let Some((from, choices)) = &mut self.explored
                && *from <= self.now
                && !choices.is_empty()
            {
                self.chooser = Chooser::given(std::mem::take(choices));
            }
            let idle = !self.step(life).await;
            if idle {
                let next = self.next_due().clamp(self.now + 1, self.now + 10);
                self.pass(next - self.now).await;
            } else if self.explored.is_none() && self.dice.once_in(12) {
                self.pass(1).await;
            }
        }
    }

    /// Faults end, and nobody begins anything new.
    fn heal(&mut self) {
        self.calm = true;
        self.tell(|_| "calm".into());
        self.trouble.disarm();
        self.trouble.free_bytes(None);
        self.resting.clear();
        while self.slow > 0 {
            self.slow(false);
        }
        let held: Vec<SessionNo> = self.lines.values().filter(|line| line.flow == Flow::Held).map(|l| l.no).collect();
        held.into_iter().for_each(|no| self.ease(no));
    }

    pub fn ease(&mut self, no: SessionNo) {
        if let Some(line) = self.lines.get_mut(&no).filter(|line| line.flow == Flow::Held) {
            line.flow = Flow::Flows;
            self.note(What::Eased { session: no });
        }
    }

    async fn pass(&mut self, ms: u64) {
        self.now += ms;
        self.set_clock();
        self.mail.on(0);
        tokio::time::advance(Duration::from_millis(ms)).await;
        settle().await;
    }

    fn next_due(&self) -> u64 {
        let lines = self.lines.values().filter_map(Line::due);
        let agents = self.agents.iter().flatten().map(|agent| agent.due(self.now));
        lines.chain(agents).min().unwrap_or(u64::MAX)
    }

    /// Everything that could happen now.
    fn choices(&mut self, life: Option<&Life>) -> Vec<Choice> {
        let now = self.now;
        self.resting.retain(|(_, until)| *until > now);
        let resting = |turn: &Turn| {
            let rests = |number| self.resting.iter().any(|(resting, _)| *resting == number);
            !matches!(turn, Turn::Run(number) if rests(*number))
        };
        let mut choices: Vec<Choice> = self.mail.turns().into_iter().filter(resting).map(Choice::Turn).collect();
        if let Some(store) = life.and_then(|life| life.store.as_ref()) {
            choices.extend(store.has_work().then_some(Choice::Write));
            choices.extend((store.reads() > 0).then_some(Choice::Read));
        }
        choices.extend(self.lines.values().filter(|line| line.is_ready(now)).map(|line| Choice::Line(line.no)));
        let due = |(number, agent): (usize, &Option<Box<dyn Agent>>)| {
            agent.as_ref().filter(|agent| agent.due(now) <= now).map(|_| Choice::Agent(number))
        };
        choices.extend(self.agents.iter().enumerate().filter_map(due));
        if !choices.is_empty() && self.explored.as_ref().is_some_and(|(from, _)| *from <= now) {
            choices.push(Choice::Pass);
        }
        choices
    }

    /// Lets one thing happen; false if there is none.
    async fn step(&mut self, life: &mut Option<Life>) -> bool {
        let choices = self.choices(life.as_ref());
        if choices.is_empty() {
            return false;
        }
        let choice = choices[self.chooser.pick(choices.len())];
        if self.story {
            let name = match choice {
                Choice::Turn(turn) => self.mail.name(turn),
                other => format!("{other:?}"),
            };
            self.tell(|_| name);
        }
        match choice {
            Choice::Turn(turn) => {
                let split = self.explored.is_none() && self.dice.once_in(6);
                self.mail.take(turn, split);
            }
            Choice::Write => {
                let reopen = self.explored.is_some() || self.dice.once_in(4);
                self.mail.on(0);
                if let Some(store) = life.as_mut().and_then(|life| life.store.as_mut()) {
                    store.write(reopen);
                }
            }
            Choice::Read => {
                self.mail.on(0);
                if let Some(store) = life.as_ref().and_then(|life| life.store.as_ref()) {
                    store.read();
                }
            }
            Choice::Line(no) => self.carry(no, life.as_ref()),
            Choice::Agent(number) => self.with_agent(number, |agent, at| agent.act(at)),
            Choice::Pass => self.pass(20).await,
        }
        settle().await;
        true
    }

    fn carry(&mut self, no: SessionNo, life: Option<&Life>) {
        let Some(line) = self.lines.get_mut(&no) else { return };
        let heard = line.work(self.now, life, &mut self.dice);
        if line.is_done() {
            self.lines.remove(&no);
        }
        for heard in heard {
            self.hear(no, heard);
        }
    }

    fn hear(&mut self, no: SessionNo, heard: Heard) {
        let mut parsed = None;
        match &heard {
            Heard::Frame(text) => {
                let frame: Value = serde_json::from_str(text).unwrap_or_else(|_| panic!("{text} is no frame"));
                if self.story {
                    self.tell(|_| format!("  {no} hears {text}"));
                }
                self.note(What::Got { session: no, frame: frame.clone() });
                parsed = Some(frame);
            }
            Heard::Down(code) => {
                let by = if code.is_some() { By::Server } else { By::Network };
                self.tell(|_| format!("  {no} is down: {code:?}"));
                // The codes that blame the client, though nobody kept it from reading and being heard.
                let blamed = matches!(code, Some(4000..=4002 | 4503));
                let troubled = self.slow > 0 || self.now < self.well + 3 * TIMEOUT || self.hampered.contains(&no);
                if blamed && !troubled {
                    self.complaints.push(format!("{}: session {no} was ended with {code:?} for nothing", self.now));
                }
                self.note(What::Over { session: no, code: *code, by });
            }
            Heard::Opened | Heard::Alive => {}
        }
        if let Some(agent) = self.owners.get(&no).copied() {
            self.with_agent(agent, |agent, at| agent.hear(at, no, heard, parsed.as_ref()));
        }
    }

    fn with_agent(&mut self, number: usize, act: impl FnOnce(&mut dyn Agent, &mut At<'_>)) {
        let Some(mut agent) = self.agents[number].take() else { return };
        let from = self.history.entries.len();
        let mut at = At {
            now: self.now,
            dice: &mut self.dice,
            history: &mut self.history,
            lines: &mut self.lines,
            owners: &mut self.owners,
            users: &mut self.users,
            channels: &self.plan.channels,
            delay: self.plan.delay,
            calm: self.calm,
            durable: self.plan.durable,
            bases: self.plan.dedup < 1000,
        };
        act(&mut *agent, &mut at);
        self.agents[number] = Some(agent);
        if self.story {
            let said = self.history.entries[from..].iter().filter_map(|entry| match &entry.what {
                What::Sent { session, frame } => Some(format!("  {session} says {frame}")),
                What::Over { session, by, .. } => Some(format!("  {session} is left: {by:?}")),
                _ => None,
            });
            for line in said.collect::<Vec<_>>() {
                self.tell(|_| line);
            }
        }
    }

    /// Reads every log as it is after everything.
    fn read_logs(&mut self) {
        self.trouble.disarm();
        let opened = Store::stepped(Arc::clone(&self.rows) as Arc<dyn Rows>, &self.config.store, &Probes::default());
        let (store, _stepped) = opened.expect("the store opens");
        let log = store.log();
        for (channel, head) in log.channels(None, 1000).expect("the channels can be read") {
            let messages =
                log.range(&channel, head.first, head.seq, usize::MAX, usize::MAX).expect("a log can be read");
            let frames = messages.iter().map(|message| {
                let frame = Posted::new(&channel, message).frame.to_string();
                serde_json::from_str(&frame).expect("a frame is JSON")
            });
            let messages: Vec<Value> = frames.collect();
            // What agents say under a key carries it inside, too, so that a key that changed on its way shows.
            let mut said = BTreeSet::new();
            for message in &messages {
                let words = (message["from"].to_string(), message["body"]["key"].to_string());
                if message["body"]["key"].is_string() && !said.insert(words.clone()) {
                    self.complaints.push(format!("{channel}: {words:?} was said twice"));
                }
            }
            self.history.add(
                self.now,
                What::Log {
                    channel: channel.to_string(),
                    epoch: head.epoch.0.to_string(),
                    first: head.first,
                    head: head.seq,
                    messages,
                },
            );
        }
    }
}

/// Lets everything run that can run by itself.
async fn settle() {
    for _ in 0..3 {
        tokio::task::yield_now().await;
    }
}

fn configure(plan: &Plan) -> Config {
    let mut config = Config::default();
    config.presence.heartbeat = Duration::from_millis(HEARTBEAT);
    config.presence.timeout = Duration::from_millis(TIMEOUT);
    config.presence.sweep = Duration::from_millis(SWEEP);
    config.channels.window = plan.window;
    config.channels.dedup_window = plan.dedup;
    config.channels.idle = Duration::from_millis(plan.idle);
    config.limits.replay_max = plan.replay_max;
    config.limits.outstanding = 16;
    config.limits.session_queue_bytes = plan.queue;
    config.limits.body_bytes = 4096;
    config.rates.enabled = false;
    config.server.drain_notice = Duration::from_millis(50);
    config.server.drain_timeout = Duration::from_millis(2000);
    config.store.durability = if plan.durable { Durability::Always } else { Durability::Interval };
    config.store.sync_interval = Duration::from_millis(100);
    config.store.reserve_bytes = 1;
    config
}

fn terms(config: &Config) -> Terms {
    Terms {
        heartbeat_ms: HEARTBEAT,
        timeout_ms: TIMEOUT,
        sweep_ms: SWEEP,
        slack_ms: SLACK,
        replay_max: config.limits.replay_max,
        durable: config.store.durability == Durability::Always,
    }
}
