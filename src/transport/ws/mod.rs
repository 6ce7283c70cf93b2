//! WebSocket (protocol, section 4; RFC 6455): the upgrade, and a thin pump between socket and session.

mod frames;
mod head;
mod inlet;
mod lean;
mod reader;
mod tally;
mod text;
mod upgrade;
mod wire;

use std::rc::Rc;

use actix_http::ws::Codec;
use actix_web::{HttpRequest, HttpResponse, web};
use actix_web_actors::ws::{WsResponseBuilder, handshake};

use super::edge::address;
use super::socket::Descriptor;
use crate::http::answer;
use crate::http::asker::bearer;
use crate::protocol::Problem;
use crate::session::{App, Purpose, Worker};
use inlet::Inlet;
use wire::{Line, Pump};

/// The subprotocol, accepted where it is offered.
const SUBPROTOCOL: &str = "parlor.v1";

/// `GET /v1/ws`
pub(super) async fn open(
    request: HttpRequest,
    body: web::Payload,
    app: web::Data<App>,
) -> Result<HttpResponse, actix_web::Error> {
    if let Err(error) = handshake(&request) {
        return Ok(answer::problem(&Problem::bad_frame(error.to_string())));
    }
    let worker = Worker::here(&app.into_inner());
    let limits = &worker.app.context.config.limits;
    let (frame_bytes, outstanding) = (limits.frame_bytes, limits.outstanding);
    let door = worker.open(address(&request), Purpose::Stream(bearer(request.headers())));
    let cell = Rc::clone(door.cell());
    let inlet = Inlet::new(body, Rc::clone(&cell), outstanding, frame_bytes);
    let descriptor = request.conn_data::<Descriptor>().copied();
    let (line, response) = WsResponseBuilder::new(Pump::new(door, frame_bytes, descriptor), &request, inlet)
        .protocols(&[SUBPROTOCOL])
        .codec(Codec::new().max_size(frame_bytes))
        .start_with_addr()?;
    cell.borrow_mut().connect(Rc::new(Line::new(line, descriptor)));
    Ok(response)
}
