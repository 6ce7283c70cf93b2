//! Pages that are part of the program: the folders of `web/`, and how browsers fetch and keep them.
//!
//! A page is a folder with an `index.html`, which names the other files as `assets/NAME`. They are answered under a path
//! with a hash of them all in it, so that a browser may keep them for ever and never mixes those of two builds; modules
//! import each other by `./NAME`. What pages have in common is in `web/shared/`, and each has it as if it were its own; the
//! client library is in `client/` of the page for chatting. Styles are sent as one. The page itself is asked for each time, and answered by 304
//! where it is as it was. All paths are relative, so that a page works behind a proxy and in a host's scope.
//!
//! Nothing but the files of the same build runs in a page: no script, no style and no address stands in its text.

mod file;
mod lean;

use std::sync::Arc;

use actix_web::http::StatusCode;
use actix_web::http::header::{
    self, ACCEPT_ENCODING, AcceptEncoding, CACHE_CONTROL, CONTENT_ENCODING, CONTENT_SECURITY_POLICY, ETAG, Encoding,
    EntityTag, Header, IfNoneMatch, LOCATION, REFERRER_POLICY, VARY, X_CONTENT_TYPE_OPTIONS,
};
use actix_web::{HttpRequest, HttpResponse, HttpResponseBuilder, Resource, web};
use rust_embed::RustEmbed;
use sha2::{Digest, Sha256};

use crate::http::only;
use file::File;

/// Scripts, styles and requests of this server alone, and `WebSocket`s: browsers take those for `'self'` since 2022, and in an
/// older one the client library goes on by long-poll. No text becomes a script or markup, where a browser can see to it.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self' data:; \
                      base-uri 'none'; form-action 'none'; frame-ancestors 'none'; \
                      require-trusted-types-for 'script'; trusted-types 'none'";
const FOR_EVER: &str = "public, max-age=31536000, immutable";
const METHODS: &str = "GET, HEAD";

/// What is in `web/`: as it was when the program was built; in a debug build, as it is at the start.
#[derive(RustEmbed)]
#[folder = "web/"]
struct Folder;

/// The client library for browsers, likewise.
#[derive(RustEmbed)]
#[folder = "clients/js/src/"]
struct Library;

/// Where a page of somebody else's finds the library, whatever its hash.
const LIBRARY: &str = "client/index.js";

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
        let mut files = read::<Folder>(&format!("{name}/"), "");
        files.extend(read::<Folder>("shared/", ""));
        Self::new(name, files)
    }

    /// The same, with the client library.
    pub fn with_library(name: &str) -> Option<Self> {
        let mut files = read::<Folder>(&format!("{name}/"), "");
        files.extend(read::<Folder>("shared/", ""));
        files.extend(read::<Library>("", "client/"));
        Self::new(name, files)
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
        let index = one_style(&String::from_utf8_lossy(&index), &mut files);
        let index = index.replace("\"assets/", &format!("\"{folder}/"));
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
        let page = move |request: &HttpRequest| shown(request, &index, &tag);
        if path == "/" {
            // In a host's scope this is two paths, and what the page names is looked for below the one with a slash.
            cfg.service(answered(&["", path], move |request| match request.path().rsplit_once('/') {
                Some((_, last)) if !last.is_empty() => redirected(format!("./{last}/")),
                _ => page(request),
            }));
        } else {
            // Beside the path, or what the page names would be looked for below it.
            let beside = format!("..{path}");
            cfg.service(answered(&[path], page));
            cfg.service(answered(&[&format!("{path}/")], move |_| redirected(beside.clone())));
        }
        self.configure_assets(cfg);
    }

    /// Adds its files alone, and the way to the client library, if it has that.
    pub fn configure_assets(&self, cfg: &mut web::ServiceConfig) {
        let mut scope = web::scope(&format!("/{}", self.folder));
        for (name, file) in &self.assets {
            let file = Arc::clone(file);
            scope = scope.service(answered(&[&format!("/{name}")], move |request| {
                sent(request, &file, HttpResponse::Ok().insert_header((CACHE_CONTROL, FOR_EVER)))
            }));
        }
        cfg.service(scope);
        if self.assets.iter().any(|(name, _)| name == LIBRARY) {
            let to = format!("../{}/{LIBRARY}", self.folder);
            cfg.service(answered(&[&format!("/{LIBRARY}")], move |_| {
                let mut response = HttpResponse::TemporaryRedirect();
                guarded(&mut response, false)
                    .insert_header((CACHE_CONTROL, "no-cache"))
                    .insert_header((LOCATION, &*to))
                    .finish()
            }));
        }
    }
}

