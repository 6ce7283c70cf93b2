//! The WebSocket's pump: an actix-web-actors actor that moves frames and decides nothing.
//!
//! It is polled only while its socket takes what it writes, so an actor whose peer stops reading stands still. That is
//! why the session is another actor, its queue another queue, and the end is brought from outside ([`Line::cut`]).

use std::io;
use std::rc::Rc;
use std::time::Duration;

use actix::{Actor, ActorContext, ActorFutureExt, Addr, AsyncContext, Handler, Message, StreamHandler, WrapFuture};
use actix_web_actors::ws::{CloseCode as WsCode, CloseReason, Message as Frame, ProtocolError, WebsocketContext};
use bytestring::ByteString;

use super::super::socket::Descriptor;
use super::super::wire::Ending;
use super::tally::Tally;
use super::text::Parts;
use crate::clock;
use crate::presence::Reason;
use crate::protocol::CloseCode;
use crate::session::{Door, Wire};
use crate::supervise::caught;

/// How much is written in one go, in bytes: what the HTTP dispatcher buffers before it waits for the socket.
const CHUNK: usize = 64 * 1024;
/// How long a peer has to answer a close.
const LINGER: Duration = Duration::from_secs(1);
/// How long writing takes to begin.
const WRITTEN: Duration = Duration::from_millis(5);

/// A session's end of the pump.
pub(super) struct Line {
    pump: Addr<Pump>,
    descriptor: Option<Descriptor>,
}

impl Line {
    pub fn new(pump: Addr<Pump>, descriptor: Option<Descriptor>) -> Self {
        Self { pump, descriptor }
    }
}

impl Wire for Line {
    fn wake(self: Rc<Self>) {
        self.pump.do_send(Wake);
    }

    fn cut(&self) {
        if let Some(descriptor) = self.descriptor {
            descriptor.cut();
        }
    }
}

/// Something waits in the outbox.
#[derive(Message)]
#[rtype(result = "()")]
pub(super) struct Wake;

/// The pump.
pub(super) struct Pump {
    door: Door,
    tally: Tally,
    parts: Parts,
    descriptor: Option<Descriptor>,
    /// The close was written.
    closed: bool,
}

impl Pump {
    /// A pump for frames of at most `frame_bytes`.
    pub fn new(door: Door, frame_bytes: usize, descriptor: Option<Descriptor>) -> Self {
        let tally = Tally::new(door.app());
        Self { door, tally, parts: Parts::new(frame_bytes), descriptor, closed: false }
    }

    fn text(&self, text: ByteString) {
        self.tally.heard(text.len());
        self.door.frame(text, None);
    }

    /// Writes what waits, up to a chunk; all of it becomes one write.
    fn flush(&mut self, ctx: &mut WebsocketContext<Self>) {
        self.door.app().context.faults.pass("wire.write");
        let now = clock::moment();
        let (ping, close, more) = {
            let mut cell = self.door.cell().borrow_mut();
            cell.check_pace(now);
            let outbox = &mut cell.outbox;
            let (count, bytes) = outbox.take(CHUNK, now, |frame| ctx.text(frame));
            self.tally.said(count, bytes);
            (outbox.take_ping(), outbox.take_close(), !outbox.is_empty())
        };
        if ping {
            ctx.ping(b"");
        }
        if let Some(code) = close {
            self.close(code, ctx);
        } else if more {
            // Not before the socket has taken this chunk.
            ctx.spawn(
                tokio::task::yield_now().into_actor(self).map(|(), pump, ctx| pump.guard("writing", ctx, Self::flush)),
            );
            return;
        }
        self.door.looked();
    }

    fn close(&mut self, code: CloseCode, ctx: &mut WebsocketContext<Self>) {
        if std::mem::replace(&mut self.closed, true) {
            return;
        }
        self.tally.ends(Ending::Closed);
        ctx.close(Some(CloseReason { code: WsCode::from(code.number()), description: None }));
        if code == CloseCode::TooBig {
            // The answer will not be looked for in what still comes.
            ctx.run_later(LINGER / 4, |pump, ctx| pump.finish(ctx));
        }
        ctx.run_later(LINGER, |_, ctx| ctx.stop());
    }

