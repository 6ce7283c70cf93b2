//! `GET /v1/admin/config`: what the server works with; `GET` and `PUT /v1/admin/log`: what is logged, from here on.

use actix_web::{HttpRequest, HttpResponse, web};
use serde::Deserialize;
use serde_json::json;

use super::operator;
use crate::http::answer;
use crate::http::asker::{Answer, respond, written};
use crate::http::body;
use crate::logging::{self, Refused};
use crate::protocol::{ErrorCode, Problem};
use crate::session::App;

/// The longest body, in bytes.
const BODY_BYTES: usize = 4096;

/// `GET /v1/admin/config`
pub(super) async fn config(request: HttpRequest, app: web::Data<App>) -> HttpResponse {
    let answer: Answer = async {
        operator(&request, &app).await?;
        written(&json!({ "config": app.context.config.shown() }))
    }
    .await;
    respond(answer)
}

/// `GET /v1/admin/log`
pub(super) async fn logged(request: HttpRequest, app: web::Data<App>) -> HttpResponse {
    let answer: Answer = async {
        operator(&request, &app).await?;
        filter()
    }
    .await;
    respond(answer)
}

/// What is asked of the log.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Wanted {
    filter: String,
}

/// `PUT /v1/admin/log`
pub(super) async fn log(request: HttpRequest, app: web::Data<App>, body: web::Payload) -> HttpResponse {
    let by = match operator(&request, &app).await {
        Ok(by) => by.user,
        Err(why) => return body::unread(answer::problem(&why)),
    };
    let text = match body::read(&request, body, BODY_BYTES).await {
        Ok(text) => text,
        Err(answer) => return answer,
    };
    let set = || {
        let wanted: Wanted = serde_json::from_str(&text).map_err(|why| Problem::bad_frame(why.to_string()))?;
        logging::steer(&wanted.filter).map_err(|why| refused(&why))?;
        log::info!("{by} has {:?} logged", wanted.filter);
        filter()
    };
    respond(set())
}

fn filter() -> Answer {
    let filter = logging::shown().ok_or_else(|| refused(&Refused::Foreign))?;
    written(&json!({ "filter": filter }))
}

fn refused(why: &Refused) -> Problem {
    match why {
        Refused::Foreign => Problem::new(ErrorCode::Conflict, why.to_string()),
        Refused::Filter(_) => Problem::bad_frame(why.to_string()),
    }
}
