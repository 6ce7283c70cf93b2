//! What a channel is told, and what it tells the workers' hubs.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

use prometheus::IntGauge;
use serde::Serialize;
use utoipa::ToSchema;

use super::ack::Ack;
use super::orders::Order;
use super::step::Input;
use crate::model::{ChannelName, Conn, Epoch, HubId, Role, Seq, Standing, UserName, Wall};
use crate::protocol::{Frame, Posted, Problem, Publish, Start, Tending};
use crate::supervise::{Kind, Named, Panic, named};

/// A channel's actor.
pub static CHANNEL: Kind = Kind { name: "channel", messages: &[ChannelIn::NAMES], endings: Ending::NAMES };

/// Why a channel's actor ends. Its log stays, unless the channel was deleted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ending {
    /// With the server.
    #[expect(dead_code, reason = "how one ends that says nothing of why")]
    Stopped,
    /// Nobody has needed it for a while.
    Idle,
    /// There is no such channel.
    Absent,
    /// There is none any more.
    Deleted,
    /// It was over its restart budget, and nobody has needed it since.
    Failed,
}

named!(Ending: Stopped, Idle, Absent, Deleted, Failed);
named!(ChannelIn: Command, Acked, Attached, Gone, Lost, Shown, HubReset, Order, Own, Erased, Broken);
named!(ToHub: Batch, Report, Aside);

/// Whose command it is, and where its answer goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Origin {
    /// The worker.
    pub hub: HubId,
    /// The session's connection.
    pub conn: Conn,
    /// The session's number for the command.
    pub ticket: u64,
    /// The user.
    pub user: UserName,
    /// In which standing the user speaks.
    pub standing: Standing,
}

/// Room for bytes that are under way, shared by a whole server.
#[derive(Clone, Debug)]
pub struct Volume(Arc<Room>);

#[derive(Debug)]
struct Room {
    taken: AtomicUsize,
    most: usize,
    /// The same number as `taken`, for those who look on.
    shown: IntGauge,
}

impl Volume {
    /// Room for at most `most` bytes; what is taken is shown there.
    pub fn new(most: usize, shown: IntGauge) -> Self {
        Self(Arc::new(Room { taken: AtomicUsize::new(0), most, shown }))
    }

    /// Takes room for `bytes`, if there is any; given back when the permit is dropped.
    pub fn take(&self, bytes: usize) -> Option<Permit> {
        let fits = |now: usize| now.checked_add(bytes).filter(|&then| then <= self.0.most);
        self.0.taken.fetch_update(Relaxed, Relaxed, fits).ok()?;
        self.0.shown.add(bytes as i64);
        Some(Permit { volume: self.clone(), bytes })
    }
}

/// Room that was taken.
#[derive(Debug)]
pub struct Permit {
    volume: Volume,
    bytes: usize,
}

impl Drop for Permit {
    fn drop(&mut self) {
        self.volume.0.taken.fetch_sub(self.bytes, Relaxed);
        self.volume.0.shown.sub(self.bytes as i64);
    }
}

/// A publish on its way, with the room that it takes.
#[derive(Debug)]
pub struct Draft {
    /// What is to be said.
    pub publish: Publish,
    /// Its room.
    pub permit: Option<Permit>,
}

/// What a session asks of a channel.
#[derive(Debug)]
pub enum Action {
    /// Subscribe, and belong if `member`.
    Join {
        /// Where to begin.
        start: Start,
        /// Whether the user becomes a member.
        member: bool,
    },
    /// Stop hearing, or stop belonging.
    Leave {
        /// Only this session, and only hearing.
        only_session: bool,
    },
    /// Say something.
    Publish(Box<Draft>),
    /// The user is typing.
    Typing,
    /// The user has read up to here.
    Read(Seq),
    /// Who hears the channel.
    Who {
        /// Names after this one.
        after: Option<UserName>,
        /// At most this many.
        limit: usize,
    },
    /// May this user read the log, and where does it end?
    Look,
    /// Who is here, and tell me who comes.
    Watch,
    /// Tell me no more.
    Unwatch,
    /// Something about the channel as a place.
    Tend(Tending),
}

/// What is dropped once something is dealt with; nothing is sent by it.
pub type Told = tokio::sync::mpsc::Sender<()>;

/// What a channel is told.
#[derive(Debug)]
pub enum ChannelIn {
    /// By a session.
    Command(Origin, Action),
    /// By a hub: a batch is dealt with that the channel waited for.
    Acked,
    /// By a hub: what it knows of the channel, asked for by [`ToHub::Report`].
    Attached(HubId, u64, Vec<Subscriber>),
    /// By a hub: a session is gone.
    Gone(Conn),
    /// By a hub: a session stopped hearing.
    Lost(Conn),
    /// By a hub: this user, who may hear the channel, began to hide or ended it.
    Shown(UserName, Told),
    /// By an operator: the bodies of these messages are erased in the log.
    Erased(Arc<[Seq]>),
    /// By a hub that began anew: all its sessions are gone.
    HubReset(HubId),
    /// By no session: for operators, or for what keeps logs short.
    Order(Order),
    /// By the store, or a timer.
    Own(u64, Box<Input>),
    /// By itself: what it waited for in this life panicked, and will not come.
    Broken(u64, Panic),
}

