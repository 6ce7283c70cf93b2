//! What goes wrong in a world, and when: drawn beforehand from its seed.

use parlor::checker::{SessionNo, What};
use parlor::store::Fault;

use crate::dice::Dice;
use crate::line::{Flow, Kind};
use crate::world::World;

/// The places where an actor may panic.
const PLACES: [&str; 6] =
    ["channel.step", "channel.committed", "hub.batch", "registry.beat", "registry.sweep", "longpoll.step"];
const DISK: [Fault; 6] = [Fault::Apply, Fault::ApplyLate, Fault::Panic, Fault::Sync, Fault::Read, Fault::Reopen];
const CHANNELS: [&str; 4] = ["a", "b", "c", "d"];

/// What may go wrong.
#[derive(Clone, Copy, Debug)]
pub enum Event {
    /// The server is killed; so many unsynced batches survive.
    Kill { keep: usize },
    /// It is told to stop.
    Stop,
    /// An actor panics.
    Panic(&'static str),
    /// The disk fails.
    Disk(Fault),
    /// One read fails: after so many that do not.
    FailRead(u64),
    /// The disk is full, or is not any more.
    Space(bool),
    /// A reason for slowness has gone.
    Well,
    /// A line holds what it carries.
    Hold(u64),
    /// All lines carry again.
    Ease,
    /// A line breaks.
    Break,
    /// An actor rests, for so long.
    Rest(u64),
    /// The wall clock jumps.
    Jump(i64),
}

/// What a world is like.
#[derive(Debug)]
pub struct Plan {
    pub agents: usize,
    pub libraries: usize,
    /// Whether there is a user on two lines at once.
    pub twins: bool,
    pub workers: usize,
    pub pace: u64,
    pub delay: u64,
    pub window: usize,
    pub replay_max: u64,
    pub queue: usize,
    pub idle: u64,
    pub durable: bool,
    /// Among how many of the newest messages a key without a base is looked for.
    pub dedup: usize,
    pub channels: Vec<&'static str>,
    /// When calm begins.
    pub span: u64,
    /// How long everything is left alone at the end.
    pub calm: u64,
    /// What happens when, the latest first.
    pub events: Vec<(u64, Event)>,
}

impl Plan {
    pub fn draw(dice: &mut Dice) -> Self {
        let span = 1000 + dice.range(800, 3500);
        let mut plan = Self {
            agents: dice.range(2, 4) as usize,
            libraries: dice.below(3) as usize,
            twins: false,
            workers: dice.range(1, 3) as usize,
            pace: *dice.one_of(&[8, 20, 50]),
            delay: *dice.one_of(&[0, 3, 25]),
            window: *dice.one_of(&[4, 16, 64]),
            replay_max: *dice.one_of(&[5, 20, 1000]),
            queue: *dice.one_of(&[8192, 65_536]),
            idle: *dice.one_of(&[40, 60, 400, 5000]),
            durable: !dice.once_in(5),
            dedup: 100_000,
            channels: CHANNELS[..dice.range(1, 4) as usize].to_vec(),
            span,
            calm: 8000,
            events: Vec::new(),
        };
        if plan.durable && dice.once_in(2) {
            // So few that every key needs its base, which the library cannot give where it has heard nothing yet.
            plan.dedup = 8;
            plan.libraries = 0;
        }
        // Its old keys are what nothing that was told may lose.
        plan.twins = plan.durable && dice.once_in(3);
        for _ in 0..dice.below(9) {
            let at = dice.range(1050, span);
            plan.add(at, dice);
        }
        plan.events.sort_by_key(|(at, _)| std::cmp::Reverse(*at));
        plan
    }

    fn add(&mut self, at: u64, dice: &mut Dice) {
        let mut put = |at, event| self.events.push((at, event));
        match dice.below(16) {
            0 | 1 => put(at, Event::Kill { keep: dice.below(3) as usize }),
            2 => put(at, Event::Stop),
            3 | 4 => {
                let place = PLACES[dice.below(PLACES.len() as u64) as usize];
                put(at, Event::Panic(place));
                if !place.starts_with("registry") {
                    put(at + 1500, Event::Well);
                }
            }
            5 => {
                put(at, Event::Disk(*dice.one_of(&DISK)));
                put(at + 1500, Event::Well);
            }
            6 => {
                put(at, Event::Space(true));
                put(at + dice.range(50, 1500), Event::Space(false));
            }
            7 | 8 => {
                put(at, Event::Hold(dice.any()));
                put(at + dice.range(50, 2500), Event::Ease);
            }
            9 => put(at, Event::Break),
            10..=13 => put(at, Event::Rest(dice.range(20, 300))),
            14 => {
                // The registry breaks while it is being told of a hub that began anew.
                put(at, Event::Panic("hub.batch"));
                put(
                    at + dice.below(40),
                    Event::Panic(if dice.once_in(2) { "registry.beat" } else { "registry.sweep" }),
                );
                put(at + 1500, Event::Well);
            }
            _ => put(at, Event::Jump(dice.range(0, 7_200_000) as i64 - 3_600_000)),
        }
    }

    /// What is due.
    pub fn due(&mut self, now: u64) -> Vec<Event> {
        let mut due = Vec::new();
        while let Some((_, event)) = self.events.pop_if(|(at, _)| *at <= now) {
            due.push(event);
        }
        due
    }
}

impl World {
    /// Something goes wrong.
    pub fn strike(&mut self, event: Event) {
        if self.calm && !matches!(event, Event::Well | Event::Ease | Event::Space(false)) {
            // It was due while there was no server.
            return;
        }
        self.tell(|_| format!("{event:?}"));
        match event {
            Event::Kill { .. } | Event::Stop => {}
            Event::Panic(place) => {
                if place.starts_with("registry") {
                    self.note(What::RegistryBroken);
                } else {
                    self.slow(true);
                }
                self.faults.arm(place);
            }
            Event::Disk(fault) => {
                self.slow(true);
                self.trouble.arm(fault);
            }
            Event::FailRead(after) => {
                self.slow(true);
                self.fail_read = Some(after);
            }
            Event::Space(full) => self.trouble.free_bytes(full.then_some(0)),
            Event::Well => self.slow(false),
            Event::Hold(which) => {
                if let Some(no) = self.any_line(which) {
                    self.note(What::Hampered { session: no });
                    if let Some(line) = self.lines.get_mut(&no) {
                        line.flow = Flow::Held;
                    }
                }
            }
            Event::Ease => {
                let all: Vec<SessionNo> = self.lines.keys().copied().collect();
                all.into_iter().for_each(|no| self.ease(no));
            }
            Event::Break => {
                let which = self.dice.any();
                if let Some(no) = self.any_line(which) {
                    self.note(What::Hampered { session: no });
                    if let Some(line) = self.lines.get_mut(&no) {
                        line.break_off(self.now, &mut self.dice);
                        if matches!(line.kind, Kind::LongPoll(_)) {
                            // Its next requests come through.
                            self.note(What::Eased { session: no });
                        }
                    }
                }
            }
            Event::Rest(ms) => {
                let number = self.dice.range(1, 12);
                self.resting.push((number, self.now + ms));
                self.well = self.well.max(self.now + ms);
            }
            Event::Jump(by) => self.skew += by,
        }
    }

    fn any_line(&self, which: u64) -> Option<SessionNo> {
        let flowing: Vec<SessionNo> = self
            .lines
            .values()
            .filter(|line| line.flow == Flow::Flows && line.is_served())
            .map(|line| line.no)
            .collect();
        (!flowing.is_empty()).then(|| flowing[(which % flowing.len() as u64) as usize])
    }
}
