//! What a session does with a frame. Pure: fed frames with the time, it returns what should happen.

use super::pending::{Pending, To, Watching, What};
use crate::channel::{Action, Draft};
use crate::model::maps::HashSet;
use crate::model::{ChannelName, Moment, UserName};
use crate::protocol::{Bounds, CloseCode, Command, ErrorCode, Hello, Incoming, Problem, Tending};

/// So many bad frames in a row end a session (protocol, section 2).
const STRIKES: u32 = 16;

/// How many users a session may watch.
pub(super) const WATCHED_MAX: usize = 5000;

/// What the configuration says of a session.
#[derive(Clone, Copy, Debug)]
pub(super) struct Rules {
    pub bounds: Bounds,
    pub outstanding: usize,
    pub channels: usize,
}

/// What should happen.
#[derive(Debug)]
pub(super) enum Effect {
    /// Say that it is done, without further words: a reply of this type.
    Done(To, &'static str),
    /// Say why it is not done.
    Refuse(To, Problem),
    /// Say what is wrong with a frame.
    Bad(To, Problem),
    /// Find out who this is; the answer goes there.
    Greet(To, Hello),
    Channel(ChannelName, u64, Action),
    /// Ask the registry how these are.
    Ask {
        ticket: u64,
        users: Vec<UserName>,
    },
    Unwatch {
        users: Vec<UserName>,
        channel: Option<ChannelName>,
    },
    Channels {
        ticket: u64,
        after: Option<ChannelName>,
        limit: usize,
    },
    Contacts {
        ticket: u64,
        add: Vec<UserName>,
        remove: Vec<UserName>,
    },
    Visible {
        ticket: u64,
        on: bool,
    },
    Refresh {
        ticket: u64,
        token: String,
    },
    Pong(To),
    Logout(To),
    Close(CloseCode, Option<Problem>),
}

#[derive(Debug, PartialEq, Eq)]
enum Phase {
    Fresh,
    Greeting,
    Ready(UserName),
}

/// The parts of the cell that a frame changes.
pub(super) struct Desk<'a> {
    pub pending: &'a mut Pending,
    pub channels: &'a mut HashSet<ChannelName>,
    /// How many users it watches.
    pub watched: usize,
}

#[derive(Debug)]
pub(super) struct Machine {
    phase: Phase,
    strikes: u32,
    rules: Rules,
}

impl Machine {
    /// A session that has said nothing yet.
    pub fn new(rules: Rules) -> Self {
        Self { phase: Phase::Fresh, strikes: 0, rules }
    }

    /// Whether no hello was welcomed yet.
    pub fn is_fresh(&self) -> bool {
        !matches!(self.phase, Phase::Ready(_))
    }

    /// The user that the session is.
    pub fn user(&self) -> Option<&UserName> {
        match &self.phase {
            Phase::Ready(user) => Some(user),
            _ => None,
        }
    }

    /// The hello was good: the session is this user's.
    pub fn welcome(&mut self, user: UserName) {
        self.phase = Phase::Ready(user);
    }

    /// The hello was not good; another may come.
    pub fn unwelcome(&mut self) {
        self.phase = Phase::Fresh;
    }

    /// Takes a frame whose answer goes to `slot`, if its transport keeps one; `refusal` says why no command is taken
    /// now, if so.
    pub fn frame(
        &mut self,
        now: Moment,
        text: &str,
        slot: Option<u64>,
        refusal: Option<Problem>,
        desk: Desk<'_>,
    ) -> Vec<Effect> {
        let incoming = match Incoming::read(text) {
            Ok(incoming) => incoming,
            Err((id, problem)) => return self.strike(To { id, slot }, problem),
        };
        let to = To { id: incoming.id.clone(), slot };
        if let Some(problem) = refusal {
            return vec![Effect::Refuse(to, problem)];
        }
        match (&self.phase, incoming.hello()) {
            (Phase::Fresh, Some(Ok(hello))) => {
                self.strikes = 0;
                self.phase = Phase::Greeting;
                vec![Effect::Greet(to, hello)]
            }
            (Phase::Fresh, Some(Err(problem))) if problem.code == ErrorCode::VersionUnsupported => {
                let said = to.is_wanted().then(|| Effect::Refuse(to, problem.clone()));
                said.into_iter().chain([Effect::Close(CloseCode::Version, Some(problem))]).collect()
            }
            (Phase::Fresh, Some(Err(problem))) => self.strike(to, problem),
            (Phase::Fresh | Phase::Greeting, _) => {
                vec![Effect::Refuse(to, Problem::new(ErrorCode::Unauthenticated, "the first command is hello"))]
            }
            (Phase::Ready(_), Some(_)) => {
                vec![Effect::Refuse(to, Problem::new(ErrorCode::Conflict, "hello was said before"))]
            }
            (Phase::Ready(user), None) => match incoming.command(user, &self.rules.bounds) {
                Ok(command) => {
                    self.strikes = 0;
                    self.command(now, to, command, desk)
                }
                Err(problem) if problem.code == ErrorCode::BadFrame => self.strike(to, problem),
                Err(problem) => vec![Effect::Refuse(to, problem)],
            },
        }
    }