/// The files of an embedded folder whose paths begin so, with another beginning instead; in the order of their names.
fn read<F: RustEmbed>(from: &str, to: &str) -> Vec<(String, Vec<u8>)> {
    let mut files: Vec<_> = F::iter()
        .filter_map(|path| {
            let name = format!("{to}{}", path.strip_prefix(from)?);
            Some((name, F::get(&path)?.data.into_owned()))
        })
        .collect();
    files.sort();
    files
}

/// Puts one style in the place of those that a page names, each in a line of its own: a browser shows nothing before it has
/// them all.
fn one_style(html: &str, files: &mut Vec<(String, Vec<u8>)>) -> String {
    let (mut all, mut left) = (Vec::new(), String::with_capacity(html.len()));
    for line in html.lines() {
        let name =
            line.strip_prefix("<link rel=\"stylesheet\" href=\"assets/").and_then(|rest| rest.strip_suffix("\">"));
        let Some(at) = name.and_then(|name| files.iter().position(|(file, _)| file == name)) else {
            left.extend([line, "\n"]);
            continue;
        };
        if all.is_empty() {
            left.push_str("<link rel=\"stylesheet\" href=\"assets/page.css\">\n");
        }
        all.extend(files.remove(at).1);
    }
    if !all.is_empty() {
        files.push(("page.css".into(), all));
    }
    left
}

/// The same page is at another path, for good.
fn redirected(to: String) -> HttpResponse {
    HttpResponse::PermanentRedirect().insert_header((LOCATION, to)).finish()
}

/// GET and HEAD, answered without waiting for anything.
fn answered(paths: &[&str], answer: impl Fn(&HttpRequest) -> HttpResponse + Clone + 'static) -> Resource {
    let handler = move |request: HttpRequest| {
        let answer = answer.clone();
        async move { answer(&request) }
    };
    let resource = web::resource(paths.to_vec()).route(web::get().to(handler.clone())).route(web::head().to(handler));
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
    if known { guarded(&mut response, true).finish() } else { sent(request, index, &mut response) }
}

/// A file, compressed where that is understood.
fn sent(request: &HttpRequest, file: &File, response: &mut HttpResponseBuilder) -> HttpResponse {
    let (gzip, plain) = (Encoding::gzip(), Encoding::identity());
    let taken = request.headers().contains_key(ACCEPT_ENCODING).then(|| AcceptEncoding::parse(request).ok()).flatten();
    let taken = taken.and_then(|taken| taken.negotiate([&gzip, &plain].into_iter()));
    guarded(response, file.is_document).insert_header(("Content-Type", file.kind));
    match &file.gzip {
        Some(packed) if taken == Some(gzip) => response.insert_header((CONTENT_ENCODING, "gzip")).body(packed.clone()),
        _ => response.body(file.plain.clone()),
    }
}

/// What every answer of a page tells a browser, and what documents do besides.
fn guarded(response: &mut HttpResponseBuilder, is_document: bool) -> &mut HttpResponseBuilder {
    response.insert_header((CONTENT_SECURITY_POLICY, if is_document { POLICY } else { "default-src 'none'" }));
    response
        .insert_header((X_CONTENT_TYPE_OPTIONS, "nosniff"))
        .insert_header((REFERRER_POLICY, "no-referrer"))
        .insert_header((VARY, "Accept-Encoding"))
}

#[cfg(test)]
mod tests;
