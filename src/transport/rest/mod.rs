//! Plain HTTP (protocol, section 6): the commands that make sense without a session, one request each.
//!
//! A request becomes a command of a session that lives for it alone, so that what it may do and how it is carried out
//! is decided where every other command's is. Who asks is said by a token; reading what is public takes none where
//! guests are let in, since anyone may be one.

mod accounts;
mod errand;
mod places;

pub(crate) use places::Row as ChannelRow;

use std::sync::Arc;

use actix_web::http::StatusCode;
use actix_web::{HttpRequest, HttpResponse, web};
use serde::{Deserialize, Serialize};
use serde_json::json;
use serde_json::value::RawValue;

use crate::http::asker::{ANSWER_WITHIN, Answer, lister, page, reader, respond, user, written};
use crate::http::body::{self, Query};
use crate::http::only;
use crate::model::UserName;
use crate::presence::RegistryIn;
use crate::protocol::Problem;
use crate::session::App;

/// The header that carries a publish's key.
const KEY: &str = "Idempotency-Key";

/// Adds the requests, below `/v1`.
pub(super) fn configure(cfg: &mut web::ServiceConfig) {
    cfg.configure(places::configure)
        .service(
            web::resource("/channels/{channel}/messages")
                .route(web::get().to(history))
                .route(web::post().to(publish))
                .default_service(only("GET, POST")),
        )
        .service(web::resource("/presence").route(web::get().to(presence)).default_service(only("GET")))
        .service(web::resource("/online").route(web::get().to(online)).default_service(only("GET")))
        .configure(accounts::configure);
}

fn channel_of(request: &HttpRequest) -> String {
    request.match_info().get("channel").unwrap_or_default().to_owned()
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

/// The members of a publish, as they were said.
#[derive(Deserialize, Serialize)]
struct Said<'a> {
    #[serde(borrow, skip_serializing_if = "Option::is_none")]
    body: Option<&'a RawValue>,
    #[serde(borrow, skip_serializing_if = "Option::is_none")]
    kind: Option<&'a RawValue>,
    #[serde(borrow, rename = "ref", skip_serializing_if = "Option::is_none")]
    reply_to: Option<&'a RawValue>,
    #[serde(borrow, skip_serializing_if = "Option::is_none")]
    base: Option<&'a RawValue>,
}

fn said(text: &str) -> Result<Said<'_>, Problem> {
    if !text.trim_start().starts_with('{') {
        return Err(Problem::bad_frame("expected an object"));
    }
    serde_json::from_str(text).map_err(|error| Problem::bad_frame(error.to_string()))
}

async fn say(request: &HttpRequest, app: &Arc<App>, text: &str) -> Answer {
    #[derive(Serialize)]
    struct Command<'a> {
        channel: &'a str,
        #[serde(skip_serializing_if = "Option::is_none")]
        key: Option<&'a str>,
        #[serde(flatten)]
        said: Said<'a>,
    }
    #[derive(Deserialize)]
    struct Receipt {
        duplicate: bool,
    }
    let user = user(request, app).await?;
    let said = said(text)?;
    let key = request.headers().get(KEY).map(|key| std::str::from_utf8(key.as_bytes())).transpose();
    let key = key.map_err(|_| Problem::bad_frame(format!("{KEY}: is not UTF-8")))?;
    let channel = channel_of(request);
    let command = Command { channel: &channel, key, said };
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
    lister(request, app).await?;
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

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::{Map, Value};

    use super::*;
    use crate::model::cases::{damaged_text, many};

    proptest! {
        #![proptest_config(many())]

        #[test]
        fn of_what_a_publish_says_its_own_members_are_taken_and_to_the_letter(seed: u64, plain in ".{0,30}") {
            let whole = r#"{"body":{"text":"hi","n":1.50},"kind":"x-a","ref":3,"base":0,"key":"k","channel":"b","type":"join"}"#;
            for text in [damaged_text(whole, seed), plain] {
                let Ok(said) = said(&text) else { continue };
                // A lone surrogate shows when the command is read.
                let Ok(members) = serde_json::from_str::<Map<String, Value>>(&text) else { continue };
                let taken: Map<String, Value> = serde_json::from_str(&serde_json::to_string(&said).unwrap()).unwrap();
                prop_assert!(said.body.is_none_or(|body| text.contains(body.get())));
                for own in ["body", "kind", "ref", "base"] {
                    let member = members.get(own).filter(|member| !member.is_null());
                    prop_assert_eq!(taken.get(own), member, "{}", text);
                }
                prop_assert!(taken.keys().all(|member| ["body", "kind", "ref", "base"].contains(&member.as_str())));
            }
        }
    }
}
