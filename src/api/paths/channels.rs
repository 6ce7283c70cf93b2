//! Which channels there are, and who belongs to them.

#![allow(dead_code, reason = "these types are the shape of what is read and written elsewhere, member by member")]

use serde_json::json;
use utoipa::ToSchema;

use super::Request;
use crate::model::ChannelName;
use crate::protocol::said;
use crate::transport::ChannelRow;

#[derive(ToSchema)]
struct After {
    /// Names after this one.
    after: Option<ChannelName>,
    /// At most so many; more than `limits.page_max` are never given.
    #[schema(minimum = 1, default = 50)]
    limit: Option<u64>,
}

#[derive(ToSchema)]
struct ChannelList {
    /// In the order of their names.
    channels: Vec<ChannelRow>,
    more: bool,
}

pub(super) fn requests() -> Vec<Request> {
    vec![
        Request::get("/v1/channels", "listChannels", "List the channels that you may see")
            .for_readers()
            .query::<After>()
            .gives::<ChannelList>(200, "A page of them.")
            .works(),
        Request::get("/v1/channels/{channel}", "showChannel", "Show where a channel stands")
            .for_readers()
            .gives::<ChannelRow>(200, "The channel.")
            .refuses(&[404])
            .works(),
        Request::get("/v1/channels/{channel}/members", "listMembers", "List who belongs to a channel")
            .for_readers()
            .query::<said::Page>()
            .gives_named(200, "A page of them.", "MembersReply")
            .refuses(&[404])
            .works(),
        Request::post("/v1/channels/{channel}/members", "askMembers", "The same, with the page in the body")
            .for_users()
            .says_members::<said::Page>("MembersRequest", &["channel"], json!({ "limit": 10 }))
            .gives_named(200, "A page of them.", "MembersReply")
            .refuses(&[404])
            .works(),
    ]
}
