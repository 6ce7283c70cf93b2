//! Tokens that another service signs: the good ones are read, and everything else is refused.

use std::sync::LazyLock;
use std::time::Duration;

use base64::Engine;
use jsonwebtoken::{Algorithm as Alg, EncodingKey, Header, encode};
use proptest::prelude::*;
use serde_json::json;

use super::*;
use crate::model::cases::{damaged_text, many};

const SECRET: &str = "a secret of more than thirty-two bytes";
const RSA: &str = include_str!("keys/rsa.pem");
const OTHER_RSA: &str = include_str!("keys/rsa.other.pem");
const RSA_PRIVATE: &str = include_str!("keys/rsa.private.pem");
const ED: &str = include_str!("keys/ed25519.pem");
const ED_PRIVATE: &str = include_str!("keys/ed25519.private.pem");
/// 2026-11-23.
const NOW: i64 = 1_795_392_000;

fn rules(algorithm: Algorithm, key: &str) -> config::Jwt {
    config::Jwt {
        algorithm: Some(algorithm),
        key: JwtKey::Text(key.to_owned()),
        issuer: Some("shop".into()),
        audience: Some("parlor".into()),
        user_claim: "sub".into(),
        channels_claim: "channels".into(),
        leeway: Duration::from_secs(30),
    }
}

fn verifier(algorithm: Algorithm, key: &str) -> Verifier {
    Verifier::new(&rules(algorithm, key)).unwrap().unwrap()
}

fn claims() -> Value {
    json!({"sub": "ann", "iss": "shop", "aud": "parlor", "exp": NOW + 60})
}

fn signed(algorithm: Alg, claims: &Value) -> String {
    let key = match algorithm {
        Alg::RS256 | Alg::RS512 | Alg::PS256 => EncodingKey::from_rsa_pem(RSA_PRIVATE.as_bytes()).unwrap(),
        Alg::EdDSA => EncodingKey::from_ed_pem(ED_PRIVATE.as_bytes()).unwrap(),
        _ => EncodingKey::from_secret(SECRET.as_bytes()),
    };
    encode(&Header::new(algorithm), claims, &key).unwrap()
}

fn now() -> Wall {
    Wall(NOW * 1000)
}

/// What a token with this in place of a good one's claim comes to.
fn with(claim: &str, value: Value) -> Option<Claims> {
    let mut claims = claims();
    claims[claim] = value;
    if claims[claim].is_null() {
        claims.as_object_mut().unwrap().remove(claim);
    }
    verifier(Algorithm::Hs256, SECRET).read(&signed(Alg::HS256, &claims), now())
}

#[test]
fn a_good_token_says_who_it_is_until_when_and_where_he_may_go() {
    let several = format!("{OTHER_RSA}{RSA}");
    for (algorithm, key, sign) in [
        (Algorithm::Hs256, SECRET, Alg::HS256),
        (Algorithm::Rs256, RSA, Alg::RS256),
        (Algorithm::Rs256, &several, Alg::RS256),
        (Algorithm::EdDsa, ED, Alg::EdDSA),
    ] {
        let read = verifier(algorithm, key).read(&signed(sign, &claims()), now()).unwrap();
        assert_eq!((read.user.as_str(), read.expires_at.0), ("ann", (NOW + 60) * 1000));
        assert_eq!(read.grants, Grants::Any);
    }
    let read = with("channels", json!(["support", "team-*"])).unwrap();
    assert_eq!(read.grants, Grants::Only(vec!["support".into(), "team-*".into()]));
}

#[test]
fn a_token_that_ended_or_has_not_begun_is_refused_but_for_the_leeway() {
    for (claim, offset, good) in [
        ("exp", -29, true),
        ("exp", -30, false),
        ("exp", -3600, false),
        ("nbf", 30, true),
        ("nbf", 31, false),
        ("iat", 3600, false),
    ] {
        assert_eq!(with(claim, json!(NOW + offset)).is_some(), good, "{claim} {offset}");
    }
    for bad in [Value::Null, json!("soon"), json!(-1), json!(1e300), json!([NOW + 60])] {
        assert!(with("exp", bad.clone()).is_none(), "exp {bad}");
    }
    assert!(with("nbf", json!("now")).is_none());
}

#[test]
fn a_token_of_another_issuer_or_for_another_audience_is_refused() {
    for (claim, value, good) in [
        ("iss", json!("mallory"), false),
        ("iss", Value::Null, false),
        ("iss", json!(["shop"]), false),
        ("aud", json!("mail"), false),
        ("aud", Value::Null, false),
        ("aud", json!([]), false),
        ("aud", json!(["mail", "parlor"]), true),
        ("aud", json!({"parlor": true}), false),
    ] {
        assert_eq!(with(claim, value.clone()).is_some(), good, "{claim} {value}");
    }
    let nobody = Verifier::new(&config::Jwt { audience: None, ..rules(Algorithm::Hs256, SECRET) }).unwrap().unwrap();
    assert!(nobody.read(&signed(Alg::HS256, &claims()), now()).is_none(), "it is for someone, and that is not us");
}

#[test]
fn only_an_accounts_name_is_a_user_and_only_an_array_of_names_a_grant() {
    for bad in [Value::Null, json!(""), json!("Ann"), json!("~ann-aaaaa"), json!("@ann"), json!(7), json!("a/b")] {
        assert!(with("sub", bad.clone()).is_none(), "sub {bad}");
    }
    for bad in [json!("lobby"), json!([1]), json!({})] {
        assert!(with("channels", bad.clone()).is_none(), "channels {bad}");
    }
    assert_eq!(with("channels", json!([])).unwrap().grants, Grants::Only(vec![]));
}

