//! What operators see of sessions, and do to them.

use serde::Serialize;
use tokio::sync::oneshot;
use utoipa::ToSchema;

use super::{App, HubIn, Worker};
use crate::clock;
use crate::model::{ChannelName, Sid, UserName, Wall};
use crate::presence::Reason;
use crate::protocol::{CloseCode, ErrorCode, Problem};

/// A session as operators see it. None of it lets anybody in.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[schema(as = SessionRow)]
pub struct Row {
    /// Its public name.
    pub sid: Sid,
    /// Whose it is.
    pub user: UserName,
    /// Where its client is.
    pub address: String,
    /// `websocket` or `longpoll`.
    pub transport: &'static str,
    /// What its client calls itself.
    #[schema(required, value_type = Option<String>)]
    pub client: Option<Box<str>>,
    /// When it began.
    pub since: Wall,
    /// How long ago it was heard from, in milliseconds.
    pub silent_ms: u64,
    /// How many channels it hears.
    pub channels: usize,
    /// How much waits for its client, in bytes.
    pub queued_bytes: usize,
}

/// The sessions of one worker that have said hello; those that hear `channel`, if it is named, or have asked to.
pub(super) fn rows(worker: &Worker, channel: Option<&ChannelName>) -> Vec<Row> {
    let now = clock::moment();
    let lives = worker.cells().into_iter().filter(|cell| cell.borrow().over().is_none());
    let row = |cell: super::Shared| {
        let cell = cell.borrow();
        if channel.is_some_and(|channel| !cell.channels.contains(channel)) {
            return None;
        }
        Some(Row {
            sid: cell.sid.clone(),
            user: cell.user.clone()?,
            address: cell.address.clone(),
            transport: if cell.outbox.is_numbered() { "longpoll" } else { "websocket" },
            client: cell.client.clone(),
            since: cell.since,
            silent_ms: now.since(cell.heard).as_millis() as u64,
            channels: cell.channels.len(),
            queued_bytes: cell.outbox.bytes(),
        })
    };
    lives.filter_map(row).collect()
}

/// Ends a session, if it is one of this worker's.
pub(super) fn kick(worker: &Worker, sid: &Sid) -> bool {
    let cells = worker.cells();
    let found = cells.iter().find(|cell| cell.borrow().sid == *sid && cell.borrow().over().is_none());
    if let Some(cell) = found {
        let why = Problem::new(ErrorCode::Forbidden, "an operator has ended this session");
        cell.borrow_mut().end(CloseCode::Kicked, Some(why), Reason::Kicked, clock::moment());
    }
    found.is_some()
}

impl App {
    /// All sessions of all workers, or those of one channel, by their public names.
    pub async fn survey(&self, channel: Option<ChannelName>) -> Vec<Row> {
        let asked = self.ask_workers(|tell| HubIn::Survey(channel.clone(), tell)).await;
        let mut rows: Vec<Row> = asked.into_iter().flatten().collect();
        rows.sort_by(|one, other| one.sid.0.cmp(&other.sid.0));
        rows
    }

    /// Ends a session. Returns whether there was one of this name.
    pub async fn kick(&self, sid: &Sid) -> bool {
        self.ask_workers(|tell| HubIn::Kick(sid.clone(), tell)).await.contains(&true)
    }

    /// What every worker answers that does answer.
    async fn ask_workers<T>(&self, ask: impl Fn(oneshot::Sender<T>) -> HubIn) -> Vec<T> {
        let asked = parking_lot::Mutex::new(Vec::new());
        self.tell_workers(|| {
            let (tell, told) = oneshot::channel();
            asked.lock().push(told);
            ask(tell)
        });
        let mut answers = Vec::new();
        for told in asked.into_inner() {
            answers.extend(told.await);
        }
        answers
    }
}
