//! A file of a page: what it is, and its bytes as they are and compressed.

use std::io::Write;

use bytes::Bytes;
use flate2::Compression;
use flate2::write::GzEncoder;

use super::lean::lean;

/// A file of a page.
pub(super) struct File {
    /// Its media type.
    pub(super) kind: &'static str,
    /// Whether a browser may show it by itself, so that it needs a policy.
    pub(super) is_document: bool,
    /// Its bytes.
    pub(super) plain: Bytes,
    /// The same compressed, where that is less.
    pub(super) gzip: Option<Bytes>,
}

impl File {
    /// A file of this name with these bytes; scripts and styles are sent without comments.
    pub(super) fn new(name: &str, plain: Vec<u8>) -> Self {
        let plain = match name.rsplit_once('.') {
            Some((_, "js" | "css")) => lean(&String::from_utf8_lossy(&plain)).into_bytes(),
            _ => plain,
        };
        let packed = gzip(&plain).filter(|packed| packed.len() < plain.len());
        // Whatever a browser may show by itself.
        let is_document = matches!(name.rsplit_once('.'), Some((_, "html" | "svg")));
        Self { is_document, kind: kind(name), plain: plain.into(), gzip: packed.map(Bytes::from) }
    }
}

/// The media type by the name's ending.
fn kind(name: &str) -> &'static str {
    match name.rsplit_once('.').map(|(_, ending)| ending) {
        Some("html") => "text/html; charset=utf-8",
        Some("css") => "text/css; charset=utf-8",
        Some("js") => "text/javascript; charset=utf-8",
        Some("svg") => "image/svg+xml",
        _ => "application/octet-stream",
    }
}

fn gzip(plain: &[u8]) -> Option<Vec<u8>> {
    let mut packer = GzEncoder::new(Vec::new(), Compression::best());
    packer.write_all(plain).ok()?;
    packer.finish().ok()
}