#[test]
fn a_token_without_a_signature_is_refused() {
    let part = |value: &Value| base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(value.to_string());
    for alg in ["none", "None", "NONE", "nOnE", ""] {
        let head = part(&json!({"alg": alg, "typ": "JWT"}));
        for end in ["", "x"] {
            let token = format!("{head}.{}.{end}", part(&claims()));
            assert!(verifier(Algorithm::Hs256, SECRET).read(&token, now()).is_none(), "{alg}");
            assert!(verifier(Algorithm::Rs256, RSA).read(&token, now()).is_none(), "{alg}");
        }
    }
}

#[test]
fn a_key_is_good_for_its_own_algorithm_alone() {
    // The public key, known to all, taken for a shared secret.
    let forged = encode(&Header::new(Alg::HS256), &claims(), &EncodingKey::from_secret(RSA.as_bytes())).unwrap();
    assert!(verifier(Algorithm::Rs256, RSA).read(&forged, now()).is_none());
    assert_eq!(
        Verifier::new(&rules(Algorithm::Hs256, RSA)).err(),
        Some(KeyError::NoKey("a secret of at least 32 bytes (RFC 7518, section 3.2)"))
    );
    for algorithm in [Alg::HS384, Alg::HS512] {
        assert!(verifier(Algorithm::Hs256, SECRET).read(&signed(algorithm, &claims()), now()).is_none());
    }
    for algorithm in [Alg::RS512, Alg::PS256, Alg::EdDSA, Alg::HS256] {
        assert!(verifier(Algorithm::Rs256, RSA).read(&signed(algorithm, &claims()), now()).is_none(), "{algorithm:?}");
    }
    assert!(verifier(Algorithm::Rs256, OTHER_RSA).read(&signed(Alg::RS256, &claims()), now()).is_none());
}

#[test]
fn a_head_with_something_critical_or_with_a_key_of_its_own_does_not_help() {
    let key = EncodingKey::from_secret(SECRET.as_bytes());
    let critical = Header { crit: Some(vec!["b64".into()]), ..Header::new(Alg::HS256) };
    assert!(verifier(Algorithm::Hs256, SECRET).read(&encode(&critical, &claims(), &key).unwrap(), now()).is_none());
    let mine = EncodingKey::from_secret(b"another secret of more than 32 bytes");
    let named = Header { jku: Some("https://mallory.example/keys".into()), ..Header::new(Alg::HS256) };
    assert!(verifier(Algorithm::Hs256, SECRET).read(&encode(&named, &claims(), &mine).unwrap(), now()).is_none());
}

#[test]
fn what_is_no_public_key_is_refused_when_the_server_starts() {
    for (algorithm, key) in [
        (Algorithm::Rs256, ""),
        (Algorithm::Rs256, "nonsense"),
        (Algorithm::Rs256, RSA_PRIVATE),
        (Algorithm::Rs256, ED),
        (Algorithm::EdDsa, RSA),
        (Algorithm::EdDsa, ED_PRIVATE),
        (Algorithm::Hs256, "short"),
    ] {
        assert!(Verifier::new(&rules(algorithm, key)).is_err(), "{algorithm:?}");
    }
    let gone = config::Jwt { key: JwtKey::File("/nowhere/key.pem".into()), ..rules(Algorithm::Rs256, "") };
    assert!(matches!(Verifier::new(&gone), Err(KeyError::Unreadable(_))));
    assert!(Verifier::new(&config::Jwt { algorithm: None, ..gone }).unwrap().is_none());
}

proptest! {
    #![proptest_config(many())]

    #[test]
    fn no_text_makes_reading_panic_or_passes(text in ".{0,200}") {
        prop_assert!(GOOD.iter().all(|(_, verifier)| verifier.read(&text, now()).is_none()));
    }

    #[test]
    fn a_damaged_token_is_refused_whichever_part_is_hit(part in 0usize..4, seed: u64, which in 0usize..3) {
        let (good, verifier) = &GOOD[which];
        let mut parts: Vec<String> = good.split('.').map(str::to_owned).collect();
        match parts.get_mut(part) {
            Some(part) => *part = damaged_text(part, seed),
            None => parts = vec![damaged_text(good, seed)],
        }
        let text = parts.join(".");
        prop_assert!(verifier.read(good, now()).is_some());
        prop_assert!(text == *good || verifier.read(&text, now()).is_none(), "{}", text);
    }

    #[test]
    fn what_was_signed_is_not_to_be_said_in_other_words(
        claim in proptest::sample::select(&CLAIMS[..]), value: u32, which in 0usize..3,
    ) {
        let encode = |value: &Value| base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(value.to_string());
        let mut other = claims();
        other[claim] = if claim == "exp" { (NOW + i64::from(value)).into() } else { format!("u{value}").into() };
        let (good, verifier) = &GOOD[which];
        let parts: Vec<&str> = good.split('.').collect();
        let forged = format!("{}.{}.{}", parts[0], encode(&other), parts[2]);
        prop_assert!(verifier.read(&forged, now()).is_none());
    }
}

const CLAIMS: [&str; 4] = ["sub", "exp", "channels", "admin"];

/// A good token of each algorithm, and who verifies it.
static GOOD: LazyLock<[(String, Verifier); 3]> = LazyLock::new(|| {
    let of = |algorithm, key, sign| (signed(sign, &claims()), verifier(algorithm, key));
    [
        of(Algorithm::Hs256, SECRET, Alg::HS256),
        of(Algorithm::EdDsa, ED, Alg::EdDSA),
        of(Algorithm::Rs256, RSA, Alg::RS256),
    ]
});
