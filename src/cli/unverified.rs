//! TLS to a server whose certificate is not looked at: for a question from its own machine that carries no secret, to an
//! address that the certificate need not name.

use std::io::{self, Read, Write};
use std::sync::Arc;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, WebPkiSupportedAlgorithms, ring};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{ClientConfig, ClientConnection, DigitallySignedStruct, Error, SignatureScheme, StreamOwned};

/// Speaks TLS over `stream`.
pub(super) fn over<S: Read + Write>(stream: S) -> io::Result<StreamOwned<ClientConnection, S>> {
    let provider = ring::default_provider();
    let any = Arc::new(Any(provider.signature_verification_algorithms));
    let other = |why: Error| io::Error::other(why.to_string());
    let builder = ClientConfig::builder_with_provider(Arc::<CryptoProvider>::new(provider));
    let builder = builder.with_safe_default_protocol_versions().map_err(other)?;
    let config = builder.dangerous().with_custom_certificate_verifier(any).with_no_client_auth();
    let name = ServerName::try_from("localhost").map_err(|why| io::Error::other(why.to_string()))?;
    let connection = ClientConnection::new(Arc::new(config), name).map_err(other)?;
    Ok(StreamOwned::new(connection, stream))
}

/// Takes any certificate whose key the server has.
#[derive(Debug)]
struct Any(WebPkiSupportedAlgorithms);

impl ServerCertVerifier for Any {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        rustls::crypto::verify_tls12_signature(message, cert, signed, &self.0)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        rustls::crypto::verify_tls13_signature(message, cert, signed, &self.0)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.supported_schemes()
    }
}
