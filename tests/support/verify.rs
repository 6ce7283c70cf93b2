//! How a backend sees that a request is from Parlor. The page about webhooks shows it as it stands here.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

/// Whether a request with these headers and this body was signed with `key`. A receiver has to look at the time as well:
/// what is older than five minutes may be somebody else's copy.
pub fn is_signed(key: &[u8], id: &str, timestamp: &str, signature: &str, body: &[u8]) -> bool {
    let signed = |one: &str| {
        let Some(code) = one.strip_prefix("v1,").and_then(|code| STANDARD.decode(code).ok()) else { return false };
        let mut mac = Hmac::<Sha256>::new_from_slice(key).expect("a key of any length will do");
        mac.update(format!("{id}.{timestamp}.").as_bytes());
        mac.update(body);
        // Takes as long wherever the first difference is.
        mac.verify_slice(&code).is_ok()
    };
    signature.split(' ').any(signed)
}