/// A subscription as a hub reports it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Subscriber {
    /// The session's connection.
    pub conn: Conn,
    /// Whose.
    pub user: UserName,
    /// In which standing the user speaks there.
    pub standing: Standing,
    /// What it hears, if it does.
    pub hears: Option<Hears>,
    /// Whether it watches who comes.
    pub watching: bool,
}

/// What a session hears of a channel.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hears {
    /// The life of the log.
    pub epoch: Epoch,
    /// Whether its user was a member when it joined.
    pub member: bool,
}

/// What a hub is told.
#[derive(Clone, Debug)]
pub enum ToHub {
    /// The next part of a channel's stream.
    Batch(Batch),
    /// The channel began anew: tell it what you know.
    Report {
        /// Which channel.
        channel: ChannelName,
        /// Its new life.
        life: u64,
    },
    /// News that may overtake the stream.
    Aside(Arc<Aside>),
}

/// A part of a channel's stream.
#[derive(Clone, Debug)]
pub struct Batch {
    /// Which channel.
    pub channel: ChannelName,
    /// The newest message that was announced, once this batch is dealt with.
    pub head: Seq,
    /// How many users hear it, where that is more than `channels.announce_max`.
    pub crowd: Option<usize>,
    /// In order.
    pub items: Vec<Item>,
    /// What says that it is dealt with.
    pub ack: Ack,
}

/// One thing in a channel's stream.
#[derive(Clone, Debug)]
pub enum Item {
    /// New messages, for every subscriber.
    Messages(Arc<[Arc<Posted>]>),
    /// A subscription begins here.
    Joined(Origin, Joined),
    /// A subscription or membership ended as asked.
    Left(Origin),
    /// A message has its place.
    Published {
        /// Whose it is.
        origin: Origin,
        /// The life of the log.
        epoch: Epoch,
        /// Its place.
        seq: Seq,
        /// When it was taken.
        at: Wall,
        /// Whether it had been published before.
        duplicate: bool,
    },
    /// A command was not carried out.
    Refused(Origin, Problem),
    /// The answer to another command.
    Answer(Origin, Answer),
    /// A session stops hearing the channel; it is told so.
    Closed(Conn, Closed),
    /// An event for every subscriber but those of one user or one session.
    Event {
        /// The frame.
        frame: Frame,
        /// Not for this session.
        not: Option<Conn>,
        /// Not for this user.
        not_user: Option<UserName>,
    },
    /// A watcher has one more user to watch.
    Watch(Conn, UserName),
    /// A watcher watches the channel no more, for this reason.
    Unwatch(Conn, Closed),
}

/// How a subscription begins.
#[derive(Clone, Debug)]
pub struct Joined {
    /// The life of the log.
    pub epoch: Epoch,
    /// Whether the user is a member.
    pub member: bool,
    /// The newest message.
    pub head: Seq,
    /// The oldest kept.
    pub first: Seq,
    /// The first message that the session will hear.
    pub next: Seq,
    /// Whether something that the session may lack lies before `next`.
    pub gap: bool,
    /// Whether a session that already hears the channel goes on where it stands instead.
    pub stood: bool,
    /// The messages from `next` to `head`, where they are in memory.
    pub page: Vec<Arc<Posted>>,
}

/// Answers that are not receipts.
#[derive(Clone, Debug)]
pub enum Answer {
    /// Done.
    Ok,
    /// Who hears the channel.
    Who {
        /// Names, ascending.
        users: Vec<UserName>,
        /// How many in all.
        count: usize,
        /// Whether more follow.
        more: bool,
    },
    /// The user may read, and here is where the log stands.
    Look {
        /// The life of the log.
        epoch: Epoch,
        /// The oldest kept.
        first: Seq,
        /// The newest.
        head: Seq,
    },
    /// Who is here.
    Users(Vec<UserName>),
    /// The channel was made.
    Created {
        /// The life of the log.
        epoch: Epoch,
        /// Whether it is for its members alone.
        private: bool,
    },
    /// Who belongs to it.
    Members {
        /// Names, ascending, and what the channel has made of them.
        users: Vec<(UserName, Role)>,
        /// Whether more follow.
        more: bool,
    },
}

/// Why a session stops hearing a channel.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
#[schema(as = ClosedBy)]
pub enum Closed {
    /// Its user left.
    Left,
    /// Its user was put out.
    Kicked,
    /// Its user was shut out.
    Banned,
    /// The channel is no more.
    Deleted,
    /// Its log began a new life.
    Reset,
}

/// News for sessions that need not subscribe.
#[derive(Clone, Debug)]
pub enum Aside {
    /// Something about a user, such as how far it has read.
    User {
        /// Whose sessions hear it.
        user: UserName,
        /// Where.
        channel: ChannelName,
        /// The event.
        frame: Frame,
        /// All but these.
        not: Vec<Conn>,
        /// Whether the user belongs there no more: nothing follows.
        removed: bool,
    },
    /// A channel has something new for its members.
    Activity {
        /// Which channel.
        channel: ChannelName,
        /// The life of its log.
        epoch: Epoch,
        /// The newest message.
        head: Seq,
        /// Who said it.
        from: UserName,
        /// Each member with the read position.
        members: Vec<(UserName, Seq)>,
        /// Those of them who came to belong to it just now.
        added: Vec<UserName>,
    },
}
