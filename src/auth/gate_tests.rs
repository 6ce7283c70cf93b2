//! Accounts are made, logged in to, renewed, changed and switched off, as time goes by.

use std::time::Duration;

use super::*;
use crate::auth::memory_meta::MemoryMeta;
use crate::auth::{Login, Order, OrderError, Report, Row};
use crate::config::{Argon2, Registration};
use crate::model::Standing;
use crate::store::WriteError;

const DAY: i64 = 86_400_000;

/// A gate that registers as said, with tokens of a day.
fn gate(registration: Registration) -> (Arc<MemoryMeta>, Gate) {
    let meta = Arc::new(MemoryMeta::default());
    let mut config = Config::default();
    config.auth.registration = registration;
    config.auth.token_ttl = Duration::from_millis(DAY as u64);
    config.auth.tokens_max = 3;
    config.auth.argon2 = Argon2 { memory_kib: 8, passes: 1, lanes: 1, at_once: 2 };
    config.rates.enabled = false;
    let aside: Blocking = Arc::new(|read| drop(std::thread::spawn(read)));
    let gate = Gate::new(&config, Arc::clone(&meta) as _, aside).unwrap();
    (meta, gate)
}

fn password() -> Password {
    Password::new("correct horse")
}

impl Gate {
    async fn sign_up(&self, name: &str, code: Option<&str>, now: i64) -> Result<UserName, AccountError> {
        self.register(name, password(), code, None, Wall(now)).await
    }

    async fn log_in(&self, name: &str, now: i64) -> Result<Identity, AccountError> {
        self.login(name, password(), None, Wall(now)).await
    }

    /// A new account's token.
    async fn ann(&self) -> Identity {
        self.sign_up("ann", None, 0).await.unwrap();
        self.log_in("ann", 0).await.unwrap()
    }

    async fn order(&self, order: Order) -> Result<Report, OrderError> {
        self.obey(order, Wall(1)).await
    }
}

#[actix::test]
async fn what_is_kept_holds_neither_password_nor_token() {
    let (meta, gate) = gate(Registration::Open);
    let ann = gate.ann().await;
    assert_eq!((ann.user.as_str(), ann.standing, ann.expires_at), ("ann", Standing::Account, Wall(DAY)));
    let keys = meta.keys();
    assert_eq!(keys.len(), 2);
    assert!(keys[0].starts_with("token/ann/") && keys[1] == "user/ann", "{keys:?}");
    let secret = &ann.token[ann.token.len() - 64..];
    for key in keys {
        let text = format!("{key} {}", meta.text(&key).unwrap());
        assert!(!text.contains("horse") && !text.contains(secret), "{text}");
    }
    assert!(!format!("{ann:?}").contains(secret));
}

#[actix::test]
async fn a_token_in_use_lives_on_and_one_that_is_not_ends_and_is_purged() {
    let (meta, gate) = gate(Registration::Open);
    let ann = gate.ann().await;
    let other = gate.log_in("ann", 0).await.unwrap();
    assert_eq!(gate.return_with(&ann.token, Wall(DAY / 2)).await.unwrap().expires_at, Wall(DAY));
    let late = DAY / 2 + 1;
    meta.fail_next(WriteError::Conflict("raced".into()));
    assert_eq!(gate.return_with(&ann.token, Wall(late)).await.unwrap().expires_at, Wall(DAY));
    assert_eq!(gate.return_with(&ann.token, Wall(late)).await.unwrap().expires_at, Wall(DAY + late));
    assert_eq!(gate.check(&other.token, Wall(DAY)).await, Err(AuthError::Unauthenticated));
    assert_eq!(gate.look_again(&other, Wall(DAY)).await, Ok(Still::Void));
    assert_eq!(meta.keys().len(), 3);
    gate.purge_expired(Wall(DAY)).await.unwrap();
    assert_eq!(meta.keys().len(), 2);
    assert!(gate.check(&ann.token, Wall(DAY)).await.is_ok());
    meta.put("m/ann/a", "");
    gate.purge_expired(Wall(DAY + late)).await.unwrap();
    assert_eq!(meta.keys(), ["m/ann/a", "user/ann"], "an account goes by no purge, nor what is its");
    assert!(gate.log_in("ann", 9 * DAY).await.is_ok());
}

