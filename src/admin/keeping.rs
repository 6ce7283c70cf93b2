//! What operators do to channels: put one to sleep, delete it, say how much of it is kept, have it forget its oldest messages.

use std::sync::Arc;

use actix_web::{HttpRequest, HttpResponse, web};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::json;
use tokio::sync::oneshot;

use super::channels::{channel_of, read};
use super::{in_time, operator};
use crate::channel::{ChannelIn, Order, Tell};
use crate::config::{AGE_MAX_S, BYTES_MAX, COUNT_MAX};
use crate::http::asker::{Answer, respond, written};
use crate::http::body;
use crate::model::{ChannelName, Seq, UserName};
use crate::protocol::Problem;
use crate::retention::{self, Bounds};
use crate::session::App;
use crate::store::{Head, Keep};

/// How long a body may be, in bytes.
const BODY_MAX: usize = 4096;

/// `POST /v1/admin/channels/{channel}/passivate`
pub(super) async fn passivate(request: HttpRequest, app: web::Data<App>) -> HttpResponse {
    done(put_to_sleep(&request, &app).await)
}

async fn put_to_sleep(request: &HttpRequest, app: &Arc<App>) -> Result<(), Problem> {
    operator(request, app).await?;
    let channel = channel_of(request)?;
    head(app, &channel).await?;
    let (tell, told) = oneshot::channel();
    if app.directory.send_awake(&channel, ChannelIn::Order(Order::Rest(tell))) { answer(told).await } else { Ok(()) }
}

/// `DELETE /v1/admin/channels/{channel}`
pub(super) async fn delete(request: HttpRequest, app: web::Data<App>) -> HttpResponse {
    done(deleted(&request, &app).await)
}

async fn deleted(request: &HttpRequest, app: &Arc<App>) -> Result<(), Problem> {
    let by = operator(request, app).await?.user;
    let channel = channel_of(request)?;
    ordered(app, &channel, |tell| Order::Delete(by.clone(), tell)).await?;
    log::info!("channel {channel} is deleted by {by}");
    Ok(())
}

/// What is to hold for a channel; what is left out or null is the configuration's.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Wanted {
    age_s: Option<u64>,
    count: Option<u64>,
    bytes: Option<u64>,
}

/// `PUT /v1/admin/channels/{channel}/retention`
pub(super) async fn keep(request: HttpRequest, body: web::Payload, app: web::Data<App>) -> HttpResponse {
    match told(&request, body, &app).await {
        Ok((by, said)) => respond(kept(&request, &app, &by, said).await),
        Err(refused) => refused,
    }
}

async fn kept(request: &HttpRequest, app: &Arc<App>, by: &UserName, said: Wanted) -> Answer {
    let Wanted { age_s, count, bytes } = said;
    for (name, value, most) in [("age_s", age_s, AGE_MAX_S), ("count", count, COUNT_MAX), ("bytes", bytes, BYTES_MAX)] {
        if let Some(value) = value.filter(|value| *value > most) {
            return Err(Problem::bad_frame(format!("{name}: expected 0 to {most}, got {value}")));
        }
    }
    let (channel, keep) = (channel_of(request)?, Keep { age_s, count, bytes });
    ordered(app, &channel, |tell| Order::Keep(keep, tell)).await?;
    let bounds = Bounds::of(&app.context.config.retention, keep);
    log::info!("of channel {channel} {bounds:?} is kept, as {by} wants it");
    written(&bounds)
}

/// Which messages are to go.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Below {
    below: Seq,
}

/// `POST /v1/admin/channels/{channel}/trim`
pub(super) async fn trim(request: HttpRequest, body: web::Payload, app: web::Data<App>) -> HttpResponse {
    match told(&request, body, &app).await {
        Ok((by, said)) => respond(trimmed(&request, &app, &by, said).await),
        Err(refused) => refused,
    }
}

async fn trimmed(request: &HttpRequest, app: &Arc<App>, by: &UserName, Below { below }: Below) -> Answer {
    let channel = channel_of(request)?;
    let head = head(app, &channel).await?;
    if below <= head.first {
        return written(&json!({ "first": head.first }));
    }
    log::info!("channel {channel} is trimmed below {below} by {by}");
    let (context, directory) = (Arc::clone(&app.context), Arc::clone(&app.directory));
    // It goes on if nobody waits for it any more.
    let work = actix_web::rt::spawn(async move { retention::trim(&context, &directory, &channel, head, below).await });
    let broken = |_| Err(Problem::unavailable("it broke off; ask again"));
    let trimmed = in_time(work).await?.unwrap_or_else(broken)?;
    written(&json!({ "first": trimmed.head.first }))
}

/// Who asks, and what the body says.
async fn told<T: DeserializeOwned>(
    request: &HttpRequest,
    body: web::Payload,
    app: &Arc<App>,
) -> Result<(UserName, T), HttpResponse> {
    let refused = |problem| respond(Err(problem));
    let by = operator(request, app).await.map_err(refused)?.user;
    let text = body::read(request, body, BODY_MAX).await?;
    let said = serde_json::from_str(&text).map_err(|error| refused(Problem::bad_frame(error.to_string())))?;
    Ok((by, said))
}

/// The log of a channel that is there.
async fn head(app: &App, channel: &ChannelName) -> Result<Head, Problem> {
    let name = channel.clone();
    let head = read(app, move |shelf| shelf.there(&name)).await?;
    head.ok_or_else(Problem::not_found)
}

/// Has a channel carry out an order.
async fn ordered(app: &App, channel: &ChannelName, order: impl FnOnce(Tell<()>) -> Order) -> Result<(), Problem> {
    let (tell, told) = oneshot::channel();
    app.directory.send(channel, ChannelIn::Order(order(tell)));
    answer(told).await
}

async fn answer(told: oneshot::Receiver<Result<(), Problem>>) -> Result<(), Problem> {
    in_time(told).await?.unwrap_or_else(|_| Err(Problem::unavailable("the channel broke off; ask again")))
}

fn done(result: Result<(), Problem>) -> HttpResponse {
    match result {
        Ok(()) => HttpResponse::NoContent().finish(),
        Err(why) => respond(Err(why)),
    }
}
