//! Channels over plain HTTP (protocol, section 6): those that the caller may see, and the commands of their owners.

use std::sync::Arc;

use actix_web::http::StatusCode;
use actix_web::{HttpRequest, HttpResponse, web};
use serde::Serialize;
use serde_json::{Map, Value, json};
use utoipa::ToSchema;

use super::{channel_of, errand};
use crate::channel::{self, seen};
use crate::http::answer::only;
use crate::http::asker::{ANSWER_WITHIN, Answer, lister, page, reader, respond, user, written};
use crate::http::body::{self, Query};
use crate::model::{Caller, ChannelName, Epoch, Seq};
use crate::protocol::{ErrorCode, Problem};
use crate::session::App;
use crate::store::{Head, Place, ReadError};

/// Adds the requests, below `/v1`.
pub(super) fn configure(cfg: &mut web::ServiceConfig) {
    cfg.service(web::resource("/channels").route(web::get().to(channels)).default_service(only("GET")))
        .service(web::resource("/channels/{channel}").route(web::get().to(channel)).default_service(only("GET")))
        .service(
            web::resource("/channels/{channel}/members")
                .route(web::get().to(members))
                .route(web::post().to(tend))
                .default_service(only("GET, POST")),
        )
        .service(
            web::resource("/channels/{channel}/{command:create|invite|kick|ban|unban|role|delete}")
                .route(web::post().to(tend))
                .default_service(only("POST")),
        );
}

/// A channel as whoever sees it is shown it.
#[derive(Serialize, ToSchema)]
#[schema(as = ChannelRow)]
pub(crate) struct Row {
    channel: ChannelName,
    epoch: Epoch,
    /// The oldest place that is kept; `head` + 1 if none is.
    #[schema(value_type = u64, minimum = 1)]
    first: Seq,
    /// The newest place; 0 if it is empty.
    #[schema(value_type = crate::model::Place)]
    head: Seq,
    /// How many users hear it.
    online: usize,
    /// For those alone who were asked in; said if it is.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    private: bool,
    /// What it is called, if anything.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    title: Option<String>,
}

fn row(app: &App, channel: ChannelName, head: Head, place: Place) -> Row {
    let online = app.directory.online(&channel);
    let Place { private, title, .. } = place;
    Row { channel, epoch: head.epoch, first: head.first, head: head.seq, online, private, title }
}

/// Reads from the store, in time.
async fn read<T: Send + 'static>(
    app: &App,
    read: impl FnOnce() -> Result<T, ReadError> + Send + 'static,
) -> Result<T, Problem> {
    match tokio::time::timeout(ANSWER_WITHIN, app.context.reads.run(read)).await {
        Ok(found) => found.map_err(|error| Problem::unavailable(error.to_string())),
        Err(_) => Err(Problem::unavailable("the store gave no answer in time")),
    }
}

/// `GET /v1/channels`
async fn channels(request: HttpRequest, app: web::Data<App>) -> HttpResponse {
    respond(list(&request, &app).await)
}

async fn list(request: &HttpRequest, app: &Arc<App>) -> Answer {
    let caller = lister(request, app).await?;
    let (after, limit) = page(&Query::of(request)?, app)?;
    let after = after.map(|name| ChannelName::stored(&name)).transpose();
    let after = after.map_err(|error| Problem::bad_frame(format!("after: {error}")))?;
    let (log, meta) = (Arc::clone(&app.context.log), Arc::clone(&app.context.meta));
    let found = read(app, move || channel::list(&*log, &*meta, &caller, after.as_ref(), limit));
    let (rows, more) = found.await?;
    let rows: Vec<Row> = rows.into_iter().map(|(name, head, place)| row(app, name, head, place)).collect();
    written(&json!({ "channels": rows, "more": more }))
}

/// `GET /v1/channels/{channel}`
async fn channel(request: HttpRequest, app: web::Data<App>) -> HttpResponse {
    respond(show(&request, &app).await)
}

