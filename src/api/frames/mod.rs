//! The frames, each with its schema: what both documents describe.

mod commands;
mod events;
mod replies;

use serde_json::Value;
use utoipa::ToSchema;
use utoipa::openapi::schema::SchemaType;
use utoipa::openapi::{Discriminator, Object, ObjectBuilder, OneOfBuilder, RefOr, Schema, Type};

use super::book::{Book, members, named};
use crate::protocol::ID_MAX;

pub(super) use commands::{Command, commands};
pub(super) use events::events;
pub(super) use replies::replies;

/// The name of the schema of the `error` frame.
pub(super) const ERROR: &str = "Error";

/// What a frame is to who sends it.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Side {
    Command,
    Reply,
    Event,
}

/// One type of frame.
pub(super) struct Frame {
    /// Its `type`.
    pub kind: &'static str,
    /// What it is for.
    pub about: &'static str,
    /// One of them.
    pub example: Value,
    /// What it is to who sends it.
    pub side: Side,
    object: Object,
    under: Book,
}

impl Frame {
    /// A frame with the members of this type. `example` names some of them.
    fn of<T: ToSchema>(side: Side, kind: &'static str, about: &'static str, mut example: Value) -> Self {
        let mut under = Book::default();
        under.under::<T>();
        example["type"] = kind.into();
        let mut object = members::<T>();
        let is = ObjectBuilder::new().schema_type(Type::String).enum_values(Some([kind]));
        object.properties.insert("type".into(), is.into());
        object.required.insert(0, "type".into());
        if side != Side::Event {
            object.properties.insert("id".into(), id(side));
        }
        object.title = Some(kind.to_owned());
        object.description = Some(about.to_owned());
        object.examples = vec![example.clone()];
        Self { kind, about, example, side, object, under }
    }

    /// The name of its schema.
    pub fn name(&self) -> String {
        if self.kind == "error" {
            return ERROR.to_owned();
        }
        let mut name: String = self.kind[..1].to_uppercase();
        name.push_str(&self.kind[1..]);
        name + match self.side {
            Side::Command => "Command",
            Side::Reply => "Reply",
            Side::Event => "Event",
        }
    }

    /// Adds its schema, and those that it stands on.
    pub fn enter(self, book: &mut Book) {
        let name = self.name();
        book.extend(self.under);
        book.put(&name, Schema::Object(self.object));
    }
}

fn id(side: Side) -> RefOr<Schema> {
    let about = if side == Side::Command {
        "The client's name for it, which its reply carries: 1 to 64 bytes. Over WebSocket a command without it gets no reply."
    } else {
        "That of the command that it answers, if it had one."
    };
    // A command's may be null, which is as none.
    let kind = match side {
        Side::Command => SchemaType::from_iter([Type::String, Type::Null]),
        _ => SchemaType::new(Type::String),
    };
    let text = ObjectBuilder::new().schema_type(kind).description(Some(about));
    text.min_length(Some(1)).max_length(Some(ID_MAX)).into()
}

/// Any of these frames, told apart by their `type`.
pub(super) fn any(frames: &[&Frame], about: &str) -> Schema {
    let mut mapping = Vec::new();
    let mut all = OneOfBuilder::new().schema_type(Type::Object).description(Some(about));
    for frame in frames {
        let one = named(&frame.name());
        mapping.push((frame.kind, one.ref_location.clone()));
        all = all.item(one);
    }
    Schema::OneOf(all.discriminator(Some(Discriminator::with_mapping("type", mapping))).build())
}

/// All frames, and three schemas that stand for any of a sort: `Command`, `Reply`, and `Event`.
pub(super) fn enter_all(book: &mut Book) {
    let (commands, replies, events) = (commands(), replies(), events());
    let asked: Vec<&Frame> = commands.iter().map(|command| &command.frame).collect();
    book.put("Command", any(&asked, "What a client says."));
    book.put("Reply", any(&replies.iter().collect::<Vec<_>>(), "What answers a command."));
    let told = events.iter().chain(replies.iter().filter(|reply| reply.kind == "joined")).collect::<Vec<_>>();
    book.put("Event", any(&told, "What a session is told. `joined` says where a subscription begins."));
    let all = commands.into_iter().map(|command| command.frame).chain(replies).chain(events);
    all.for_each(|frame| frame.enter(book));
}