#[actix::test]
async fn a_token_that_is_foreign_or_altered_lets_nobody_in() {
    let (meta, gate) = gate(Registration::Open);
    let ann = gate.ann().await;
    gate.sign_up("bob", None, 0).await.unwrap();
    let mut flipped = ann.token.clone();
    let last = if flipped.pop() == Some('0') { '1' } else { '0' };
    flipped.push(last);
    for bad in [
        ann.token.replace("ann", "bob"),
        ann.token.replace("ann", "nobody"),
        ann.token.replace("a1.", "g1."),
        ann.token.replace("a1.ann", "g1.~ann-abcde"),
        flipped,
        String::new(),
        "a1.".into(),
    ] {
        assert_eq!(gate.check(&bad, Wall(1)).await, Err(AuthError::Unauthenticated), "{bad}");
        assert_eq!(gate.logout(&bad, Wall(1)).await, Err(AuthError::Unauthenticated), "{bad}");
    }
    // Only as many digits of the hash as name the record, and not the rest.
    let key = meta.keys().into_iter().find(|key| key.starts_with("token/")).unwrap();
    let row = meta.text(&key).unwrap().replacen(&key[10..], "0000000000000000", 1);
    meta.put(&key, &row);
    assert_eq!(gate.check(&ann.token, Wall(1)).await, Err(AuthError::Unauthenticated));
}

#[actix::test]
async fn a_logout_a_new_password_and_a_disabled_account_are_told_apart() {
    let (meta, gate) = gate(Registration::Open);
    let ann = gate.ann().await;
    let (second, third) = (gate.log_in("ann", 0).await.unwrap(), gate.log_in("ann", 0).await.unwrap());
    gate.logout(&second.token, Wall(1)).await.unwrap();
    assert_eq!(gate.look_again(&second, Wall(1)).await, Ok(Still::Gone));
    let new = Password::new("a better one");
    gate.change_password(&ann.token, password(), new, None, Wall(1)).await.unwrap();
    assert_eq!(meta.keys().len(), 2, "the others are gone");
    assert_eq!(gate.look_again(&third, Wall(1)).await, Ok(Still::Void));
    let Ok(Still::Good(ann)) = gate.look_again(&ann, Wall(1)).await else { panic!("it is good") };
    assert_eq!(ann.standing, Standing::Account);
    assert_eq!(gate.log_in("ann", 1).await, Err(AccountError::Wrong));
    gate.order(Order::Role { user: "ann".into(), operator: true }).await.unwrap();
    let still = gate.look_again(&ann, Wall(1)).await;
    assert!(matches!(still, Ok(Still::Good(now)) if now.standing == Standing::Operator));
    gate.order(Order::Disable("ann".into())).await.unwrap();
    assert_eq!(gate.look_again(&ann, Wall(1)).await, Ok(Still::Void));
    let again = || gate.login("ann", Password::new("a better one"), None, Wall(1));
    assert_eq!(again().await, Err(AccountError::Wrong), "as if the password were wrong");
    gate.order(Order::Enable("ann".into())).await.unwrap();
    assert_eq!(gate.check(&ann.token, Wall(1)).await, Err(AuthError::Unauthenticated), "only by a new login");
    assert_eq!(again().await.unwrap().standing, Standing::Operator);
}

#[actix::test]
async fn a_new_password_that_loses_a_race_is_tried_again_and_one_that_was_changed_meanwhile_is_not() {
    let (meta, gate) = gate(Registration::Open);
    let ann = gate.ann().await;
    meta.fail_next(WriteError::Conflict("raced".into()));
    let new = || Password::new("a better one");
    gate.change_password(&ann.token, password(), new(), None, Wall(1)).await.unwrap();
    let wrong = gate.change_password(&ann.token, password(), new(), None, Wall(1)).await;
    assert_eq!(wrong, Err(AccountError::Wrong));
    meta.fail_next(WriteError::Unknown);
    let unknown = gate.change_password(&ann.token, new(), password(), None, Wall(1)).await;
    assert!(matches!(unknown, Err(AccountError::Auth(AuthError::Unavailable(_)))));
    assert_eq!(gate.voids(), 0, "nobody watches");
}

