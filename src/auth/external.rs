//! Tokens of another service: JWTs (RFC 7519), signed with a key that the configuration names. Pure.
//!
//! A key is good for one algorithm, the configured one, whatever a token's head says (RFC 8725, section 3.1). A token is
//! for whoever is named in it, until it ends; nothing of it is stored.

use jsonwebtoken::{DecodingKey, Validation, decode};
use serde_json::{Map, Value};
use thiserror::Error;

use crate::config::{self, Algorithm, JwtKey};
use crate::model::{Grants, UserName, Wall};

/// The shortest secret for HS256 (RFC 7518, section 3.2), in bytes.
const SECRET_BYTES: usize = 32;
/// What begins a key in PEM (RFC 7468, section 2).
const PEM: &str = "-----BEGIN ";

/// Why no token can be verified.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum KeyError {
    /// The file cannot be read.
    #[error("jwt.key_file: {0}")]
    Unreadable(String),
    /// What is there is no key for the algorithm.
    #[error("jwt.key: expected {0}")]
    NoKey(&'static str),
}

/// What a good token says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Claims {
    /// Whose it is: an account's name.
    pub user: UserName,
    /// When it was made, if it says so.
    pub made: Option<Wall>,
    /// When it ends.
    pub expires_at: Wall,
    /// Until when it is taken, since clocks differ.
    pub good_until: Wall,
    /// Where it lets its user go.
    pub grants: Grants,
}

/// Verifies tokens.
pub struct Verifier {
    keys: Vec<DecodingKey>,
    validation: Validation,
    rules: config::Jwt,
}

impl Verifier {
    /// What the configuration asks for; `None` if it takes no such tokens. Reads the key's file.
    pub fn new(rules: &config::Jwt) -> Result<Option<Self>, KeyError> {
        let Some(algorithm) = rules.algorithm else { return Ok(None) };
        let text = match &rules.key {
            JwtKey::None => return Err(KeyError::NoKey("jwt.key or jwt.key_file")),
            JwtKey::Text(text) => text.clone(),
            JwtKey::File(path) => std::fs::read_to_string(path)
                .map_err(|error| KeyError::Unreadable(format!("{}: {error}", path.display())))?,
        };
        let mut validation = Validation::new(match algorithm {
            Algorithm::Hs256 => jsonwebtoken::Algorithm::HS256,
            Algorithm::Rs256 => jsonwebtoken::Algorithm::RS256,
            Algorithm::EdDsa => jsonwebtoken::Algorithm::EdDSA,
        });
        // All that a token says is judged here, by Parlor's clock.
        validation.validate_exp = false;
        validation.validate_aud = false;
        validation.required_spec_claims.clear();
        Ok(Some(Self { keys: keys(algorithm, text.trim())?, validation, rules: rules.clone() }))
    }

    /// What a token says; `None` if it is not good now.
    pub fn read(&self, token: &str, now: Wall) -> Option<Claims> {
        let read = |key| decode::<Map<String, Value>>(token, key, &self.validation).ok();
        let data = self.keys.iter().find_map(read)?;
        // What a head calls critical has to be understood, and nothing is (RFC 7515, section 4.1.11).
        if data.header.crit.is_some() {
            return None;
        }
        self.judge(&data.claims, now)
    }

    fn judge(&self, claims: &Map<String, Value>, now: Wall) -> Option<Claims> {
        let leeway = self.rules.leeway.as_millis() as i64;
        let ends = time(claims.get("exp")?)?;
        let good_until = Wall(ends.saturating_add(leeway));
        if good_until <= now {
            return None;
        }
        for begins in ["nbf", "iat"].iter().filter_map(|claim| claims.get(*claim)) {
            if time(begins)?.saturating_sub(leeway) > now.0 {
                return None;
            }
        }
        if let Some(issuer) = &self.rules.issuer
            && claims.get("iss")?.as_str()? != issuer
        {
            return None;
        }
        if !self.is_for_us(claims.get("aud")) {
            return None;
        }
        let made = claims.get("iat").and_then(time).map(Wall);
        let user = UserName::parse(claims.get(&self.rules.user_claim)?.as_str()?).ok()?;
        let grants = match claims.get(&self.rules.channels_claim) {
            None | Some(Value::Null) => Grants::Any,
            Some(names) => {
                let name = |name: &Value| name.as_str().map(str::to_owned);
                Grants::Only(names.as_array()?.iter().map(name).collect::<Option<_>>()?)
            }
        };
        (!user.is_guest()).then_some(Claims { user, made, expires_at: Wall(ends), good_until, grants })
    }

    /// RFC 7519, section 4.1.3.
    fn is_for_us(&self, audience: Option<&Value>) -> bool {
        match (&self.rules.audience, audience) {
            (None, None) => true,
            (Some(us), Some(Value::String(named))) => named == us,
            (Some(us), Some(Value::Array(named))) => named.iter().any(|named| named.as_str() == Some(us)),
            _ => false,
        }
    }
}

/// A time of a token, seconds since 1970 that may have a fraction (RFC 7519, section 2), in milliseconds.
fn time(value: &Value) -> Option<i64> {
    let seconds = value.as_f64().filter(|seconds| (0.0..=1e11).contains(seconds))?;
    Some((seconds * 1000.0) as i64)
}

fn keys(algorithm: Algorithm, text: &str) -> Result<Vec<DecodingKey>, KeyError> {
    if algorithm == Algorithm::Hs256 {
        // A public key is known to all: as a secret it would let anybody sign.
        let secret = text.len() >= SECRET_BYTES && !text.contains(PEM);
        return if secret {
            Ok(vec![DecodingKey::from_secret(text.as_bytes())])
        } else {
            Err(KeyError::NoKey("a secret of at least 32 bytes (RFC 7518, section 3.2)"))
        };
    }
    let (read, expected): (fn(&[u8]) -> _, _) = match algorithm {
        Algorithm::Rs256 => (DecodingKey::from_rsa_pem, "public RSA keys as PEM"),
        _ => (DecodingKey::from_ed_pem, "public Ed25519 keys as PEM"),
    };
    // A private key would do as well; that it is here says that something went wrong.
    let key = |block: &str| {
        let public = block.contains("PUBLIC KEY-----").then(|| format!("{PEM}{block}"));
        public.and_then(|block| read(block.as_bytes()).ok()).ok_or(KeyError::NoKey(expected))
    };
    let keys: Vec<_> = text.split(PEM).skip(1).map(key).collect::<Result<_, _>>()?;
    if keys.is_empty() { Err(KeyError::NoKey(expected)) } else { Ok(keys) }
}

#[cfg(test)]
#[path = "external_tests.rs"]
mod tests;
