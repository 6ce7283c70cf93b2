//! Who is there.

#![allow(dead_code, reason = "these types are the shape of what is read and written elsewhere, member by member")]

use utoipa::ToSchema;

use super::Request;
use crate::model::UserName;
use crate::protocol::said;

#[derive(ToSchema)]
struct After {
    /// Names after this one.
    after: Option<UserName>,
    /// At most so many; more than `limits.page_max` are never given.
    #[schema(minimum = 1, default = 50)]
    limit: Option<u64>,
}

#[derive(ToSchema)]
struct Online {
    /// How many users are there.
    users: usize,
    /// How many sessions they have.
    sessions: usize,
    /// Some of them, in the order of their names.
    list: Vec<UserName>,
    more: bool,
}

pub(super) fn requests() -> Vec<Request> {
    vec![
        Request::get("/v1/presence", "askPresence", "Ask how users are")
            .for_readers()
            .query::<said::Presence>()
            .gives_named(200, "How they are, in the order in which they were asked for.", "PresenceReply")
            .refuses(&[413])
            .works(),
        Request::get("/v1/online", "listOnline", "List who is there")
            .for_readers()
            .query::<After>()
            .gives::<Online>(200, "How many, and a page of them.")
            .works(),
    ]
}
