//! A world made up from a seed: a server in one life after another, its clients, their network, their disk, their time.

use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};

use parlor::checker::{History, SessionNo, What};
use parlor::clock::made_up::{self, Time};
use parlor::config::Config;
use parlor::model::{Moment, Wall};
use parlor::store::{Failing, Fault, MemoryRows, Rows, Trouble};
use parlor::supervise::{Faults, carrier};

use crate::agent::{Agent, Careful};
use crate::between::Between;
use crate::dice::{Chooser, Dice};
use crate::library::Library;
use crate::life::Life;
use crate::line::{Flow, Line};
use crate::mail::Mail;
use crate::outcome::{Outcome, configure, terms};
use crate::trouble::{Event, Plan};
use crate::twins::Twins;

/// The wall clock at the beginning, a little before the hour turns.
const EPOCH: i64 = 1_795_345_197_000;

/// Why a life ended.
enum End {
    Killed { keep: usize },
    Stopped,
    Over,
}

/// The world.
pub struct World {
    pub plan: Plan,
    pub dice: Dice,
    pub chooser: Chooser,
    pub now: u64,
    pub began: u64,
    pub skew: i64,
    pub history: History,
    pub lines: BTreeMap<SessionNo, Line>,
    pub owners: BTreeMap<SessionNo, usize>,
    pub users: Vec<String>,
    pub agents: Vec<Option<Box<dyn Agent>>>,
    pub mail: Rc<Mail>,
    pub rows: Arc<Failing>,
    pub trouble: Trouble,
    pub faults: Faults,
    pub config: Config,
    pub start: Instant,
    pub calm: bool,
    /// Reasons why the server may be slow.
    pub slow: usize,
    /// From when on choices are given, and which.
    pub explored: Option<(u64, Vec<usize>)>,
    /// How many reads come before the one that fails.
    pub fail_read: Option<u64>,
    /// Mailboxes that rest until then.
    pub resting: Vec<(u64, u64)>,
    /// When it was well again, or an actor had rested.
    pub well: u64,
    /// Lines that were ever held or broken.
    pub hampered: BTreeSet<SessionNo>,
    /// What is wrong that no history shows.
    pub complaints: Vec<String>,
    /// Whether it says what happens.
    pub story: bool,
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
        if plan.twins {
            agents.push(Box::new(Twins::new(agents.len(), plan.pace)));
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
            fail_read: None,
            story,
        }
    }

    /// Lives through it.
    pub fn run(mut self, seed: u64) -> Outcome {
        crate::hush();
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

    pub fn set_clock(&self) {
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
        self.faults.disarm();
        if !self.calm && self.dice.once_in(8) {
            self.trouble.arm(*self.dice.one_of(&[Fault::Apply, Fault::Sync, Fault::Read]));
        }
        let rows = Arc::new(Between::over(Arc::clone(&self.rows) as Arc<dyn Rows>));
        let started =
            Life::start(&self.config, Arc::clone(&rows), &self.faults, Rc::clone(&self.mail), self.plan.workers).await;
        let mut life = match started {
            Ok(life) => Some(life),
            Err(why) => {
                self.tell(|_| format!("it does not start: {why}"));
                self.trouble.disarm();
                self.faults.disarm();
                settle().await;
                return End::Killed { keep: 0 };
            }
        };
        self.note(What::ServerUp);
        self.tell(|_| "the server is up".into());
        let end = self.live(&mut life).await;
        rows.reads(None);
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
                self.check_watchers();
                return End::Over;
            }
            for event in self.plan.due(self.now) {
                match event {
                    Event::Kill { keep } if stopping.is_none() && !self.calm => {
                        self.note(What::ServerDown);
                        return End::Killed { keep };
                    }
                    Event::Stop if stopping.is_none() && !self.calm => {
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
        self.faults.disarm();
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

    pub async fn pass(&mut self, ms: u64) {
        self.now += ms;
        self.set_clock();
        self.mail.arrive();
        self.mail.on(0);
        tokio::time::advance(Duration::from_millis(ms)).await;
        settle().await;
    }
}

/// Lets everything run that can run by itself.
pub async fn settle() {
    for _ in 0..3 {
        tokio::task::yield_now().await;
    }
}