    /// Both sides have said close: the server is the one that ends the connection (RFC 6455, section 7.1.1), once what
    /// it wrote is with the kernel. The socket is not written to before this actor has been left, hence the timer.
    fn finish(&self, ctx: &mut WebsocketContext<Self>) {
        let descriptor = self.descriptor;
        ctx.run_later(WRITTEN, move |_, ctx| match descriptor {
            Some(descriptor) => descriptor.finish(),
            None => ctx.stop(),
        });
    }

    /// The peer broke the protocol: nothing more can be read, but the close is written and given time to arrive.
    fn broken(&mut self, code: CloseCode, ctx: &mut WebsocketContext<Self>) {
        self.door.end(code, Reason::Disconnected);
        self.flush(ctx);
        ctx.wait(tokio::time::sleep(LINGER / 4).into_actor(self).map(|(), pump, ctx| {
            if let Some(descriptor) = pump.descriptor {
                descriptor.finish();
            }
            ctx.stop();
        }));
    }
}

impl Actor for Pump {
    type Context = WebsocketContext<Self>;
}

impl Handler<Wake> for Pump {
    type Result = ();

    fn handle(&mut self, _: Wake, ctx: &mut Self::Context) {
        self.guard("writing", ctx, Self::flush);
    }
}

impl StreamHandler<Result<Frame, ProtocolError>> for Pump {
    fn handle(&mut self, frame: Result<Frame, ProtocolError>, ctx: &mut Self::Context) {
        self.guard("reading", ctx, |pump, ctx| pump.heard(frame, ctx));
    }

    fn finished(&mut self, ctx: &mut Self::Context) {
        ctx.stop();
    }
}

impl Pump {
    fn heard(&mut self, frame: Result<Frame, ProtocolError>, ctx: &mut WebsocketContext<Self>) {
        self.door.app().context.faults.pass("wire.read");
        match frame {
            Ok(Frame::Close(_)) => {
                // The answer to our close, or a goodbye, which is answered.
                self.close(CloseCode::Normal, ctx);
                self.door.end(CloseCode::Normal, Reason::Disconnected);
                self.finish(ctx);
            }
            Ok(_) if self.closed => {}
            Ok(Frame::Text(text)) => self.text(text),
            Ok(Frame::Continuation(part)) => match self.parts.take(part) {
                Ok(Some(text)) => self.text(text),
                Ok(None) => self.door.heard(),
                Err(code) => self.door.end(code, Reason::Disconnected),
            },
            Ok(Frame::Ping(payload)) => {
                self.door.heard();
                ctx.pong(&payload);
            }
            Ok(Frame::Pong(_) | Frame::Nop) => self.door.heard(),
            Ok(Frame::Binary(_)) => self.door.end(CloseCode::Unsupported, Reason::Disconnected),
            Err(ProtocolError::Overflow) => self.broken(CloseCode::TooBig, ctx),
            // The only such error that gets here says that a text is not UTF-8.
            Err(ProtocolError::Io(error)) if error.kind() == io::ErrorKind::Other => {
                self.broken(CloseCode::BadText, ctx);
            }
            Err(_) => self.broken(CloseCode::ProtocolError, ctx),
        }
    }

    /// Does something of the connection's; if that panics, it ends, and with it the session, whose client comes back.
    fn guard(
        &mut self,
        what: &str,
        ctx: &mut WebsocketContext<Self>,
        act: impl FnOnce(&mut Self, &mut WebsocketContext<Self>),
    ) {
        if let Err(panic) = caught(|| act(self, ctx)) {
            self.tally.broke(what, &self.door.cell().borrow().sid, &panic);
            ctx.stop();
        }
    }
}
