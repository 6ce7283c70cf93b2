//! Accounts over plain HTTP (protocol, section 6): made, logged in to and out of, given another password.

use actix_web::http::StatusCode;
use actix_web::{HttpRequest, HttpResponse, web};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::json;

use super::super::edge::address;
use crate::auth::{AccountError, AuthError, Password};
use crate::clock;
use crate::http::answer::{self, only};
use crate::http::asker::{ANSWER_WITHIN, respond, token, written};
use crate::http::body;
use crate::protocol::Problem;
use crate::session::App;

/// The largest body, in bytes: a name and two passwords, with each character escaped.
const BODY_BYTES: usize = 16 << 10;

/// Adds the requests, below `/v1`.
pub(super) fn configure(cfg: &mut web::ServiceConfig) {
    cfg.service(web::resource("/accounts").route(web::post().to(register)).default_service(only("POST")))
        .service(web::resource("/login").route(web::post().to(login)).default_service(only("POST")))
        .service(web::resource("/logout").route(web::post().to(logout)).default_service(only("POST")))
        .service(web::resource("/password").route(web::post().to(password)).default_service(only("POST")));
}

/// Reads what a request carries.
async fn said<T: DeserializeOwned>(request: &HttpRequest, body: web::Payload) -> Result<T, HttpResponse> {
    let text = body::read(request, body, BODY_BYTES).await?;
    // What serde says may name what it found there, which may be a password.
    serde_json::from_str(&text).map_err(|error| {
        let why = format!("line {}, column {}: not as expected", error.line(), error.column());
        answer::problem(&Problem::bad_frame(why))
    })
}

/// Carries out what has to be done in time.
async fn in_time<T>(work: impl Future<Output = Result<T, AccountError>>) -> Result<T, HttpResponse> {
    let late = || Err(AuthError::Unavailable("no answer in time".into()).into());
    let done = tokio::time::timeout(ANSWER_WITHIN, work).await.unwrap_or_else(|_| late());
    done.map_err(|error| match &error {
        AccountError::Name(_) | AccountError::Weak(_) => {
            answer::problem_as(StatusCode::UNPROCESSABLE_ENTITY, &(&error).into())
        }
        other => answer::problem(&other.into()),
    })
}

#[derive(Deserialize)]
struct Named {
    user: String,
    password: Password,
    code: Option<String>,
}

#[derive(Deserialize)]
struct Change {
    old: Password,
    new: Password,
}

/// `POST /v1/accounts`
async fn register(request: HttpRequest, body: web::Payload, app: web::Data<App>) -> HttpResponse {
    let answer = async {
        let Named { user, password, code } = said(&request, body).await?;
        let made = app.gate.register(&user, password, code.as_deref(), address(&request), clock::wall());
        let user = in_time(made).await?;
        Ok(match written(&json!({ "user": user })) {
            Ok((_, text)) => answer::json(StatusCode::CREATED, text),
            Err(why) => answer::problem(&why),
        })
    };
    answer.await.unwrap_or_else(|refused: HttpResponse| refused)
}

/// `POST /v1/login`
async fn login(request: HttpRequest, body: web::Payload, app: web::Data<App>) -> HttpResponse {
    let answer = async {
        let Named { user, password, .. } = said(&request, body).await?;
        let identity = in_time(app.gate.login(&user, password, address(&request), clock::wall())).await?;
        Ok(respond(written(
            &json!({ "token": identity.token, "user": identity.user, "expires_at": identity.expires_at }),
        )))
    };
    answer.await.unwrap_or_else(|refused: HttpResponse| refused)
}

/// `POST /v1/logout`
async fn logout(request: HttpRequest, app: web::Data<App>) -> HttpResponse {
    let answer = async {
        let token = token(&request).map_err(|why| answer::problem(&why))?;
        in_time(async { Ok(app.gate.logout(&token, clock::wall()).await?) }).await?;
        Ok(HttpResponse::NoContent().finish())
    };
    answer.await.unwrap_or_else(|refused: HttpResponse| refused)
}

/// `POST /v1/password`
async fn password(request: HttpRequest, body: web::Payload, app: web::Data<App>) -> HttpResponse {
    let answer = async {
        let Change { old, new } = said(&request, body).await?;
        let token = token(&request).map_err(|why| answer::problem(&why))?;
        in_time(app.gate.change_password(&token, old, new, address(&request), clock::wall())).await?;
        Ok(HttpResponse::NoContent().finish())
    };
    answer.await.unwrap_or_else(|refused: HttpResponse| refused)
}
