//! What describes the server to programs: `GET /v1/openapi.json`, its requests, and `GET /v1/asyncapi.json`, its frames.
//!
//! Both are made of the types that are read and written where there are such, and of types beside the descriptions
//! where answers are put together by hand; that these say what is so is what the outside tests hold every answer against.

mod asyncapi;
mod book;
mod frames;
mod openapi;
mod paths;
mod refusal;
mod request;

use std::sync::OnceLock;

use actix_web::http::StatusCode;
use actix_web::{HttpResponse, web};
use bytestring::ByteString;
use serde_json::{Value, json};

use crate::http::answer::{self, only};

/// Adds both documents, below `/v1`.
pub(crate) fn configure(cfg: &mut web::ServiceConfig) {
    let at = |path: &str, document: fn() -> HttpResponse| {
        web::resource(path).route(web::get().to(move || async move { document() })).default_service(only("GET"))
    };
    cfg.service(at("/openapi.json", requests)).service(at("/asyncapi.json", stream));
}

/// The OpenAPI document.
pub fn openapi() -> Value {
    json!(openapi::document())
}

/// The AsyncAPI document.
pub fn asyncapi() -> Value {
    asyncapi::document()
}

/// `GET /v1/openapi.json`
fn requests() -> HttpResponse {
    static TEXT: OnceLock<ByteString> = OnceLock::new();
    answer::json(StatusCode::OK, TEXT.get_or_init(|| openapi().to_string().into()).clone())
}

/// `GET /v1/asyncapi.json`
fn stream() -> HttpResponse {
    static TEXT: OnceLock<ByteString> = OnceLock::new();
    answer::json(StatusCode::OK, TEXT.get_or_init(|| asyncapi().to_string().into()).clone())
}
