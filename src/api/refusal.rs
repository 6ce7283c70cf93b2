//! What a request is answered that was not carried out: the `error` frame, with the status that goes with its code.

use serde_json::{Value, json};
use utoipa::openapi::{ContentBuilder, HeaderBuilder, ObjectBuilder, Ref, Response, ResponseBuilder, Type};

use super::book::named;
use super::frames::ERROR;
use crate::http::answer::status;
use crate::protocol::ErrorCode;

/// A status: what its answer is called, when it comes, and a code that is told with it.
type Refusal = (u16, &'static str, &'static str, ErrorCode);

const ALL: [Refusal; 12] = [
    (
        400,
        "BadRequest",
        "Not JSON; a member that is missing, of a wrong type or outside its grammar.",
        ErrorCode::BadFrame,
    ),
    (401, "Unauthorized", "No token where one is needed, or one that is not good.", ErrorCode::Unauthenticated),
    (403, "Forbidden", "What the caller may not do; or a page of a foreign origin.", ErrorCode::Forbidden),
    (404, "NotFound", "Not there, or not for the caller to see.", ErrorCode::NotFound),
    (408, "RequestTimeout", "The body did not come in time.", ErrorCode::BadFrame),
    (409, "Conflict", "At odds with what is there.", ErrorCode::Conflict),
    (413, "ContentTooLarge", "Above a limit of size or number.", ErrorCode::TooLarge),
    (415, "UnsupportedMediaType", "A `Content-Type` that is not JSON.", ErrorCode::BadFrame),
    (422, "UnprocessableContent", "A name that is none, or a password that may not be chosen.", ErrorCode::BadFrame),
    (429, "TooManyRequests", "Too fast: come back after `Retry-After`.", ErrorCode::RateLimited),
    (500, "InternalServerError", "The server broke; of what was asked the outcome is unknown.", ErrorCode::Internal),
    (503, "ServiceUnavailable", "Not now: come back after `Retry-After`.", ErrorCode::Unavailable),
];

/// Refers to the answer of this status; `None` if nothing is refused with it.
pub(super) fn of(status: u16) -> Option<Ref> {
    let (_, name, ..) = ALL.iter().find(|(known, ..)| *known == status)?;
    Some(Ref::from_response_name(*name))
}

/// All of them, by name.
pub(super) fn all() -> impl Iterator<Item = (&'static str, Response)> {
    ALL.into_iter().map(|refusal| (refusal.1, response(refusal)))
}

fn response((number, _, about, code): Refusal) -> Response {
    let example = json!({ "type": "error", "code": code, "message": about });
    let content = ContentBuilder::new().schema(Some(named(ERROR))).example(Some(example)).build();
    let mut response = ResponseBuilder::new().description(words(number, about)).content("application/json", content);
    let text = || ObjectBuilder::new().schema_type(Type::String);
    let headers = match number {
        401 => vec![("WWW-Authenticate", "Which credentials it takes: `Bearer`.", text())],
        429 | 503 => {
            let seconds = ObjectBuilder::new().schema_type(Type::Integer).minimum(Some(1));
            vec![("Retry-After", "In how many seconds to come back.", seconds)]
        }
        _ => vec![],
    };
    for (name, about, schema) in headers {
        response = response.header(name, HeaderBuilder::new().schema(Some(schema)).description(Some(about)).build());
    }
    response.build()
}

/// When it comes, and with which codes.
fn words(number: u16, about: &str) -> String {
    let with =
        ErrorCode::ALL.iter().filter(|code| status(**code).as_u16() == number).filter_map(|code| match json!(code) {
            Value::String(code) => Some(format!("`{code}`")),
            _ => None,
        });
    let with: Vec<String> = with.collect();
    if with.is_empty() { format!("{about} `bad_frame`.") } else { format!("{about} {}.", with.join(", ")) }
}
