//! A session that has no room: when it is reminded that there is more, and when it is given up.

use std::sync::Arc;

use actix::{Actor, AsyncContext, Context, Handler};

use super::*;
use crate::model::HubId;
use crate::session::messages::SESSION;
use crate::supervise::{Envelope, Life, Probes};

/// A session that nobody runs.
struct Idle;

impl Actor for Idle {
    type Context = Context<Self>;
}

impl Handler<Envelope<SessionIn>> for Idle {
    type Result = ();

    fn handle(&mut self, _: Envelope<SessionIn>, _: &mut Self::Context) {}
}

const LIMIT: usize = 1000;

fn cell(outbox: Outbox) -> Cell {
    let secret = Secret::new(HubId(0), [0; 32]);
    let sid = secret.sid();
    let life = Life::begin(&Probes::default().of(&SESSION), Arc::clone(&sid.0));
    let session = Post::new(Context::<Idle>::new().address().recipient(), life.vitals());
    Cell::new(Conn { boot: 1, count: 1 }, (secret, sid), String::new(), outbox, Moment(0), session)
}

/// A cell that a message of the channel, which all others had room for, found full.
fn crowded() -> Cell {
    let mut cell = cell(Outbox::new(LIMIT));
    while cell.outbox.has_room() {
        cell.send("x".repeat(90).into(), Moment(0));
    }
    cell.crowded(Moment(0));
    cell
}

#[actix::test]
async fn a_session_that_had_no_room_for_a_message_is_reminded_once_when_it_has_and_not_before() {
    let mut cell = crowded();
    assert!(!cell.looked(), "nothing was taken");
    cell.outbox.take(1, Moment(1), drop);
    cell.send("x".repeat(90).into(), Moment(1));
    assert!(!cell.looked(), "there is as little room as before");
    while !cell.outbox.is_empty() {
        cell.outbox.take(1, Moment(2), drop);
    }
    assert!(cell.looked(), "now there is room");
    assert!(!cell.looked(), "it has been reminded");
}

#[actix::test]
async fn a_session_that_was_crowded_and_takes_nothing_ends_as_too_slow_and_one_that_takes_does_not() {
    let mut stands = crowded();
    stands.check_pace(Moment(0).after(BURST));
    assert_eq!(stands.over().map(|over| over.code), Some(CloseCode::TooSlow));

    let mut reads = crowded();
    while !reads.outbox.has_room() {
        reads.outbox.take(1, Moment(1), drop);
    }
    reads.looked();
    reads.check_pace(Moment(1).after(BURST));
    assert!(reads.over().is_none(), "it has caught up");
}
