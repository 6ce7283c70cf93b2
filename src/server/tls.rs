//! The certificate: read when the server starts, and anew when its files have changed. A new one that cannot be used leaves
//! the old one in its place.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::RwLock;
use rustls::ServerConfig;
use rustls::crypto::{CryptoProvider, ring};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use tokio::signal::unix::{SignalKind, signal};
use tokio_rustls::TlsAcceptor;

use crate::cli::ServeError;
use crate::config::Tls;

/// How often the files are looked at.
const LOOK_EVERY: Duration = Duration::from_secs(2);
/// What is offered to a client, the better first (RFC 7301).
const PROTOCOLS: [&[u8]; 2] = [b"h2", b"http/1.1"];

/// A certificate that may be replaced while the server runs.
#[derive(Debug)]
pub(super) struct Certificate {
    files: Tls,
    provider: Arc<CryptoProvider>,
    current: RwLock<Arc<CertifiedKey>>,
}

impl Certificate {
    /// Reads it.
    pub fn read(files: &Tls) -> Result<Arc<Self>, ServeError> {
        let provider = Arc::new(ring::default_provider());
        let current = load(files, &provider).map_err(ServeError::Tls)?;
        Ok(Arc::new(Self { files: files.clone(), provider, current: RwLock::new(Arc::new(current)) }))
    }

    /// What takes connections with it: TLS 1.2 and 1.3, HTTP/2 and HTTP/1.1.
    pub fn acceptor(self: &Arc<Self>) -> Result<TlsAcceptor, ServeError> {
        let builder =
            ServerConfig::builder_with_provider(Arc::clone(&self.provider)).with_safe_default_protocol_versions();
        let builder = builder.map_err(|why| ServeError::Tls(why.to_string()))?;
        let mut config = builder.with_no_client_auth().with_cert_resolver(Arc::clone(self) as _);
        config.alpn_protocols = PROTOCOLS.map(<[u8]>::to_vec).into();
        Ok(TlsAcceptor::from(Arc::new(config)))
    }

    /// Reads it anew whenever its files have changed, and at SIGHUP whether they have or not. Does not end.
    pub async fn keep_fresh(self: Arc<Self>) {
        let mut hangup = signal(SignalKind::hangup()).ok();
        let mut known = self.stamp();
        loop {
            let asked = async {
                match &mut hangup {
                    Some(hangup) => drop(hangup.recv().await),
                    None => std::future::pending().await,
                }
            };
            let asked = tokio::time::timeout(LOOK_EVERY, asked).await.is_ok();
            let now = self.stamp();
            if !asked && now == known {
                continue;
            }
            // A change that gives nothing usable is not tried again, but the next one is.
            known = now;
            match load(&self.files, &self.provider) {
                Ok(fresh) => {
                    *self.current.write() = Arc::new(fresh);
                    log::info!("the certificate was read anew from {}", self.files.cert.display());
                }
                Err(why) => log::error!("the certificate stays as it was: {why}"),
            }
        }
    }

    /// What changes with the files.
    fn stamp(&self) -> [Option<(u64, u64, i64, i64)>; 2] {
        [&self.files.cert, &self.files.key].map(|path| {
            let seen = fs::metadata(path).ok()?;
            Some((seen.ino(), seen.size(), seen.mtime(), seen.mtime_nsec()))
        })
    }
}

impl ResolvesServerCert for Certificate {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(Arc::clone(&self.current.read()))
    }
}

/// Reads both files, and sees that they go together.
fn load(files: &Tls, provider: &CryptoProvider) -> Result<CertifiedKey, String> {
    let said = |path: &std::path::Path, why: &dyn std::fmt::Display| format!("{}: {why}", path.display());
    let chain: Result<Vec<_>, _> = CertificateDer::pem_file_iter(&files.cert).and_then(Iterator::collect);
    let chain = chain.map_err(|why| said(&files.cert, &why))?;
    if chain.is_empty() {
        return Err(said(&files.cert, &"expected a certificate in PEM, found none"));
    }
    let key = PrivateKeyDer::from_pem_file(&files.key).map_err(|why| said(&files.key, &why))?;
    CertifiedKey::from_der(chain, key, provider).map_err(|why| {
        let both = format!("{} with {}", files.cert.display(), files.key.display());
        format!("{both}: {why}")
    })
}