    fn strike(&mut self, to: To, problem: Problem) -> Vec<Effect> {
        self.strikes += 1;
        let said = Effect::Bad(to, problem);
        if self.strikes < STRIKES { vec![said] } else { vec![said, Effect::Close(CloseCode::BadFrames, None)] }
    }

    fn command(&self, now: Moment, to: To, command: Command, desk: Desk<'_>) -> Vec<Effect> {
        let Desk { pending, channels, watched } = desk;
        let refuse = |code, why: String| vec![Effect::Refuse(to.clone(), Problem::new(code, why))];
        let ask = |pending: &mut Pending, channel: ChannelName, what, action| {
            let ticket = pending.open(to.clone(), Some(channel.clone()), what, now);
            vec![Effect::Channel(channel, ticket, action)]
        };
        match command {
            Command::Join(join) => {
                if channels.len() >= self.rules.channels && !channels.contains(&join.channel) {
                    let why = format!("a session may subscribe to {} channels at most", self.rules.channels);
                    return refuse(ErrorCode::TooLarge, why);
                }
                channels.insert(join.channel.clone());
                ask(pending, join.channel, What::Join, Action::Join { start: join.start, member: join.member })
            }
            Command::Leave { channel, only_session } => {
                ask(pending, channel, What::Leave, Action::Leave { only_session })
            }
            Command::Publish(publish) => {
                if pending.publishes() >= self.rules.outstanding {
                    let why = format!("{} publishes wait for their receipts", self.rules.outstanding);
                    let problem = Problem::new(ErrorCode::Overloaded, why).retry_after(100);
                    return vec![Effect::Refuse(to, problem)];
                }
                let channel = publish.channel.clone();
                let ticket = pending.open(to, Some(channel.clone()), What::Publish, now);
                let draft = Draft { publish, permit: None };
                vec![Effect::Channel(channel, ticket, Action::Publish(Box::new(draft)))]
            }
            Command::History(history) => {
                let channel = history.channel.clone();
                ask(pending, channel, What::History(Box::new(history)), Action::Look)
            }
            Command::Who { channel, after, limit } => ask(pending, channel, What::Who, Action::Who { after, limit }),
            Command::Typing { channel } => ask(pending, channel, What::Done, Action::Typing),
            Command::Read { channel, seq } => ask(pending, channel, What::Done, Action::Read(seq)),
            Command::Presence { users } => {
                let ticket = pending.open(to, None, What::Presence, now);
                vec![Effect::Ask { ticket, users }]
            }
            Command::Watch(watch) if watched + watch.users.len().max(1) > WATCHED_MAX => {
                refuse(ErrorCode::TooLarge, format!("a session may watch {WATCHED_MAX} users at most"))
            }
            Command::Watch(watch) => match watch.channel {
                Some(channel) => ask(pending, channel, What::WatchChannel(watch.users, true), Action::Watch),
                None => {
                    let ticket = pending.open(to, None, What::Watch(Watching::of(watch.users.clone())), now);
                    vec![Effect::Ask { ticket, users: watch.users }]
                }
            },
            Command::Unwatch(watch) => {
                pending.unwatch(&watch.users, watch.channel.as_ref());
                let mut effects = vec![Effect::Unwatch { users: watch.users, channel: watch.channel.clone() }];
                match watch.channel {
                    Some(channel) => effects.extend(ask(pending, channel, What::Unwatch, Action::Unwatch)),
                    None => effects.push(Effect::Done(to, "unwatched")),
                }
                effects
            }
            Command::Tend { channel, tending } => {
                let what = match tending {
                    Tending::Create { .. } => What::Create,
                    Tending::Members { .. } => What::Members(Vec::new(), false),
                    _ => What::Done,
                };
                ask(pending, channel, what, Action::Tend(tending))
            }
            Command::Channels { after, limit } => {
                let ticket = pending.open(to, None, What::Channels, now);
                vec![Effect::Channels { ticket, after, limit }]
            }
            Command::Contacts { add, remove } => {
                let ticket = pending.open(to, None, What::Contacts, now);
                vec![Effect::Contacts { ticket, add, remove }]
            }
            Command::Visible { on } => {
                let ticket = pending.open(to, None, What::Done, now);
                vec![Effect::Visible { ticket, on }]
            }
            Command::Refresh { token } => {
                let ticket = pending.open(to, None, What::Refresh, now);
                vec![Effect::Refresh { ticket, token }]
            }
            Command::Ping => vec![Effect::Pong(to)],
            Command::Logout => vec![Effect::Logout(to)],
        }
    }
}
