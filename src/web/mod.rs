//! Pages that are part of the program: the folders of `web/`, and how browsers fetch and keep them.
//!
//! A page is a folder with an `index.html`, which names the other files as `assets/NAME`. They are answered under a path
//! with a hash of them all in it, so that a browser may keep them for ever and never mixes those of two builds; modules
//! import each other by `./NAME`. The page itself is asked for each time, and answered by 304 where it is as it was. All
//! paths are relative, so that a page works behind a proxy and in a host's scope.
//!
//! Nothing but the files of the same build runs in a page: no script, no style and no address stands in its text.

mod file;

use std::sync::Arc;

use actix_web::http::StatusCode;
use actix_web::http::header::{
    self, ACCEPT_ENCODING, AcceptEncoding, CACHE_CONTROL, CONTENT_ENCODING, CONTENT_SECURITY_POLICY, ETAG, Encoding,
    EntityTag, Header, HeaderValue, IfNoneMatch, LOCATION, REFERRER_POLICY, VARY, X_CONTENT_TYPE_OPTIONS,
};
use actix_web::{HttpRequest, HttpResponse, HttpResponseBuilder, Resource, web};
use rust_embed::RustEmbed;
use sha2::{Digest, Sha256};

use crate::http::only;
use file::File;

/// Scripts, styles and requests of this server alone.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self' data:; \
                      base-uri 'none'; form-action 'none'; frame-ancestors 'none'";
const FOR_EVER: &str = "public, max-age=31536000, immutable";
const METHODS: &str = "GET, HEAD";

/// What is in `web/`: as it was when the program was built; in a debug build, as it is at the start.
#[derive(RustEmbed)]
#[folder = "web/"]
struct Folder;

/// A page and its files.
pub struct Page {
    index: Arc<File>,
    assets: Vec<(String, Arc<File>)>,
    /// The folder in which its assets are, as browsers see it.
    folder: String,
    /// Names the page as it is.
    tag: EntityTag,
}

impl Page {
    /// That of this folder of `web/`; none if it holds no `index.html`.
    pub fn of(name: &str) -> Option<Self> {
        let inside = |path: &str| Some(path.strip_prefix(name)?.strip_prefix('/')?.to_owned());
        let mut names: Vec<String> = Folder::iter().filter_map(|path| inside(&path)).collect();
        names.sort();
        let files = names.into_iter().filter_map(|file| {
            let found = Folder::get(&format!("{name}/{file}"))?;
            Some((file, found.data.into_owned()))
        });
        Self::new(name, files.collect())
    }

    fn new(name: &str, mut files: Vec<(String, Vec<u8>)>) -> Option<Self> {
        let mut hash = Sha256::new();
        for (file, bytes) in &files {
            hash.update(format!("{file}\n{}\n", bytes.len()));
            hash.update(bytes);
        }
        let version = hex::encode(&hash.finalize()[..8]);
        let folder = format!("{name}/{version}");
        let (_, index) = files.remove(files.iter().position(|(file, _)| file == "index.html")?);
        let index = String::from_utf8_lossy(&index).replace("\"assets/", &format!("\"{folder}/"));
        let index = Arc::new(File::new("index.html", index.into_bytes()));
        let assets = files.into_iter().map(|(file, bytes)| {
            let made = Arc::new(File::new(&file, bytes));
            (file, made)
        });
        Some(Self { index, assets: assets.collect(), folder, tag: EntityTag::new_weak(version) })
    }

    /// Adds it at this path, which begins with a slash and has no other behind its name; its assets are beside it.
    pub fn configure(&self, path: &str, cfg: &mut web::ServiceConfig) {
        let (index, tag) = (Arc::clone(&self.index), self.tag.clone());
        cfg.service(answered(path, move |request| shown(request, &index, &tag)));
        if path != "/" {
            // Beside the path, or what the page names would be looked for below it.
            let beside = HeaderValue::from_str(&format!("..{path}")).unwrap_or(HeaderValue::from_static("."));
            cfg.service(answered(&format!("{path}/"), move |_| {
                HttpResponse::PermanentRedirect().insert_header((LOCATION, beside.clone())).finish()
            }));
        }
        let mut scope = web::scope(&format!("/{}", self.folder));
        for (name, file) in &self.assets {
            let file = Arc::clone(file);
            scope = scope.service(answered(&format!("/{name}"), move |request| {
                sent(request, &file, HttpResponse::Ok().insert_header((CACHE_CONTROL, FOR_EVER)))
            }));
        }
        cfg.service(scope);
    }
}

/// GET and HEAD, answered without waiting for anything.
fn answered(path: &str, answer: impl Fn(&HttpRequest) -> HttpResponse + Clone + 'static) -> Resource {
    let handler = move |request: HttpRequest| {
        let answer = answer.clone();
        async move { answer(&request) }
    };
    let resource = web::resource(path).route(web::get().to(handler.clone())).route(web::head().to(handler));
    resource.default_service(only(METHODS))
}

/// The page itself, or that it is as it was.
fn shown(request: &HttpRequest, index: &File, tag: &EntityTag) -> HttpResponse {
    let known = match IfNoneMatch::parse(request) {
        Ok(IfNoneMatch::Any) => true,
        Ok(IfNoneMatch::Items(tags)) => tags.iter().any(|known| known.weak_eq(tag)),
        Err(_) => false,
    };
    let status = if known { StatusCode::NOT_MODIFIED } else { StatusCode::OK };
    let mut response = HttpResponse::build(status);
    response.insert_header((CACHE_CONTROL, "no-cache")).insert_header((ETAG, header::ETag(tag.clone())));
    if known { guarded(&mut response).finish() } else { sent(request, index, &mut response) }
}

/// A file, compressed where that is understood.
fn sent(request: &HttpRequest, file: &File, response: &mut HttpResponseBuilder) -> HttpResponse {
    let (gzip, plain) = (Encoding::gzip(), Encoding::identity());
    let taken = request.headers().contains_key(ACCEPT_ENCODING).then(|| AcceptEncoding::parse(request).ok()).flatten();
    let taken = taken.and_then(|taken| taken.negotiate([&gzip, &plain].into_iter()));
    guarded(response).insert_header(("Content-Type", file.kind));
    match &file.gzip {
        Some(packed) if taken == Some(gzip) => response.insert_header((CONTENT_ENCODING, "gzip")).body(packed.clone()),
        _ => response.body(file.plain.clone()),
    }
}

/// What every answer of a page tells a browser.
fn guarded(response: &mut HttpResponseBuilder) -> &mut HttpResponseBuilder {
    response
        .insert_header((CONTENT_SECURITY_POLICY, POLICY))
        .insert_header((X_CONTENT_TYPE_OPTIONS, "nosniff"))
        .insert_header((REFERRER_POLICY, "no-referrer"))
        .insert_header((VARY, "Accept-Encoding"))
}

#[cfg(test)]
mod tests;
