//! People whom another service vouches for come, go, and are kept apart from those with a password.

use std::sync::Arc;
use std::time::Duration;

use jsonwebtoken::{EncodingKey, Header, encode};
use serde_json::json;

use super::*;
use crate::auth::memory_meta::MemoryMeta;
use crate::auth::{AccountError, Blocking, Gate, Login, Order, OrderError, Password, Report, Still};
use crate::config::{Algorithm, Argon2, Config, JwtKey};
use crate::model::Standing;

const SECRET: &str = "a secret of more than thirty-two bytes";

fn gate() -> (Arc<MemoryMeta>, Gate) {
    let meta = Arc::new(MemoryMeta::default());
    let mut config = Config::default();
    config.auth.argon2 = Argon2 { memory_kib: 8, passes: 1, lanes: 1, at_once: 2 };
    config.jwt.algorithm = Some(Algorithm::Hs256);
    config.jwt.key = JwtKey::Text(SECRET.to_owned());
    config.jwt.leeway = Duration::from_secs(2);
    config.rates.enabled = false;
    let aside: Blocking = Arc::new(|read| drop(std::thread::spawn(read)));
    let gate = Gate::new(&config, Arc::clone(&meta) as _, aside).unwrap();
    (meta, gate)
}

/// A token of `user` that ends so many seconds after 1970.
fn token(user: &str, ends: i64) -> String {
    let claims = json!({"sub": user, "exp": ends});
    encode(&Header::default(), &claims, &EncodingKey::from_secret(SECRET.as_bytes())).unwrap()
}

fn password() -> Password {
    Password::new("correct horse")
}

#[actix::test]
async fn whoever_comes_for_the_first_time_has_an_account_from_then_on() {
    let (meta, gate) = gate();
    let token = token("ann", 10);
    for _ in 0..2 {
        let ann = gate.return_with(&token, Wall(0)).await.unwrap();
        assert_eq!((ann.user.as_str(), ann.standing, ann.expires_at), ("ann", Standing::Account, Wall(10_000)));
        assert_eq!(ann.token, token);
    }
    assert_eq!(meta.keys(), ["user/ann"], "nothing is kept of the token");
    let Report::Accounts(rows, _) = gate.obey(Order::List { after: None }, Wall(0)).await.unwrap() else { panic!() };
    assert!(rows[0].login == Login::External && !rows[0].operator);
}

#[actix::test]
async fn an_account_is_either_the_other_services_or_has_a_password() {
    let (_, gate) = gate();
    gate.return_with(&token("ann", 10), Wall(0)).await.unwrap();
    let made = gate.register("ann", password(), None, None, Wall(0)).await;
    assert_eq!(made, Err(AccountError::Taken));
    for tried in ["", "correct horse"] {
        let login = gate.login("ann", Password::new(tried), None, Wall(0)).await;
        assert_eq!(login.unwrap_err(), AccountError::Wrong);
    }
    let given = gate.obey(Order::Password { user: "ann".into(), password: password() }, Wall(0)).await;
    assert_eq!(given, Err(OrderError::Account(AccountError::NoAccount)));
    let changed = gate.change_password(&token("ann", 10), password(), password(), None, Wall(0)).await;
    assert_eq!(changed, Err(AccountError::NoAccount));
    gate.register("bob", password(), None, None, Wall(0)).await.unwrap();
    assert_eq!(gate.return_with(&token("bob", 10), Wall(0)).await, Err(AuthError::Unauthenticated));
}

#[actix::test]
async fn a_logout_voids_the_token_in_whatever_way_it_is_written_and_no_other() {
    let (meta, gate) = gate();
    let (first, second) = (token("ann", 10), token("ann", 11));
    let came = gate.return_with(&first, Wall(0)).await.unwrap();
    let stays = gate.return_with(&second, Wall(0)).await.unwrap();
    gate.logout(&first, Wall(0)).await.unwrap();
    assert_eq!(gate.check(&first, Wall(0)).await, Err(AuthError::Unauthenticated));
    assert_eq!(gate.logout(&first, Wall(0)).await, Err(AuthError::Unauthenticated));
    assert_eq!(gate.look_again(&came, Wall(0)).await, Ok(Still::Gone));
    assert!(matches!(gate.look_again(&stays, Wall(0)).await, Ok(Still::Good(_))));
    // It is remembered for as long as the token would have been taken.
    gate.purge_expired(Wall(11_999)).await.unwrap();
    assert_eq!(meta.keys().len(), 2, "{:?}", meta.keys());
    gate.purge_expired(Wall(12_000)).await.unwrap();
    assert_eq!(meta.keys(), ["user/ann"]);
    assert_eq!(gate.check(&first, Wall(12_000)).await, Err(AuthError::Unauthenticated));
}

#[actix::test]
async fn an_operator_disables_them_and_makes_them_operators_as_any_other() {
    let (_, gate) = gate();
    let token = token("ann", 10);
    let came = gate.return_with(&token, Wall(0)).await.unwrap();
    gate.obey(Order::Role { user: "ann".into(), operator: true }, Wall(0)).await.unwrap();
    assert_eq!(gate.check(&token, Wall(0)).await.unwrap().standing, Standing::Operator);
    gate.obey(Order::Disable("ann".into()), Wall(0)).await.unwrap();
    assert_eq!(gate.check(&token, Wall(0)).await, Err(AuthError::Unauthenticated));
    assert_eq!(gate.look_again(&came, Wall(0)).await, Ok(Still::Void));
    // Enabled again she comes with a token that was made since, and with no other.
    gate.obey(Order::Disable("ann".into()), Wall(3000)).await.unwrap();
    gate.obey(Order::Enable("ann".into()), Wall(4000)).await.unwrap();
    assert_eq!(gate.check(&token, Wall(4000)).await, Err(AuthError::Unauthenticated));
    let made = |at: i64| {
        let claims = json!({"sub": "ann", "exp": 10, "iat": at});
        encode(&Header::default(), &claims, &EncodingKey::from_secret(SECRET.as_bytes())).unwrap()
    };
    assert_eq!(gate.check(&made(2), Wall(4000)).await, Err(AuthError::Unauthenticated));
    assert!(gate.check(&made(3), Wall(4000)).await.is_ok());
}

#[actix::test]
async fn many_who_come_at_once_are_one_account() {
    let (meta, gate) = gate();
    let token = token("ann", 10);
    let all = futures_util::future::join_all((0..16).map(|_| gate.return_with(&token, Wall(0)))).await;
    assert!(all.iter().all(Result::is_ok), "{all:?}");
    assert_eq!(meta.keys(), ["user/ann"]);
}
