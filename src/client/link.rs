//! The one interface of all transports: orders go in, what is heard comes out. Each connection is a task of its own.

use std::sync::Arc;

use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use super::asks::ConnId;
use super::line::Down;
use super::options::Transport;
use super::place::Place;
use super::{longpoll, websocket};

/// How many frames wait to be sent. The machine bounds what it says; if it comes to this, the connection is stuck.
const ORDERS: usize = 4096;

/// What a connection is to do.
#[derive(Debug)]
pub(super) enum Order {
    Say(String),
    /// Say goodbye as the transport has it, and end.
    Bye,
}

/// What is heard over a connection.
#[derive(Debug)]
pub(super) enum Heard {
    /// It is open: a hello may be said.
    Opened,
    /// The server is there.
    Alive,
    Frame(String),
    /// It has ended; nothing follows.
    Down(Down),
}

/// Where a connection says what it hears. It waits while the application takes nothing.
pub(super) struct Ear {
    conn: ConnId,
    to: mpsc::Sender<(ConnId, Heard)>,
}

impl Ear {
    /// Says it. If nobody wants to know, the task is about to be ended.
    pub async fn tell(&self, heard: Heard) {
        if self.to.send((self.conn, heard)).await.is_err() {
            std::future::pending::<()>().await;
        }
    }
}

/// A connection. Dropping it ends it without a word.
pub(super) struct Link {
    orders: mpsc::Sender<Order>,
    task: Option<JoinHandle<()>>,
}

impl Link {
    /// Begins to open one.
    pub fn open(conn: ConnId, over: Transport, place: Arc<Place>, to: mpsc::Sender<(ConnId, Heard)>) -> Self {
        let (orders, inbox) = mpsc::channel(ORDERS);
        let ear = Ear { conn, to };
        let task = tokio::spawn(async move {
            let down = match over {
                Transport::WebSocket => websocket::run(&place, inbox, &ear).await,
                Transport::LongPoll => longpoll::run(&place, inbox, &ear).await,
            };
            if let Some(down) = down {
                ear.tell(Heard::Down(down)).await;
            }
        });
        Self { orders, task: Some(task) }
    }

    /// Sends a frame. Says whether there is room for it.
    pub fn say(&self, frame: String) -> bool {
        !matches!(self.orders.try_send(Order::Say(frame)), Err(mpsc::error::TrySendError::Full(_)))
    }

    /// Says goodbye; what is returned ends when that is done.
    pub fn bye(mut self) -> Option<JoinHandle<()>> {
        let told = self.orders.try_send(Order::Bye).is_ok();
        self.task.take_if(|_| told)
    }
}

impl Drop for Link {
    fn drop(&mut self) {
        if let Some(task) = &self.task {
            task.abort();
        }
    }
}
