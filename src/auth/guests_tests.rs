//! Guests come, come back, are renewed and are forgotten.

use std::sync::Arc;

use super::*;
use crate::auth::memory_meta::MemoryMeta;

const DAY: i64 = 86_400_000;

fn guests() -> (Arc<MemoryMeta>, Guests) {
    let meta = Arc::new(MemoryMeta::default());
    let shelf = meta.shelf();
    (meta, Guests::new(true, Duration::from_millis(DAY as u64), shelf))
}

#[actix::test]
async fn a_guest_arrives_under_its_wish_and_comes_back_as_the_same() {
    let (meta, guests) = guests();
    let ann = guests.arrive(Some("ann"), Wall(1_000)).await.unwrap();
    assert!(ann.user.as_str().starts_with("~ann-") && ann.standing == Standing::Guest);
    assert_eq!(ann.expires_at, Wall(1_000 + DAY));
    assert_eq!(meta.keys(), [format!("guest/{}", ann.user)]);
    assert_eq!(guests.return_with(&ann.token, Wall(2_000)).await.unwrap(), ann);
    assert_eq!(guests.check(&ann.token, Wall(2_000)).await.unwrap(), ann);
    assert!(guests.arrive(None, Wall(0)).await.unwrap().user.as_str().starts_with("~guest-"));
    let debug = format!("{ann:?}");
    assert!(!debug.contains(&ann.token), "{debug}");
}

#[actix::test]
async fn a_name_that_is_taken_is_tried_again_and_a_bad_wish_is_refused() {
    let (meta, guests) = guests();
    meta.fail_next(WriteError::Conflict("guest/~ann-aaaaa".into()));
    assert!(guests.arrive(Some("ann"), Wall(0)).await.is_ok());
    assert_eq!(meta.batches().len(), 2);
    assert!(matches!(guests.arrive(Some("Ann!"), Wall(0)).await, Err(AuthError::BadName(_))));
    meta.fail_next(WriteError::Unavailable("reopening".into()));
    assert!(matches!(guests.arrive(None, Wall(0)).await, Err(AuthError::Unavailable(_))));
}

#[actix::test]
async fn a_token_that_is_foreign_altered_or_expired_lets_nobody_in() {
    let (_, guests) = guests();
    let ann = guests.arrive(Some("ann"), Wall(0)).await.unwrap();
    let bob = guests.arrive(Some("bob"), Wall(0)).await.unwrap();
    let swapped = ann.token.replace(ann.user.as_str(), bob.user.as_str());
    let nobody = ann.token.replace(ann.user.as_str(), "~eve-aaaaa");
    for bad in ["", "x", &swapped, &nobody] {
        assert_eq!(guests.return_with(bad, Wall(1)).await, Err(AuthError::Unauthenticated), "{bad}");
    }
    assert!(guests.check(&ann.token, Wall(DAY - 1)).await.is_ok());
    for done in [guests.return_with(&ann.token, Wall(DAY)).await, guests.check(&ann.token, Wall(DAY)).await] {
        assert_eq!(done, Err(AuthError::Unauthenticated));
    }
}

#[actix::test]
async fn a_token_in_use_lives_on_and_a_lost_race_for_it_does_no_harm() {
    let (meta, guests) = guests();
    let ann = guests.arrive(None, Wall(0)).await.unwrap();
    assert_eq!(guests.return_with(&ann.token, Wall(DAY / 2)).await.unwrap().expires_at, Wall(DAY));
    meta.fail_next(WriteError::Conflict("raced".into()));
    let late = Wall(DAY / 2 + 1);
    assert_eq!(guests.return_with(&ann.token, late).await.unwrap().expires_at, Wall(DAY));
    let longer = Wall(late.0 + DAY);
    assert_eq!(guests.return_with(&ann.token, late).await.unwrap().expires_at, longer);
    assert_eq!(guests.check(&ann.token, Wall(DAY + 1)).await.unwrap().expires_at, longer);
}

#[actix::test]
async fn where_guests_are_off_none_is_let_in_with_or_without_a_token() {
    let (_, on) = guests();
    let ann = on.arrive(None, Wall(0)).await.unwrap();
    let off = Guests { on: false, ..on };
    assert_eq!(off.arrive(None, Wall(0)).await, Err(AuthError::Forbidden));
    assert_eq!(off.return_with(&ann.token, Wall(1)).await, Err(AuthError::Forbidden));
    assert_eq!(off.check(&ann.token, Wall(1)).await, Err(AuthError::Forbidden));
}

#[actix::test]
async fn a_purge_removes_the_expired_with_all_that_was_theirs_and_nobody_else() {
    let (meta, guests) = guests();
    let ann = guests.arrive(Some("ann"), Wall(0)).await.unwrap().user;
    let bob = guests.arrive(Some("bob"), Wall(DAY)).await.unwrap().user;
    for user in [&ann, &bob] {
        meta.put(&format!("seen/{user}"), "1");
        for n in 0..450 {
            meta.put(&format!("m/{user}/room-{n}"), "{}");
            meta.put(&format!("c/room-{n}/{user}"), "{}");
        }
    }
    assert_eq!(guests.purge_expired(Wall(DAY)).await, Ok(1));
    let left = meta.keys();
    assert!(left.iter().all(|key| !key.contains(ann.as_str())), "{left:?}");
    assert_eq!(left.len(), 2 + 2 * 450);
    assert!(meta.batches().iter().all(|&ops| ops <= 3 * PAGE + 2));
    assert_eq!(guests.purge_expired(Wall(DAY)).await, Ok(0));
}

#[actix::test]
async fn a_purge_of_many_pages_finds_them_all() {
    let (meta, guests) = guests();
    for _ in 0..2 * PAGE + 10 {
        guests.arrive(None, Wall(0)).await.unwrap();
    }
    let kept = guests.arrive(None, Wall(1)).await.unwrap();
    assert_eq!(guests.purge_expired(Wall(DAY)).await, Ok(2 * PAGE + 10));
    assert_eq!(meta.keys(), [format!("guest/{}", kept.user)]);
}

#[actix::test]
async fn a_guest_who_was_renewed_while_a_purge_looked_stays() {
    let (meta, guests) = guests();
    guests.arrive(None, Wall(0)).await.unwrap();
    meta.fail_next(WriteError::Conflict("renewed".into()));
    assert_eq!(guests.purge_expired(Wall(DAY)).await, Ok(0));
    assert_eq!(meta.keys().len(), 1);
}
