//! Certificates made for a test, and clients that trust them alone.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::{Arc, LazyLock};

use parlor::config::Tls;
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use super::link::tcp;

/// Who signs all of them.
static AUTHORITY: LazyLock<CertifiedIssuer<'static, KeyPair>> = LazyLock::new(|| {
    let mut params = CertificateParams::new(Vec::new()).expect("no names");
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    CertifiedIssuer::self_signed(params, KeyPair::generate().expect("a key")).expect("an authority")
});

/// A certificate for the loopback and its key, as PEM.
pub fn certificate() -> (String, String) {
    let names = vec!["127.0.0.1".to_owned(), "localhost".to_owned()];
    let key = KeyPair::generate().expect("a key");
    let cert = CertificateParams::new(names).expect("names").signed_by(&key, &AUTHORITY).expect("a certificate");
    (cert.pem(), key.serialize_pem())
}

/// A new certificate's files in `dir`.
pub fn files(dir: &Path) -> Tls {
    let tls = Tls { cert: dir.join("cert.pem"), key: dir.join("key.pem") };
    let (cert, key) = certificate();
    std::fs::write(&tls.cert, cert).expect("the certificate is written");
    std::fs::write(&tls.key, key).expect("the key is written");
    tls
}

/// A TLS connection on which nothing was said, and one of these protocols was agreed on.
pub async fn connect(to: SocketAddr, narrow: bool, protocols: &[&str]) -> Result<TlsStream<TcpStream>, String> {
    let mut roots = RootCertStore::empty();
    roots.add(AUTHORITY.der().clone()).expect("the authority is one");
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
    let mut config = builder.expect("versions").with_root_certificates(roots).with_no_client_auth();
    config.alpn_protocols = protocols.iter().map(|name| name.as_bytes().to_vec()).collect();
    let stream = tcp(to, narrow).await?;
    let name = ServerName::from(to.ip());
    TlsConnector::from(Arc::new(config)).connect(name, stream).await.map_err(|why| format!("no TLS: {why}"))
}

/// The certificate that the server shows.
pub async fn shown(to: SocketAddr) -> CertificateDer<'static> {
    let stream = connect(to, false, &[]).await.unwrap_or_else(|why| panic!("{why}"));
    let chain = stream.get_ref().1.peer_certificates().expect("it shows one");
    chain[0].clone().into_owned()
}
