//! One step of a world: what could happen now, and one of it.

use parlor::checker::{By, SessionNo, What};
use parlor::store::Fault;
use serde_json::Value;

use crate::agent::{Agent, At, TIMEOUT};
use crate::life::Life;
use crate::line::{Heard, Line};
use crate::mail::Turn;
use crate::world::{World, settle};

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

impl World {
    pub fn next_due(&self) -> u64 {
        let lines = self.lines.values().filter_map(Line::due);
        let agents = self.agents.iter().flatten().map(|agent| agent.due());
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
            agent.as_ref().filter(|agent| agent.due() <= now).map(|_| Choice::Agent(number))
        };
        choices.extend(self.agents.iter().enumerate().filter_map(due));
        if !choices.is_empty() && self.explored.as_ref().is_some_and(|(from, _)| *from <= now) {
            choices.push(Choice::Pass);
        }
        choices
    }

    /// Lets one thing happen; false if there is none.
    pub async fn step(&mut self, life: &mut Option<Life>) -> bool {
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
                let fails = self.fail_read == Some(0);
                self.fail_read = self.fail_read.and_then(|after| after.checked_sub(1));
                if fails {
                    self.tell(|_| "it fails".into());
                    self.trouble.arm(Fault::Read);
                }
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

    fn carry(&mut self, no: SessionNo, server: Option<&Life>) {
        let Some(line) = self.lines.get_mut(&no) else { return };
        let heard = line.work(self.now, server, &mut self.dice);
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
                // A small queue may well overflow.
                let small = *code == Some(4001) && self.plan.queue < 16_384;
                if blamed && !troubled && !small {
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
}
