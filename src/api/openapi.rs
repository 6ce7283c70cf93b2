//! The OpenAPI document: every plain request, and long-poll.

use utoipa::openapi::security::{HttpAuthScheme, HttpBuilder, SecurityScheme};
use utoipa::openapi::tag::TagBuilder;
use utoipa::openapi::{Components, Info, InfoBuilder, License, OpenApi, OpenApiBuilder, Paths, Server};

use super::book::Book;
use super::{frames, paths, refusal};

/// What both documents say of the server.
pub(super) const TITLE: &str = "Parlor";
/// Under which terms it may be used.
pub(super) const LICENSE: &str = "MIT";

const ABOUT: &str = "A chat server: durable, ordered channels and true presence, over WebSocket, HTTP long-poll and plain \
    requests. Members that are not named here may come, and so may values of enumerations: pass over what you do not know. \
    Every answer under `/v1` carries `Cache-Control: no-store`. Another method than those that are named gets 405.";

/// Puts it together.
pub(super) fn document() -> OpenApi {
    let (mut book, mut all, mut tags) = (Book::default(), Paths::new(), Vec::new());
    frames::enter_all(&mut book);
    for (group, about, requests) in paths::all() {
        tags.push(TagBuilder::new().name(group).description(Some(about)).build());
        for request in requests {
            let (method, path) = (request.method.clone(), request.path);
            let (operation, under) = request.described(group);
            all.add_path_operation(path, vec![method], operation);
            book.extend(under);
        }
    }
    let mut components = Components::new();
    components.schemas = book.0;
    components.responses = refusal::all().map(|(name, response)| (name.to_owned(), response.into())).collect();
    components.security_schemes = [
        scheme("token", "A guest's token, or an account's."),
        scheme("session", "The secret of a long-poll session, where the path says `self`."),
    ]
    .into();
    OpenApiBuilder::new()
        .info(info())
        .servers(Some([Server::new("/")]))
        .paths(all)
        .components(Some(components))
        .tags(Some(tags))
        .build()
}

fn info() -> Info {
    let info = InfoBuilder::new().title(TITLE).version(env!("CARGO_PKG_VERSION")).description(Some(ABOUT));
    let mut license = License::new(LICENSE);
    license.identifier = Some(LICENSE.into());
    info.license(Some(license)).build()
}

fn scheme(name: &str, about: &str) -> (String, utoipa::openapi::RefOr<SecurityScheme>) {
    let http = HttpBuilder::new().scheme(HttpAuthScheme::Bearer).description(Some(about)).build();
    (name.to_owned(), SecurityScheme::Http(http).into())
}
