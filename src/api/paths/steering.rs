//! What operators steer: channels, the log; and the configuration that they see.

#![allow(dead_code, reason = "these types are the shape of what is read and written elsewhere, member by member")]

use serde::Deserialize;
use serde_json::{Map, Value, json};
use utoipa::ToSchema;
use utoipa::openapi::HttpMethod;

use super::Request;
use crate::admin::ChannelView;
use crate::retention::Bounds;

#[derive(ToSchema)]
struct Wanted {
    /// Those in whose names this stands.
    search: Option<String>,
    /// By which they are sorted: by name, or most first.
    sort: Option<ChannelOrder>,
    /// Names after this one; with `sort=name` alone.
    after: Option<String>,
    /// At most so many; more than `limits.page_max` are never given.
    #[schema(minimum = 1, default = 50)]
    limit: Option<u64>,
}

#[derive(ToSchema)]
#[schema(rename_all = "lowercase", default = "name")]
enum ChannelOrder {
    Name,
    Rate,
    Members,
    Online,
    Bytes,
    Head,
}

#[derive(ToSchema)]
struct ChannelViews {
    channels: Vec<ChannelView>,
    /// How many there are in all.
    count: usize,
    more: bool,
}

/// What is to hold for one channel; null, or not there: what the configuration says. 0 is no bound.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct KeepRequest {
    /// Seconds.
    #[schema(maximum = 3_153_600_000_i64)]
    age_s: Option<u64>,
    /// Messages.
    #[schema(maximum = 9_007_199_254_740_991_i64)]
    count: Option<u64>,
    /// Bytes of bodies.
    #[schema(maximum = 1_152_921_504_606_846_976_i64)]
    bytes: Option<u64>,
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct TrimRequest {
    /// Messages below this place go.
    below: u64,
}

#[derive(ToSchema)]
struct Trimmed {
    /// The oldest that is kept.
    first: u64,
}

#[derive(ToSchema)]
struct ConfigView {
    /// Sections of keys; secrets are hidden.
    config: Map<String, Value>,
}

/// What is logged, as `env_logger` reads it.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct LogFilter {
    filter: String,
}

pub(super) fn requests() -> Vec<Request> {
    let of = |request: Request| request.for_operators().refuses(&[404, 409]).works();
    vec![
        Request::get("/v1/admin/channels", "listAllChannels", "List channels, private and direct ones too")
            .for_operators()
            .query::<Wanted>()
            .gives::<ChannelViews>(200, "Some of them.")
            .works(),
        of(Request::get("/v1/admin/channels/{channel}", "showAnyChannel", "Show one of them"))
            .gives::<ChannelView>(200, "It is like this."),
        of(Request::delete("/v1/admin/channels/{channel}", "deleteAnyChannel", "Delete one, with its log"))
            .gives_nothing(204, "It is gone."),
        of(Request::post("/v1/admin/channels/{channel}/passivate", "passivate", "Put one to sleep that nobody hears"))
            .gives_nothing(204, "It sleeps."),
        of(Request::new(HttpMethod::Put, "/v1/admin/channels/{channel}/retention", "setRetention", "Say what is kept"))
            .says::<KeepRequest>(json!({ "age_s": 2_592_000, "count": null, "bytes": null }))
            .gives::<Bounds>(200, "This holds for it now."),
        of(Request::post("/v1/admin/channels/{channel}/trim", "trim", "Have its oldest messages go"))
            .says::<TrimRequest>(json!({ "below": 1 }))
            .gives::<Trimmed>(200, "They are gone."),
        Request::get("/v1/admin/config", "showConfig", "Show the configuration in effect")
            .for_operators()
            .gives::<ConfigView>(200, "It is this.")
            .works(),
        Request::get("/v1/admin/log", "showLog", "Show what is logged")
            .for_operators()
            .gives::<LogFilter>(200, "This is.")
            .refuses(&[409])
            .works(),
        Request::new(HttpMethod::Put, "/v1/admin/log", "setLog", "Have something else logged, until the next start")
            .for_operators()
            .says::<LogFilter>(json!({ "filter": "info,parlor::session=debug" }))
            .gives::<LogFilter>(200, "This is, from now on.")
            .refuses(&[409])
            .works(),
    ]
}
