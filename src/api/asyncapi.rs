//! The AsyncAPI document: the frames, over WebSocket and over long-poll.

use serde_json::{Map, Value, json};

use super::book::Book;
use super::frames::{self, Command, ERROR, Frame, Side, commands, events, replies};
use super::openapi::{LICENSE, TITLE};
use crate::protocol::CloseCode;

const ABOUT: &str = "The frames of a chat server, one JSON object each, as the server sees them: it receives commands and sends \
    replies and events. A command that has an `id` has a reply with the same `id`; over WebSocket one without has none. A reply is \
    of the type that its operation names, or an `error`. Pass over members, events and values of enumerations that you do not know.";

/// Puts it together.
pub(super) fn document() -> Value {
    let (commands, replies, events) = (commands(), replies(), events());
    let frames: Vec<&Frame> = commands.iter().map(|command| &command.frame).chain(&replies).chain(&events).collect();
    let names: Vec<String> = frames.iter().map(|frame| frame.name()).collect();
    let mut messages: Map<String, Value> = frames.iter().map(|frame| (frame.name(), message(frame))).collect();
    messages.extend([
        whole(
            "Commands",
            "One command, or several.",
            &json!({ "oneOf": [schema("Command"), array(&schema("Command"))] }),
        ),
        whole("Replies", "Each command's reply, in order.", &array(&schema("Reply"))),
        whole("Events", "Events, and the number of the last of them.", &page()),
    ]);
    let mut websocket = channel("/v1/ws", "Text messages in both directions, one frame each.", &names);
    websocket["bindings"] = json!({ "ws": { "method": "GET" } });
    websocket["x-close-codes"] = closes();
    let sessions =
        channel("/v1/sessions", "Where a session over long-poll begins.", &["HelloCommand", "WelcomeReply", ERROR]);
    let mut asked = channel(
        "/v1/sessions/{session}/commands",
        "Where a session over long-poll says commands, any but `hello`, and is told their replies.",
        &["Commands", "Replies", ERROR],
    );
    let mut told =
        channel("/v1/sessions/{session}/events", "Where a session over long-poll fetches events.", &["Events", ERROR]);
    for one in [&mut asked, &mut told] {
        one["parameters"] =
            json!({ "session": { "description": "The session's secret, or `self`, with the secret as a token." } });
    }
    json!({
        "asyncapi": "3.0.0",
        "info": {
            "title": TITLE, "version": env!("CARGO_PKG_VERSION"), "description": ABOUT,
            "license": { "name": LICENSE, "url": "https://spdx.org/licenses/MIT" },
        },
        "defaultContentType": "application/json",
        "channels": { "websocket": websocket, "sessions": sessions, "commands": asked, "events": told },
        "operations": operations(&commands, &events),
        "components": {
            "schemas": schemas(),
            "messages": messages,
            "correlationIds": {
                "id": { "description": "A reply has the `id` of its command.", "location": "$message.payload#/id" },
            },
        },
    })
}

fn schema(name: &str) -> Value {
    json!({ "$ref": format!("#/components/schemas/{name}") })
}

fn array(of: &Value) -> Value {
    json!({ "type": "array", "items": of })
}

/// What a poll is answered.
fn page() -> Value {
    let number = json!({ "type": "integer", "minimum": 0 });
    json!({
        "type": "object", "required": ["events", "next"],
        "properties": { "events": array(&schema("Event")), "next": number },
    })
}

/// A frame that stands alone.
fn message(frame: &Frame) -> Value {
    let mut message = json!({
        "name": frame.kind, "title": frame.kind, "summary": frame.about,
        "payload": schema(&frame.name()),
        "examples": [{ "payload": frame.example }],
    });
    if frame.side != Side::Event {
        message["correlationId"] = json!({ "$ref": "#/components/correlationIds/id" });
    }
    message
}

/// A request's body, or an answer's.
fn whole(name: &str, about: &str, payload: &Value) -> (String, Value) {
    (name.to_owned(), json!({ "name": name, "title": name, "summary": about, "payload": payload }))
}

fn channel(address: &str, about: &str, messages: &[impl AsRef<str>]) -> Value {
    let of = |name: &str| (name.to_owned(), json!({ "$ref": format!("#/components/messages/{name}") }));
    let messages: Map<String, Value> = messages.iter().map(|name| of(name.as_ref())).collect();
    json!({ "address": address, "description": about, "messages": messages })
}

/// What is said over WebSocket, command by command and event by event; and the requests of long-poll.
fn operations(commands: &[Command], events: &[Frame]) -> Value {
    let mut all = Map::new();
    for Command { frame, reply } in commands {
        let mut reply = reply[..1].to_uppercase() + &reply[1..];
        reply.push_str("Reply");
        let mut one = operation("receive", "websocket", frame.about, &frame.name());
        one["reply"] = reply_of("websocket", &[&reply, ERROR]);
        all.insert(frame.kind.to_owned(), one);
    }
    for event in events {
        all.insert(format!("on.{}", event.kind), operation("send", "websocket", event.about, &event.name()));
    }
    let about = "Something that came without an `id` was not done; or, with `close`, the session ends.";
    all.insert("on.error".into(), operation("send", "websocket", about, ERROR));
    let by = |method: &str, mut one: Value| {
        one["bindings"] = json!({ "http": { "method": method } });
        one
    };
    let mut open = operation("receive", "sessions", "Begins a session over long-poll.", "HelloCommand");
    open["reply"] = reply_of("sessions", &["WelcomeReply", ERROR]);
    let mut say = operation("receive", "commands", "Says commands over long-poll.", "Commands");
    say["reply"] = reply_of("commands", &["Replies", ERROR]);
    let about = "Tells events over long-poll, when it is asked for them.";
    all.insert("longpoll.open".into(), by("POST", open));
    all.insert("longpoll.commands".into(), by("POST", say));
    all.insert("longpoll.events".into(), by("GET", operation("send", "events", about, "Events")));
    Value::Object(all)
}

fn operation(action: &str, channel: &str, about: &str, message: &str) -> Value {
    json!({
        "action": action, "channel": { "$ref": format!("#/channels/{channel}") }, "summary": about,
        "messages": [{ "$ref": format!("#/channels/{channel}/messages/{message}") }],
    })
}

fn reply_of(channel: &str, messages: &[&str]) -> Value {
    let of = |name: &&str| json!({ "$ref": format!("#/channels/{channel}/messages/{name}") });
    let messages: Vec<Value> = messages.iter().map(of).collect();
    json!({ "channel": { "$ref": format!("#/channels/{channel}") }, "messages": messages })
}

/// How a session ends, by close code.
fn closes() -> Value {
    let one =
        |(code, about): (CloseCode, &str)| json!({ "code": code.number(), "means": about, "error": code.error() });
    Value::Array(CloseCode::ALL.map(one).into())
}

/// Those that OpenAPI has, too. A discriminator is a member's name alone here.
fn schemas() -> Value {
    let mut book = Book::default();
    frames::enter_all(&mut book);
    let mut all = json!(book.0);
    for schema in all.as_object_mut().into_iter().flat_map(Map::values_mut) {
        let named = schema.get("discriminator").and_then(|how| how.get("propertyName")).cloned();
        if let Some(named) = named {
            schema["discriminator"] = named;
        }
    }
    all
}
