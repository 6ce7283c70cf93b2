//! What an HTTP request is answered with: JSON, and where it was not carried out the `error` frame with the fitting
//! status (protocol, section 6).

use actix_web::http::StatusCode;
use actix_web::http::header::{ALLOW, HeaderValue, RETRY_AFTER, WWW_AUTHENTICATE};
use actix_web::{HttpResponse, Route, web};

use crate::protocol::{ErrorCode, Frame, Problem};

/// The status that goes with an error's code.
pub fn status(code: ErrorCode) -> StatusCode {
    match code {
        ErrorCode::BadFrame | ErrorCode::UnknownType | ErrorCode::VersionUnsupported => StatusCode::BAD_REQUEST,
        ErrorCode::Unauthenticated => StatusCode::UNAUTHORIZED,
        ErrorCode::Forbidden => StatusCode::FORBIDDEN,
        ErrorCode::NotFound => StatusCode::NOT_FOUND,
        ErrorCode::Conflict | ErrorCode::NotJoined => StatusCode::CONFLICT,
        ErrorCode::TooLarge => StatusCode::PAYLOAD_TOO_LARGE,
        ErrorCode::RateLimited => StatusCode::TOO_MANY_REQUESTS,
        ErrorCode::Overloaded | ErrorCode::Unavailable => StatusCode::SERVICE_UNAVAILABLE,
        ErrorCode::Internal => StatusCode::INTERNAL_SERVER_ERROR,
    }
}

/// An answer with this JSON text.
pub fn json(status: StatusCode, text: impl Into<Frame>) -> HttpResponse {
    HttpResponse::build(status).content_type("application/json").body(text.into().into_bytes())
}

/// An error, with the status of its code.
pub fn problem(problem: &Problem) -> HttpResponse {
    problem_as(status(problem.code), problem)
}

/// An error with a status of its own, for what HTTP tells apart and frames do not.
pub fn problem_as(status: StatusCode, problem: &Problem) -> HttpResponse {
    error(status, problem, problem.frame(None))
}

/// An error that was written down as a command's reply, with the status of its code.
pub fn refusal(problem: &Problem, reply: Frame) -> HttpResponse {
    error(status(problem.code), problem, reply)
}

fn error(status: StatusCode, problem: &Problem, frame: Frame) -> HttpResponse {
    let mut response = json(status, frame);
    if matches!(status, StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE) {
        // In seconds (RFC 9110, section 10.2.3): rounded up, so that nobody comes too early.
        let seconds = problem.retry_after_ms.unwrap_or(1000).div_ceil(1000).max(1);
        response.headers_mut().insert(RETRY_AFTER, seconds.into());
    }
    if status == StatusCode::UNAUTHORIZED {
        // Which sort of credentials it takes (RFC 9110, section 15.5.2; RFC 6750, section 3).
        response.headers_mut().insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
    }
    response
}

/// Answers 405 and names the methods that there are (RFC 9110, section 15.5.6).
pub fn only(methods: &'static str) -> Route {
    web::to(move || async move {
        let why = format!("this address takes {methods}");
        let mut response = problem_as(StatusCode::METHOD_NOT_ALLOWED, &Problem::bad_frame(why));
        response.headers_mut().insert(ALLOW, HeaderValue::from_static(methods));
        response
    })
}

#[cfg(test)]
mod tests {
    use actix_web::body::MessageBody;
    use proptest::prelude::*;
    use proptest::sample::select;

    use super::*;
    use crate::model::cases::many;

    #[test]
    fn whoever_should_come_back_is_told_when_in_whole_seconds() {
        let answer = problem(&Problem::new(ErrorCode::Overloaded, "full").retry_after(1001));
        assert_eq!(
            (answer.status().as_u16(), answer.headers().get("retry-after").unwrap()),
            (503, &"2".parse().unwrap())
        );
        let answer = problem(&Problem::new(ErrorCode::RateLimited, "fast"));
        assert_eq!(
            (answer.status().as_u16(), answer.headers().get("retry-after").unwrap()),
            (429, &"1".parse().unwrap())
        );
        assert!(!problem(&Problem::not_found()).headers().contains_key("retry-after"));
    }

    proptest! {
        #![proptest_config(many())]

        #[test]
        fn every_error_is_json_with_a_status_that_says_so(
            code in select(&ErrorCode::ALL[..]), message in ".{0,40}", wait in proptest::option::of(any::<u64>()),
        ) {
            let said = Problem { retry_after_ms: wait, ..Problem::new(code, message) };
            let answer = problem(&said);
            let (status, type_of) = (answer.status(), answer.headers().get("content-type").cloned());
            let later = matches!(status.as_u16(), 429 | 503);
            prop_assert_eq!(answer.headers().contains_key("retry-after"), later);
            prop_assert!(status.is_client_error() || later || code == ErrorCode::Internal);
            prop_assert_eq!(type_of.as_ref().map(HeaderValue::as_bytes), Some(&b"application/json"[..]));
            let body = answer.into_body().try_into_bytes().unwrap_or_default();
            let frame: serde_json::Value = serde_json::from_slice(&body).unwrap_or_default();
            prop_assert!(frame["type"] == "error" && frame["code"] == serde_json::json!(code), "{}", frame);
            prop_assert_eq!(frame["message"].as_str(), Some(said.message.as_str()));
        }
    }
}
