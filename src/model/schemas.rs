//! How the nouns look in JSON, for the documents that describe the protocol: names with their grammar, times, numbers.

use std::borrow::Cow;

use utoipa::openapi::{KnownFormat, ObjectBuilder, RefOr, Schema, SchemaFormat, Type};
use utoipa::{PartialSchema, ToSchema};

use super::{ChannelName, Epoch, Hour, MAX_SEQ, Sid, UserName, Wall};

/// A text of this grammar.
fn text(about: &str, pattern: &str, example: &str) -> ObjectBuilder {
    let text = ObjectBuilder::new().schema_type(Type::String).description(Some(about)).examples([example]);
    if pattern.is_empty() { text } else { text.pattern(Some(pattern)) }
}

/// Describes nouns by a text's grammar, or by what stands for it.
macro_rules! described {
    ($($noun:ident = $schema:expr;)+) => {
        $(impl PartialSchema for $noun {
            fn schema() -> RefOr<Schema> {
                $schema.into()
            }
        }

        impl ToSchema for $noun {
            fn name() -> Cow<'static, str> {
                Cow::Borrowed(stringify!($noun))
            }
        })+
    };
}

/// An account's name.
pub struct AccountName;
/// A name that a guest wishes for.
pub struct WishedName;
/// A channel, as a client may name it: the direct channel with Bob is `@bob` for short.
pub struct ChannelAsked;
/// A place in a channel, or 0 for the one before the first.
pub struct Place;

described! {
    UserName = text(
        "A user: an account, or a guest.",
        "^([a-z0-9][a-z0-9_.-]{0,63}|~[a-z0-9][a-z0-9_.-]{0,31}-[a-z0-9]{5})$",
        "~ann-k3x9q",
    );
    AccountName = text("An account.", "^[a-z0-9][a-z0-9_.-]{0,63}$", "ann");
    WishedName = text("A name that a guest wishes for.", "^[a-z0-9][a-z0-9_.-]{0,31}$", "ann");
    ChannelName = text(
        "A channel; that of two accounts is called by both their names, in order.",
        "^([a-z0-9][a-z0-9._-]{0,63}|@[a-z0-9][a-z0-9_.-]{0,63}:[a-z0-9][a-z0-9_.-]{0,63})$",
        "lobby",
    );
    ChannelAsked = text(
        "A channel. The one with another account is `@bob` for short, or `@ann:bob`, with the names in order.",
        "^([a-z0-9][a-z0-9._-]{0,63}|@[a-z0-9][a-z0-9_.-]{0,63}(:[a-z0-9][a-z0-9_.-]{0,63})?)$",
        "lobby",
    );
    Epoch = text("Names one life of a channel's log; to be compared, and nothing else.", "", "vp8fe70p6-84rzrbq0t");
    Sid = text("A session's public name.", "^[0-9a-f]{12}$", "44d13497f61a");
    Wall = text(
        "A time: RFC 3339, UTC, with milliseconds.",
        "^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}\\.[0-9]{3}Z$",
        "2026-11-22T18:55:08.468Z",
    )
    .format(Some(SchemaFormat::KnownFormat(KnownFormat::DateTime)));
    Hour = text(
        "An hour in UTC.",
        "^[0-9]{4}-(0[1-9]|1[0-2])-(0[1-9]|[12][0-9]|3[01])T([01][0-9]|2[0-3])$",
        "2026-11-22T10",
    );
    Place = ObjectBuilder::new()
        .schema_type(Type::Integer)
        .format(Some(SchemaFormat::KnownFormat(KnownFormat::Int64)))
        .description(Some("A message's place in its channel, counted from 1; 0 where there is none."))
        .minimum(Some(0))
        .maximum(Some(MAX_SEQ as f64))
        .examples([1]);
}