async fn show(request: &HttpRequest, app: &Arc<App>) -> Answer {
    let caller = lister(request, app).await?;
    let name = ChannelName::parse(&channel_of(request), &caller.user);
    let name = name.map_err(|error| Problem::bad_frame(format!("channel: {error}")))?;
    let (log, meta, asked) = (Arc::clone(&app.context.log), Arc::clone(&app.context.meta), name.clone());
    let found = read(app, move || {
        let Some(head) = log.head(&asked)? else { return Ok(None) };
        Ok(seen(&*meta, &asked, &caller)?.map(|seen| (head, seen)))
    });
    let (head, seen) = found.await?.ok_or_else(Problem::not_found)?;
    if seen.banned {
        return Err(Problem::new(ErrorCode::Forbidden, "you are banned from this channel"));
    }
    written(&row(app, name, head, seen.place))
}

/// `GET /v1/channels/{channel}/members`
async fn members(request: HttpRequest, app: web::Data<App>) -> HttpResponse {
    let answer = async {
        let query = Query::of(&request)?;
        let mut asked = json!({ "channel": channel_of(&request) });
        if let Some(after) = query.text("after")? {
            asked["after"] = after.into();
        }
        if let Some(limit) = query.number::<u64>("limit")? {
            asked["limit"] = limit.into();
        }
        let reply = errand::run(&request, &app, reader(&request, &app).await?, "members", asked).await?;
        Ok((StatusCode::OK, reply))
    };
    respond(answer.await)
}

/// `POST /v1/channels/{channel}/…`: the command of that name, its other members in the body.
async fn tend(request: HttpRequest, body: web::Payload, app: web::Data<App>) -> HttpResponse {
    match body::read(&request, body, app.context.config.limits.frame_bytes).await {
        Ok(text) => respond(carry_out(&request, &app, &text).await),
        Err(refused) => refused,
    }
}

async fn carry_out(request: &HttpRequest, app: &Arc<App>, text: &str) -> Answer {
    let caller: Caller = user(request, app).await?;
    let command = request.match_info().get("command").unwrap_or("members");
    let channel = channel_of(request);
    let members = said(text, &channel)?;
    let reply = errand::run(request, app, caller, command, members).await?;
    Ok((if command == "create" { StatusCode::CREATED } else { StatusCode::OK }, reply))
}

/// A command's members: those of the body, and the channel of the path. A body without anything has none.
fn said(text: &str, channel: &str) -> Result<Map<String, Value>, Problem> {
    let mut members = if text.trim().is_empty() {
        Map::new()
    } else {
        serde_json::from_str(text).map_err(|error| Problem::bad_frame(error.to_string()))?
    };
    for own in ["type", "id"] {
        members.remove(own);
    }
    members.insert("channel".into(), channel.into());
    Ok(members)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::model::cases::{damaged_text, many};

    #[test]
    fn a_body_says_neither_which_command_it_is_nor_which_channel() {
        let text = r#"{"type":"delete","id":"1","channel":"b","user":"bob"}"#;
        assert_eq!(Value::Object(said(text, "a").unwrap()), json!({"channel": "a", "user": "bob"}));
        assert_eq!(Value::Object(said(" ", "a").unwrap()), json!({"channel": "a"}));
        for bad in ["[]", "7", "{", "\"x\""] {
            assert!(said(bad, "a").is_err(), "{bad}");
        }
    }

    proptest! {
        #![proptest_config(many())]

        #[test]
        fn whatever_a_body_says_the_channel_is_that_of_the_path(seed: u64, plain in ".{0,30}") {
            let whole = r#"{"type":"delete","id":"1","channel":"b","user":"bob","role":"muted","title":"x"}"#;
            for text in [damaged_text(whole, seed), plain] {
                if let Ok(members) = said(&text, "a") {
                    prop_assert_eq!(members.get("channel"), Some(&json!("a")));
                    prop_assert!(!members.contains_key("type") && !members.contains_key("id"));
                }
            }
        }
    }
}
