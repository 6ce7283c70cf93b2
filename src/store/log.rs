//! The seam for messages: one ordered, durable log per channel.

use super::{AppendError, ReadError};
use crate::model::{ChannelName, Epoch, Hour, Key, Message, Seq, UserName, Wall};

/// A link of the chain over a channel's record headers.
pub type Hash = [u8; 16];

/// Where a channel's log ends. An append names the head that it follows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Head {
    /// The life of the log.
    pub epoch: Epoch,
    /// The newest message's place, 0 if none was ever written.
    pub seq: Seq,
    /// The oldest place that is kept; `seq + 1` if none is.
    pub first: Seq,
    /// When the newest message was taken.
    pub at: Wall,
    /// The chain up to the newest message.
    pub hash: Hash,
    /// The engine's own mark: an append with another one is refused.
    pub token: u64,
}

/// What was counted of messages that someone has not read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Unread {
    /// How many there are.
    pub count: u64,
    /// How many messages were looked at to find out.
    pub looked_at: u64,
}

/// What a trim came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Trimmed {
    /// Where the log stands now.
    pub head: Head,
    /// How many messages are gone.
    pub messages: u64,
    /// How many bytes of bodies they had.
    pub bytes: u64,
}

/// Called once with the outcome, from the writer's thread, or from the caller's own if the write is refused before it
/// is queued. It must not block.
pub type Done<T, E> = Box<dyn FnOnce(Result<T, E>) + Send>;

/// Logs of messages. Reads block on the disk and belong on the read pool; writes are queued and answer through [`Done`].
///
/// All writes of one channel take effect in the order in which they were called. `Ok` means durable (see
/// `store.durability`), and all of it or nothing.
pub trait ChannelLog: Send + Sync + 'static {
    /// The head of `channel`; `None` if there is no such channel.
    fn head(&self, channel: &ChannelName) -> Result<Option<Head>, ReadError>;

    /// Messages `from ..= to` that are kept, ascending; at most `max` of them, and no more after `max_bytes` of bodies
    /// (but at least one).
    fn range(
        &self,
        channel: &ChannelName,
        from: Seq,
        to: Seq,
        max: usize,
        max_bytes: usize,
    ) -> Result<Vec<Message>, ReadError>;

    /// The newest `n` messages, ascending.
    fn tail(&self, channel: &ChannelName, n: usize) -> Result<Vec<Message>, ReadError>;

    /// The first kept message of `hour`; `None` if that hour has none.
    fn first_of_hour(&self, channel: &ChannelName, hour: Hour) -> Result<Option<Seq>, ReadError>;

    /// The hours of which messages are kept, ascending, each with the first of them; at most `max`.
    fn hours(&self, channel: &ChannelName, max: usize) -> Result<Vec<(Hour, Seq)>, ReadError>;

    /// Where `user` used `key` among the messages `from ..= to`.
    fn find(
        &self,
        channel: &ChannelName,
        user: &UserName,
        key: &Key,
        from: Seq,
        to: Seq,
    ) -> Result<Option<Seq>, ReadError>;

    /// How many messages without a kind above `above` are not by `user`; counts no further than `cap`,
    /// and looks at no more than twenty times as many messages.
    fn unread(&self, channel: &ChannelName, user: &UserName, above: Seq, cap: u64) -> Result<Unread, ReadError>;

    /// Channels whose names follow `after`, ascending, at most `max`.
    fn channels(&self, after: Option<&ChannelName>, max: usize) -> Result<Vec<(ChannelName, Head)>, ReadError>;

    /// The names of all channels that follow `after`, ascending, at most `max`; direct ones, too.
    fn all_names(&self, after: Option<&str>, max: usize) -> Result<Vec<ChannelName>, ReadError>;

    /// Names of channels that begin with `prefix` and follow `after`, ascending, at most `max`; of those that are `private`,
    /// or of those that are not. A direct channel is neither.
    fn names(
        &self,
        private: bool,
        prefix: &str,
        after: Option<&str>,
        max: usize,
    ) -> Result<Vec<ChannelName>, ReadError>;

    /// Changes when messages may have been lost that someone was told of: every channel has another epoch then. Blocks on
    /// nothing.
    fn generation(&self) -> u64;

    /// Makes `channel` if it is not there yet, and gives its head either way.
    fn create(&self, channel: &ChannelName, done: Done<Head, AppendError>);

    /// Appends `batch`, whose places continue `after.seq` without a gap, if the log still ends at `after`.
    fn append(&self, channel: &ChannelName, after: &Head, batch: Vec<Message>, done: Done<Head, AppendError>);

    /// Forgets all messages below `below`; the chain keeps its anchor.
    fn trim(&self, channel: &ChannelName, below: Seq, done: Done<Trimmed, AppendError>);

    /// Erases the body of one message; its header stays, so that the chain still verifies.
    fn redact(&self, channel: &ChannelName, seq: Seq, done: Done<Head, AppendError>);

    /// Deletes the log. A later channel of that name has another epoch.
    fn delete(&self, channel: &ChannelName, done: Done<(), AppendError>);
}
