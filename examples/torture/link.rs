//! A session's frames, there and back, over either transport: what an agent holds, and what it knows of the network.

use parlor::checker::By;
use serde_json::Value;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;

/// How many frames may wait in a link, each way: a client that does not look leaves them in its socket.
const ROOM: usize = 64;

/// Which transport.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Over {
    /// `GET /v1/ws`
    WebSocket,
    /// `POST /v1/sessions` and what follows it.
    LongPoll,
}

impl Over {
    /// As the history has it.
    pub fn name(self) -> &'static str {
        if self == Self::WebSocket { "websocket" } else { "longpoll" }
    }
}

/// What is to be done.
#[derive(Debug)]
pub enum Job {
    /// Send a frame.
    Say(Value),
    /// Begin a second poll beside the first.
    Race,
    /// Say goodbye as the transport has it.
    Close,
}

/// What came.
#[derive(Debug)]
pub enum Heard {
    /// A frame of the stream.
    Frame(Value),
    /// The reply to a join over long-poll: its `joined` comes again, among the events.
    Aside(Value),
    /// The session is over.
    Over {
        /// The close code, if there is one.
        code: Option<u16>,
        /// Who ended it.
        by: By,
    },
    /// The replies to these commands were lost on their way, or the commands were.
    Lost(Vec<String>),
    /// Something that a server may not do.
    Wrong(String),
}

/// One session's link. Dropping it drops its connections.
pub struct Link {
    jobs: mpsc::Sender<Job>,
    heard: mpsc::Receiver<Heard>,
    jam: watch::Sender<bool>,
    /// They end with it.
    pub tasks: JoinSet<()>,
}

/// The other end.
pub struct Ends {
    /// What is to be done.
    pub jobs: mpsc::Receiver<Job>,
    /// Where what came goes.
    pub heard: mpsc::Sender<Heard>,
    /// Whether nothing is to be read.
    pub jam: watch::Receiver<bool>,
}

impl Link {
    /// A link whose other end somebody has to serve.
    pub fn pair() -> (Self, Ends) {
        let ((jobs, todo), (tell, heard), (jam, jammed)) =
            (mpsc::channel(ROOM), mpsc::channel(ROOM), watch::channel(false));
        (Self { jobs, heard, jam, tasks: JoinSet::new() }, Ends { jobs: todo, heard: tell, jam: jammed })
    }

    /// Whether a frame can be sent now.
    pub fn has_room(&self) -> bool {
        self.jobs.capacity() > 0
    }

    /// Has something done; nothing is, if there is no room.
    pub fn order(&self, job: Job) {
        let _ = self.jobs.try_send(job);
    }

    /// The next thing that came.
    pub async fn next(&mut self) -> Heard {
        self.heard.recv().await.unwrap_or(Heard::Over { code: None, by: By::Network })
    }

    /// Whether nothing is to be read from now on.
    pub fn jam(&self, jammed: bool) {
        self.jam.send_replace(jammed);
    }
}

/// Returns when reading is allowed.
pub async fn unjammed(jam: &mut watch::Receiver<bool>) {
    let _ = jam.wait_for(|jammed| !jammed).await;
}
