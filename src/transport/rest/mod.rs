//! Plain HTTP (protocol, section 6): the commands that make sense without a session, one request each.
//!
//! A request becomes a command of a session that lives for it alone, so that what it may do and how it is carried out
//! is decided where every other command's is. Who asks is said by a token; reading what is public takes none where
//! guests are let in, since anyone may be one.

mod errand;

use std::sync::Arc;
use std::time::Duration;

use actix_web::http::StatusCode;
use actix_web::{HttpRequest, HttpResponse, web};
use serde::{Deserialize, Serialize};
use serde_json::json;
use serde_json::value::RawValue;

use super::answer::{self, only};
use super::body::{self, Query};
use super::edge::bearer;
use crate::auth::AuthError;
use crate::clock;
use crate::model::{ChannelName, Epoch, Seq, UserName};
use crate::presence::RegistryIn;
use crate::protocol::{ErrorCode, Frame, Problem};
use crate::session::App;
use crate::store::ReadError;

/// How long an answer that no session waits for may take (protocol, section 2).
const ANSWER_WITHIN: Duration = Duration::from_millis(9500);
/// A page's length where the request names none.
const PAGE: usize = 50;
/// The header that carries a publish's key.
const KEY: &str = "Idempotency-Key";

/// Adds the requests, below `/v1`.
pub(super) fn configure(cfg: &mut web::ServiceConfig) {
    cfg.service(web::resource("/channels").route(web::get().to(channels)).default_service(only("GET")))
        .service(web::resource("/channels/{channel}").route(web::get().to(channel)).default_service(only("GET")))
        .service(
            web::resource("/channels/{channel}/messages")
                .route(web::get().to(history))
                .route(web::post().to(publish))
                .default_service(only("GET, POST")),
        )
        .service(web::resource("/presence").route(web::get().to(presence)).default_service(only("GET")))
        .service(web::resource("/online").route(web::get().to(online)).default_service(only("GET")));
}

/// An answer: JSON with its status, or the error.
type Answer = Result<(StatusCode, Frame), Problem>;

fn respond(answer: Answer) -> HttpResponse {
    match answer {
        Ok((status, text)) => answer::json(status, text),
        Err(why) => answer::problem(&why),
    }
}

fn written(value: &impl Serialize) -> Answer {
    let text = serde_json::to_string(value).map_err(|error| Problem::new(ErrorCode::Internal, error.to_string()))?;
    Ok((StatusCode::OK, text.into()))
}

/// Who asks, by the token that the request carries.
async fn user(request: &HttpRequest, app: &App) -> Result<UserName, Problem> {
    let token = bearer(request.headers())
        .ok_or_else(|| Problem::new(ErrorCode::Unauthenticated, "this takes a token, as Authorization: Bearer"))?;
    let found = tokio::time::timeout(ANSWER_WITHIN, app.guests.check(&token, clock::wall())).await;
    match found {
        Ok(Ok(identity)) => Ok(identity.user),
        Ok(Err(error @ AuthError::Unauthenticated)) => Err(Problem::new(ErrorCode::Unauthenticated, error.to_string())),
        Ok(Err(error @ AuthError::Forbidden)) => Err(Problem::new(ErrorCode::Forbidden, error.to_string())),
        Ok(Err(error)) => Err(Problem::unavailable(error.to_string())),
        Err(_) => Err(Problem::unavailable("the store gave no answer in time")),
    }
}

/// Who reads: by token, or nobody in particular where anyone may be a guest.
async fn reader(request: &HttpRequest, app: &App) -> Result<UserName, Problem> {
    if bearer(request.headers()).is_none() && app.context.config.auth.guests {
        return Ok(UserName::nobody());
    }
    user(request, app).await
}

fn channel_of(request: &HttpRequest) -> String {
    request.match_info().get("channel").unwrap_or_default().to_owned()
}

