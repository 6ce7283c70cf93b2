//! What is said in a channel.

use serde_json::json;
use utoipa::openapi::{ObjectBuilder, Type};

use super::Request;
use crate::protocol::said;

pub(super) fn requests() -> Vec<Request> {
    let key = ObjectBuilder::new().schema_type(Type::String).min_length(Some(1)).max_length(Some(64));
    vec![
        Request::get("/v1/channels/{channel}/messages", "readMessages", "Read a page of the log")
            .for_readers()
            .query::<said::History>()
            .gives_named(200, "A page of it.", "HistoryReply")
            .refuses(&[404])
            .works(),
        Request::post("/v1/channels/{channel}/messages", "publish", "Say something")
            .about("It is no membership, and makes no channel but a direct one.")
            .for_users()
            .header("Idempotency-Key", "The same user, channel and key never make two messages: 1 to 64 bytes.", key)
            .says_members::<said::Publish>(
                "PublishRequest",
                &["channel", "key"],
                json!({ "body": { "text": "good morning" }, "base": 0 }),
            )
            .gives_named(201, "It is stored.", "PublishedReply")
            .gives_named(200, "It was stored before, with this key.", "PublishedReply")
            .refuses(&[404, 409])
            .works(),
    ]
}
