//! Every request that the server answers, by the noun that it is about. A new one is a line or a few in one of these files;
//! `tests/it/described.rs` finds what is answered and not described, and the reverse.

mod accounts;
mod channels;
mod documents;
mod health;
mod longpoll;
mod messages;
mod operators;
mod places;
mod presence;
mod steering;
mod websocket;

use super::request::Request;

/// A group of requests: its name, what it is for, and the requests.
pub(super) type Group = (&'static str, &'static str, Vec<Request>);

/// All of them.
pub(super) fn all() -> Vec<Group> {
    vec![
        ("accounts", "Accounts: made, logged in to and out of, given another password.", accounts::requests()),
        ("channels", "Channels: which there are, and who belongs to them.", channels::requests()),
        ("messages", "What is said in a channel.", messages::requests()),
        ("places", "Channels as places with owners, who keep order there.", places::requests()),
        ("presence", "Who is there.", presence::requests()),
        ("websocket", "The stream of frames; `/v1/asyncapi.json` describes these.", websocket::requests()),
        ("longpoll", "The same frames by requests.", longpoll::requests()),
        ("operators", "For operators alone.", operators::requests()),
        ("steering", "What operators steer.", steering::requests()),
        ("health", "For operators and their machines; not under `/v1`.", health::requests()),
        ("documents", "What describes all this.", documents::requests()),
    ]
}