/// The page that a request asks for: names after this one, and how many.
fn page(query: &Query, app: &App) -> Result<(Option<String>, usize), Problem> {
    let most = app.context.config.limits.page_max;
    let limit = match query.number::<usize>("limit")? {
        Some(0) => return Err(Problem::bad_frame("limit: expected at least 1, got 0")),
        limit => limit.unwrap_or(PAGE).min(most),
    };
    Ok((query.text("after")?.map(str::to_owned), limit))
}

/// `GET /v1/channels`
async fn channels(request: HttpRequest, app: web::Data<App>) -> HttpResponse {
    respond(list_channels(&request, &app).await)
}

#[derive(Serialize)]
struct ChannelRow {
    channel: ChannelName,
    epoch: Epoch,
    first: Seq,
    head: Seq,
    online: usize,
}

async fn list_channels(request: &HttpRequest, app: &Arc<App>) -> Answer {
    reader(request, app).await?;
    let (after, limit) = page(&Query::of(request)?, app)?;
    let after = after.map(|name| ChannelName::stored(&name)).transpose();
    let after = after.map_err(|error| Problem::bad_frame(format!("after: {error}")))?;
    let log = Arc::clone(&app.context.log);
    let read = app.context.reads.run(move || {
        let (mut rows, mut after, mut more) = (Vec::new(), after, true);
        while more && rows.len() <= limit {
            let part = log.channels(after.as_ref(), limit + 1)?;
            more = part.len() > limit;
            after = part.last().map(|(name, _)| name.clone());
            // A direct channel is nobody's but its two users'.
            rows.extend(part.into_iter().filter(|(name, _)| !name.is_direct()));
        }
        Ok(rows)
    });
    let read = tokio::time::timeout(ANSWER_WITHIN, read).await;
    let mut rows = read
        .unwrap_or_else(|_| Err(ReadError::Unavailable("the store gave no answer in time".into())))
        .map_err(|error| Problem::unavailable(error.to_string()))?;
    let more = rows.len() > limit;
    rows.truncate(limit);
    let row = |(channel, head): (ChannelName, crate::store::Head)| {
        let online = app.directory.online(&channel);
        ChannelRow { channel, epoch: head.epoch, first: head.first, head: head.seq, online }
    };
    let rows: Vec<ChannelRow> = rows.into_iter().map(row).collect();
    written(&json!({ "channels": rows, "more": more }))
}

/// `GET /v1/channels/{channel}`
async fn channel(request: HttpRequest, app: web::Data<App>) -> HttpResponse {
    respond(show_channel(&request, &app).await)
}

async fn show_channel(request: &HttpRequest, app: &Arc<App>) -> Answer {
    #[derive(Deserialize)]
    struct Shown {
        channel: String,
        epoch: Epoch,
        first: Seq,
        head: Seq,
    }
    let asked = json!({ "channel": channel_of(request), "limit": 1 });
    let reply = errand::run(request, app, reader(request, app).await?, "history", asked).await?;
    let broken = |why: String| Problem::new(ErrorCode::Internal, why);
    let shown: Shown = serde_json::from_str(&reply).map_err(|error| broken(error.to_string()))?;
    let channel = ChannelName::stored(&shown.channel).map_err(|error| broken(error.to_string()))?;
    let online = app.directory.online(&channel);
    written(&ChannelRow { channel, epoch: shown.epoch, first: shown.first, head: shown.head, online })
}

/// `GET /v1/channels/{channel}/messages`
async fn history(request: HttpRequest, app: web::Data<App>) -> HttpResponse {
    let answer = async {
        let query = Query::of(&request)?;
        let mut asked = json!({ "channel": channel_of(&request) });
        for member in ["before", "after", "limit"] {
            if let Some(number) = query.number::<u64>(member)? {
                asked[member] = number.into();
            }
        }
        if let Some(hour) = query.text("hour")? {
            asked["hour"] = hour.into();
        }
        let reply = errand::run(&request, &app, reader(&request, &app).await?, "history", asked).await?;
        Ok((StatusCode::OK, reply))
    };
    respond(answer.await)
}