#[actix::test]
async fn an_invitation_is_good_for_so_many_accounts_and_for_so_long() {
    let (meta, gate) = gate(Registration::Invite);
    let Ok(Report::Code(code)) = gate.order(Order::Invite { uses: 2, days: 1 }).await else { panic!("no code") };
    assert!(!meta.keys()[0].contains(&code));
    assert_eq!(gate.sign_up("ann", None, 1).await, Err(AccountError::Code));
    assert_eq!(gate.sign_up("ann", Some("x"), 1).await, Err(AccountError::Code));
    assert_eq!(gate.sign_up("ann", Some(&code), DAY + 1).await, Err(AccountError::Code));
    assert!(gate.sign_up("ann", Some(&code), 1).await.is_ok());
    assert_eq!(gate.sign_up("ann", Some(&code), 1).await, Err(AccountError::Taken));
    assert!(matches!(gate.sign_up("Bob", Some(&code), 1).await, Err(AccountError::Name(_))));
    assert!(gate.sign_up("bob", Some(&code), 1).await.is_ok(), "what came to nothing has used nothing");
    assert_eq!(gate.sign_up("carol", Some(&code), 1).await, Err(AccountError::Code));
    assert_eq!(meta.keys(), ["user/ann", "user/bob"]);
    gate.order(Order::Invite { uses: 2, days: 1 }).await.unwrap();
    gate.purge_expired(Wall(DAY)).await.unwrap();
    assert_eq!(meta.keys().len(), 3);
    gate.purge_expired(Wall(DAY + 1)).await.unwrap();
    assert_eq!(meta.keys().len(), 2);
}

#[actix::test]
async fn of_those_who_use_an_invitation_at_the_same_time_as_many_get_in_as_it_is_good_for() {
    let (meta, gate) = gate(Registration::Invite);
    let Ok(Report::Code(code)) = gate.order(Order::Invite { uses: 3, days: 1 }).await else { panic!("no code") };
    let (gate, code) = (Arc::new(gate), Arc::<str>::from(code));
    let begin = |n: usize| {
        let (gate, code) = (Arc::clone(&gate), Arc::clone(&code));
        actix::spawn(async move { gate.sign_up(&format!("user-{}", n / 2), Some(&code), 1).await.is_ok() })
    };
    let all: Vec<_> = (0..12).map(begin).collect();
    let mut made = 0;
    for one in all {
        made += usize::from(one.await.unwrap());
    }
    assert_eq!((made, meta.keys().len()), (3, 3));
}

#[actix::test]
async fn orders_make_list_and_change_accounts_whatever_registration_is() {
    let (_, gate) = gate(Registration::Closed);
    let add = |user: &str, operator| Order::Add { user: user.into(), password: password(), operator };
    assert_eq!(gate.order(add("bob", true)).await, Ok(Report::Done));
    assert_eq!(gate.order(add("ann", false)).await, Ok(Report::Done));
    assert_eq!(gate.order(add("ann", false)).await, Err(AccountError::Taken.into()));
    assert!(gate.order(add("Ann", false)).await.is_err());
    gate.order(Order::Disable("ann".into())).await.unwrap();
    let row =
        |user: &str, operator, disabled| Row { user: user.into(), operator, disabled, login: Login::Password, made: 1 };
    let (ann, bob) = (row("ann", false, true), row("bob", true, false));
    assert_eq!(gate.order(Order::List { after: Some("ann".into()) }).await, Ok(Report::Accounts(vec![bob], false)));
    let Ok(Report::Accounts(all, false)) = gate.order(Order::List { after: None }).await else { panic!("no list") };
    assert_eq!((all.len(), &all[0]), (2, &ann));
    let nobody = OrderError::Unknown("carol".into());
    for order in [Order::Disable("carol".into()), Order::Password { user: "carol".into(), password: password() }] {
        assert_eq!(gate.order(order).await.as_ref(), Err(&nobody));
    }
}
