//! The documents themselves.

use utoipa::openapi::{ObjectBuilder, Type};

use super::Request;

pub(super) fn requests() -> Vec<Request> {
    let document = || ObjectBuilder::new().schema_type(Type::Object);
    vec![
        Request::get("/v1/openapi.json", "openapi", "Describe the requests").gives_one(200, "OpenAPI 3.1.", document()),
        Request::get("/v1/asyncapi.json", "asyncapi", "Describe the frames").gives_one(
            200,
            "AsyncAPI 3.0.",
            document(),
        ),
    ]
}
