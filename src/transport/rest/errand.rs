//! One command, brought by a plain request: a session of one command, that nobody hears of.

use std::rc::Rc;

use actix_web::HttpRequest;
use serde::Serialize;
use tokio::sync::Notify;

use super::super::edge::address;
use crate::model::Caller;
use crate::protocol::{CloseCode, ErrorCode, Frame, Problem, reply};
use crate::session::{App, Over, Purpose, Wire, Worker};

/// Tells whoever waits for the answer.
#[derive(Default)]
struct Bell(Notify);

impl Wire for Bell {
    fn wake(self: Rc<Self>) {
        self.0.notify_one();
    }

    /// There is no connection to cut: the answer ends the request.
    fn cut(&self) {}
}

/// Has a command of this type carried out for `caller`, and returns its reply.
pub(super) async fn run(
    request: &HttpRequest,
    app: &std::sync::Arc<App>,
    caller: Caller,
    kind: &str,
    members: impl Serialize,
) -> Result<Frame, Problem> {
    let door = Worker::here(app).open(address(request), Purpose::Errand(caller));
    let bell = Rc::new(Bell::default());
    door.connect(Rc::clone(&bell) as Rc<dyn Wire>);
    door.frame(reply(kind, None, members), Some(0));
    loop {
        door.looked();
        {
            let mut cell = door.cell().borrow_mut();
            if let Some(settled) = cell.settled.pop_front() {
                return match settled.problem {
                    None => Ok(settled.frame),
                    Some(why) => Err(*why),
                };
            }
            if let Some(over) = cell.over() {
                return Err(ended(over));
            }
        }
        bell.0.notified().await;
    }
}

/// Why a session ended before it answered.
fn ended(over: &Over) -> Problem {
    match (&over.problem, over.code) {
        (Some(why), CloseCode::Later) => Problem { close: None, ..why.clone() },
        (_, CloseCode::Draining) => Problem::new(ErrorCode::Unavailable, "the server is stopping").retry_after(1000),
        _ => Problem::unavailable("the request ended before it was answered"),
    }
}
