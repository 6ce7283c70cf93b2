//! For operators.

#![allow(dead_code, reason = "these types are the shape of what is read and written elsewhere, member by member")]

use utoipa::ToSchema;

use super::Request;
use crate::admin::ActorKind;
use crate::model::Sid;
use crate::session::Row;

#[derive(ToSchema)]
struct ActorList {
    /// One row for each kind of actor.
    actors: Vec<ActorKind>,
}

#[derive(ToSchema)]
struct Wanted {
    /// Of this user.
    user: Option<String>,
    /// From this address.
    address: Option<String>,
    /// Over this one.
    transport: Option<Over>,
    /// In this channel.
    channel: Option<String>,
    /// By public name, or those first for which most bytes wait.
    sort: Option<SessionOrder>,
    /// Public names after this one.
    after: Option<Sid>,
    /// At most so many; more than `limits.page_max` are never given.
    #[schema(minimum = 1, default = 50)]
    limit: Option<u64>,
}

#[derive(ToSchema)]
#[schema(rename_all = "lowercase")]
enum Over {
    WebSocket,
    Longpoll,
}

#[derive(ToSchema)]
#[schema(rename_all = "lowercase", default = "sid")]
enum SessionOrder {
    Sid,
    Queued,
}

#[derive(ToSchema)]
struct SessionList {
    /// In the order of their public names.
    sessions: Vec<Row>,
    /// How many there are in all.
    count: usize,
    more: bool,
}

pub(super) fn requests() -> Vec<Request> {
    vec![
        Request::get("/v1/admin/actors", "listActors", "Show how each kind of actor is")
            .for_operators()
            .gives::<ActorList>(200, "They are like this.")
            .works(),
        Request::get("/v1/admin/sessions", "listSessions", "List sessions")
            .for_operators()
            .query::<Wanted>()
            .gives::<SessionList>(200, "A page of them.")
            .works(),
        Request::delete("/v1/admin/sessions/{sid}", "kickSession", "End a session")
            .for_operators()
            .gives_nothing(204, "It has ended.")
            .refuses(&[404])
            .works(),
    ]
}
