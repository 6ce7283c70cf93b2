//! Long-poll sessions.

#![allow(dead_code, reason = "these types are the shape of what is read and written elsewhere, member by member")]

use serde_json::{Value, json};
use utoipa::openapi::{Array, ArrayBuilder, Object, OneOfBuilder, Schema};
use utoipa::{PartialSchema, ToSchema};

use super::Request;
use crate::api::book::{members, named};
use crate::protocol::Problem;

#[derive(ToSchema)]
struct Poll {
    /// The number of the last event that has come, and been dealt with; 0 at first.
    after: u64,
    /// For how many seconds to be parked if there is nothing new; never longer than `heartbeat_ms`.
    #[schema(minimum = 0, default = 25)]
    wait: Option<f64>,
}

fn frames() -> Array {
    ArrayBuilder::new().items(named("Event")).build()
}

/// What a session was told.
#[derive(ToSchema)]
struct Events {
    /// Those after `after`, in order.
    #[schema(schema_with = frames)]
    events: Vec<Value>,
    /// The number of the last of them: the next poll's `after`.
    next: u64,
}

/// An `after` that cannot be.
fn conflict() -> Object {
    let mut error = members::<Problem>();
    error.properties.insert("type".into(), String::schema());
    error.properties.insert("next".into(), u64::schema());
    error.required.extend(["type".to_owned(), "next".to_owned()]);
    error.description = Some("The client cannot have what it says; it has acknowledged `next`.".into());
    error
}

pub(super) fn requests() -> Vec<Request> {
    let hello = json!({ "type": "hello", "version": 1, "guest": "ann" });
    let ping = json!([{ "type": "ping" }]);
    let slots = ArrayBuilder::new().items(named("Reply")).description(Some("Each command's reply, in order."));
    let mut events = Request::get("/v1/sessions/{session}/events", "poll", "Fetch events, and acknowledge others");
    events.book.put("PollConflict", Schema::Object(conflict()));
    events.book.under::<Problem>();
    let mut commands = Request::post("/v1/sessions/{session}/commands", "command", "Have commands carried out");
    let several = ArrayBuilder::new().items(named("Command")).max_items(Some(1000));
    let body = OneOfBuilder::new().item(named("Command")).item(several).description(Some("One command, or several."));
    let body = commands.book.put("Commands", body);
    vec![
        Request::post("/v1/sessions", "openSession", "Begin a session")
            .about("A token may stand in the frame, or in `Authorization`.")
            .maybe_token()
            .carries(named("HelloCommand"), true, hello)
            .gives_named(201, "You are in.", "WelcomeReply")
            .refuses(&[401])
            .works(),
        commands
            .for_session()
            .carries(body, true, ping)
            .gives_one(200, "Each command's reply, in order, whether it was carried out or not.", slots)
            .works(),
        events
            .about("Events are kept until they are acknowledged, by `after`. A later poll of a session ends an earlier one.")
            .for_session()
            .query::<Poll>()
            .gives::<Events>(200, "What is new, if anything.")
            .gives_named(409, "An `after` that cannot be: `conflict`.", "PollConflict")
            .works(),
        Request::delete("/v1/sessions/{session}", "closeSession", "End a session")
            .for_session()
            .gives_nothing(204, "It has ended; the token lives on.")
            .works(),
    ]
}
