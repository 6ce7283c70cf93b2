//! Who asks, for which page, and how it is answered: what plain requests have in common.

use std::time::Duration;

use actix_web::http::StatusCode;
use actix_web::http::header::{AUTHORIZATION, HeaderMap};
use actix_web::{HttpRequest, HttpResponse};
use serde::Serialize;

use super::answer;
use super::body::Query;
use crate::clock;
use crate::model::Caller;
use crate::protocol::{ErrorCode, Frame, Problem};
use crate::session::App;

/// How long an answer that no session waits for may take (protocol, section 2).
pub const ANSWER_WITHIN: Duration = Duration::from_millis(9500);
/// A page's length where the request names none.
const PAGE: usize = 50;

/// An answer: JSON with its status, or the error.
pub type Answer = Result<(StatusCode, Frame), Problem>;

pub fn respond(answer: Answer) -> HttpResponse {
    match answer {
        Ok((status, text)) => answer::json(status, text),
        Err(why) => answer::problem(&why),
    }
}

pub fn written(value: &impl Serialize) -> Answer {
    let text = serde_json::to_string(value).map_err(|error| Problem::new(ErrorCode::Internal, error.to_string()))?;
    Ok((StatusCode::OK, text.into()))
}

/// The token that a request carries.
pub fn token(request: &HttpRequest) -> Result<String, Problem> {
    let missing = || Problem::new(ErrorCode::Unauthenticated, "this takes a token, as Authorization: Bearer");
    bearer(request.headers()).ok_or_else(missing)
}

/// Who asks, by the token that the request carries.
pub async fn user(request: &HttpRequest, app: &App) -> Result<Caller, Problem> {
    let token = token(request)?;
    let found = tokio::time::timeout(ANSWER_WITHIN, app.gate.check(&token, clock::wall())).await;
    match found {
        Ok(Ok(identity)) => Ok(identity.caller()),
        Ok(Err(error)) => Err((&error).into()),
        Err(_) => Err(Problem::unavailable("the store gave no answer in time")),
    }
}

/// Who reads: by token, or nobody in particular where anyone may be a guest.
pub async fn reader(request: &HttpRequest, app: &App) -> Result<Caller, Problem> {
    if bearer(request.headers()).is_none() && app.context.config.auth.guests {
        return Ok(Caller::nobody());
    }
    user(request, app).await
}

/// The same for what is answered without a command: it counts as one of its user's.
pub async fn lister(request: &HttpRequest, app: &App) -> Result<Caller, Problem> {
    let caller = reader(request, app).await?;
    app.rates.user(&caller.user).map_or(Ok(()), |pace| pace.take(request.query_string().len()))?;
    Ok(caller)
}

/// The page that a request asks for: names after this one, and how many.
pub fn page(query: &Query, app: &App) -> Result<(Option<String>, usize), Problem> {
    let most = app.context.config.limits.page_max;
    let limit = match query.number::<usize>("limit")? {
        Some(0) => return Err(Problem::bad_frame("limit: expected at least 1, got 0")),
        limit => limit.unwrap_or(PAGE).min(most),
    };
    Ok((query.text("after")?.map(str::to_owned), limit))
}

/// The token in `Authorization: Bearer …` (RFC 6750, section 2.1).
pub fn bearer(headers: &HeaderMap) -> Option<String> {
    let value = headers.get(AUTHORIZATION)?.to_str().ok()?;
    let (scheme, token) = value.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim().to_owned())
}

#[cfg(test)]
mod tests {
    use actix_web::http::header::HeaderValue;
    use proptest::prelude::*;

    use super::*;
    use crate::model::cases::{damaged, many};

    proptest! {
        #![proptest_config(many())]

        #[test]
        fn a_bearer_is_what_stands_behind_the_word(token in "[!-~]{1,40}", seed: u64) {
            let said = |value: &[u8]| {
                let value = HeaderValue::from_bytes(value).ok()?;
                let mut headers = HeaderMap::new();
                headers.insert(AUTHORIZATION, value);
                bearer(&headers)
            };
            for scheme in ["Bearer ", "bearer  ", "BEARER "] {
                let read = said(format!("{scheme}{token}").as_bytes());
                prop_assert_eq!(read.as_deref(), Some(token.as_str()));
            }
            let other = damaged(format!("Bearer {token}").as_bytes(), seed);
            if let Some(read) = said(&other) {
                let other = String::from_utf8_lossy(&other);
                prop_assert!(other[..7].eq_ignore_ascii_case("bearer ") && other[7..].trim() == read, "{}", other);
            }
        }
    }
}
