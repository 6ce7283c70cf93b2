//! Channels as places: each of these is the command of the same name.

use serde_json::{Value, json};
use utoipa::ToSchema;

use super::Request;
use crate::protocol::said;

fn one<T: ToSchema>(path: &'static str, id: &str, summary: &str, body: &str, example: Value) -> Request {
    let request = Request::post(path, id, summary).for_users();
    request.says_members::<T>(body, &["channel"], example).refuses(&[404, 409]).works()
}

pub(super) fn requests() -> Vec<Request> {
    let bob = || json!({ "user": "bob" });
    let why = || json!({ "user": "bob", "reason": "noise" });
    let made = json!({ "private": true, "title": "Our room" });
    let role = json!({ "user": "bob", "role": "moderator" });
    let done = |request: Request| request.gives_named(200, "It is done.", "OkReply");
    vec![
        one::<said::Create>("/v1/channels/{channel}/create", "createChannel", "Make a channel", "CreateRequest", made)
            .gives_named(201, "It is there, and yours.", "CreatedReply"),
        done(one::<said::Invite>("/v1/channels/{channel}/invite", "invite", "Ask someone in", "InviteRequest", bob())),
        done(one::<said::Order>("/v1/channels/{channel}/kick", "kick", "Put someone out", "OrderRequest", why())),
        done(one::<said::Order>("/v1/channels/{channel}/ban", "ban", "Shut someone out", "OrderRequest", why())),
        done(one::<said::Order>("/v1/channels/{channel}/unban", "unban", "Take that back", "OrderRequest", bob())),
        done(one::<said::RoleOf>("/v1/channels/{channel}/role", "setRole", "Give a role", "RoleRequest", role)),
        done(one::<said::InChannel>(
            "/v1/channels/{channel}/delete",
            "deleteChannel",
            "End a channel, with its log",
            "DeleteRequest",
            json!({}),
        )),
    ]
}