/// `POST /v1/channels/{channel}/messages`
async fn publish(request: HttpRequest, body: web::Payload, app: web::Data<App>) -> HttpResponse {
    match body::read(&request, body, app.context.config.limits.frame_bytes).await {
        Ok(text) => respond(say(&request, &app, &text).await),
        Err(refused) => refused,
    }
}

async fn say(request: &HttpRequest, app: &Arc<App>, text: &str) -> Answer {
    #[derive(Deserialize)]
    struct Said<'a> {
        #[serde(borrow)]
        body: Option<&'a RawValue>,
        #[serde(borrow)]
        kind: Option<&'a RawValue>,
        #[serde(borrow, rename = "ref")]
        reply_to: Option<&'a RawValue>,
        #[serde(borrow)]
        base: Option<&'a RawValue>,
    }
    #[derive(Serialize)]
    struct Command<'a> {
        channel: &'a str,
        #[serde(skip_serializing_if = "Option::is_none")]
        body: Option<&'a RawValue>,
        #[serde(skip_serializing_if = "Option::is_none")]
        key: Option<&'a str>,
        #[serde(skip_serializing_if = "Option::is_none")]
        kind: Option<&'a RawValue>,
        #[serde(rename = "ref", skip_serializing_if = "Option::is_none")]
        reply_to: Option<&'a RawValue>,
        #[serde(skip_serializing_if = "Option::is_none")]
        base: Option<&'a RawValue>,
    }
    #[derive(Deserialize)]
    struct Receipt {
        duplicate: bool,
    }
    let user = user(request, app).await?;
    if !text.trim_start().starts_with('{') {
        return Err(Problem::bad_frame("expected an object"));
    }
    let Said { body, kind, reply_to, base } =
        serde_json::from_str(text).map_err(|error| Problem::bad_frame(error.to_string()))?;
    let key = request.headers().get(KEY).map(|key| std::str::from_utf8(key.as_bytes())).transpose();
    let key = key.map_err(|_| Problem::bad_frame(format!("{KEY}: is not UTF-8")))?;
    let channel = channel_of(request);
    let command = Command { channel: &channel, body, key, kind, reply_to, base };
    let reply = errand::run(request, app, user, "publish", command).await?;
    let again = serde_json::from_str::<Receipt>(&reply).is_ok_and(|receipt| receipt.duplicate);
    Ok((if again { StatusCode::OK } else { StatusCode::CREATED }, reply))
}

/// `GET /v1/presence?users=a,b`
async fn presence(request: HttpRequest, app: web::Data<App>) -> HttpResponse {
    let answer = async {
        let query = Query::of(&request)?;
        let users = query.text("users")?.ok_or_else(|| Problem::bad_frame("users: missing"))?;
        let users: Vec<&str> = users.split(',').filter(|name| !name.is_empty()).collect();
        let asked = json!({ "users": users });
        let reply = errand::run(&request, &app, reader(&request, &app).await?, "presence", asked).await?;
        Ok((StatusCode::OK, reply))
    };
    respond(answer.await)
}

/// `GET /v1/online`
async fn online(request: HttpRequest, app: web::Data<App>) -> HttpResponse {
    respond(list_online(&request, &app).await)
}

async fn list_online(request: &HttpRequest, app: &App) -> Answer {
    reader(request, app).await?;
    let (after, max) = page(&Query::of(request)?, app)?;
    let after = after.map(|name| UserName::parse(&name)).transpose();
    let after = after.map_err(|error| Problem::bad_frame(format!("after: {error}")))?;
    let (tell, told) = tokio::sync::oneshot::channel();
    app.registry.send(RegistryIn::Online { after, max, tell });
    match tokio::time::timeout(ANSWER_WITHIN, told).await {
        Ok(Ok(page)) => written(&json!({
            "users": page.users, "sessions": page.sessions, "list": page.list, "more": page.more,
        })),
        _ => Err(Problem::unavailable("the registry gave no answer in time")),
    }
}
