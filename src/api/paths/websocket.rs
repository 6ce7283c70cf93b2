//! The WebSocket.

use super::Request;

pub(super) fn requests() -> Vec<Request> {
    vec![
        Request::get("/v1/ws", "connect", "Open a WebSocket")
            .about(
                "A WebSocket's handshake (RFC 6455). The subprotocol `parlor.v1` is accepted if it is offered. A token that is not \
                 good, and too many connections, are told after it, by close code.",
            )
            .maybe_token()
            .gives_nothing(101, "Frames from here on.")
            .refuses(&[400]),
    ]
}
