//! The token by which a session came: looked at again when it may have become void and when its end is near, and
//! prolonged when the client asks for it.

use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use serde_json::json;

use super::cell::{Cell, Shared};
use super::queries::{beside, settle_later, unread_now, written};
use super::{App, HubIn, Session};
use crate::auth::{Identity, Still};
use crate::clock;
use crate::model::{Moment, Wall};
use crate::presence::Reason;
use crate::protocol::{CloseCode, ErrorCode, Problem, event};

/// How long before its token ends a client is told (protocol, section 2).
const WARNING: Duration = Duration::from_secs(60);

/// What let a session in.
#[derive(Clone, Debug)]
pub struct Pass {
    /// Who it is of, and until when.
    pub identity: Identity,
    /// Whether the client was told that this end is near.
    told: bool,
    /// Whether it is being looked at again.
    looked_at: bool,
}

impl Pass {
    /// One whose end the client has yet to be told of.
    pub fn new(identity: Identity) -> Self {
        Self { identity, told: false, looked_at: false }
    }

    /// Whether it has to be looked at, as its end is near and was not told of, or has come. Another session may have
    /// prolonged it.
    pub fn is_due(&self, wall: Wall) -> bool {
        !self.looked_at && (self.identity.expires_at <= wall || self.is_untold(wall))
    }

    /// Whether its end is near and the client was not told.
    fn is_untold(&self, wall: Wall) -> bool {
        let left = self.identity.expires_at.0.saturating_sub(wall.0);
        !self.told && left <= WARNING.as_millis() as i64
    }
}

impl Cell {
    /// The session came by this token. It ends if it hears a channel where it may not go by this one, or if its user speaks
    /// in another standing by now.
    pub(super) fn come_by(&mut self, identity: Identity, now: Moment) {
        let other = self.pass.as_ref().is_some_and(|pass| pass.identity.standing != identity.standing);
        self.grants = identity.grants.clone();
        self.pass = Some(Pass::new(identity));
        if other || self.channels.iter().any(|channel| !self.grants.hold(channel.as_str())) {
            self.end(CloseCode::Later, None, Reason::Disconnected, now);
        }
    }
}

/// Looks whether the token by which a session came is good still: if it ends soon the client is told, and if it is void
/// the session ends.
pub(super) fn look_again(app: &Arc<App>, cell: &Shared) {
    let Some(came) = cell.borrow_mut().pass.as_mut().map(|pass| {
        pass.looked_at = true;
        pass.identity.clone()
    }) else {
        return;
    };
    let (app, session) = (Arc::clone(app), Rc::clone(cell));
    beside(cell, async move {
        let still = app.gate.look_again(&came, clock::wall()).await;
        let (mut cell, now) = (session.borrow_mut(), clock::moment());
        // It may have come by another one since.
        if cell.pass.as_ref().is_none_or(|pass| pass.identity.token != came.token) {
            return;
        }
        match still {
            Ok(Still::Good(identity)) if identity.standing == came.standing => good(&mut cell, identity, now),
            Ok(Still::Gone) => cell.end(CloseCode::Normal, None, Reason::Logout, now),
            Ok(Still::Void) => {
                let over = came.expires_at <= clock::wall();
                let why = if over { "the token has expired" } else { "the token is void" };
                let problem = Problem::new(ErrorCode::Unauthenticated, why);
                cell.end(CloseCode::Unauthenticated, Some(problem), Reason::Disconnected, now);
            }
            Ok(Still::Good(_)) | Err(_) => cell.end(CloseCode::Later, None, Reason::Disconnected, now),
        }
    });
}

/// The token is good: the client is told if it ends soon, once for each end.
fn good(cell: &mut Cell, identity: Identity, now: Moment) {
    let Some(pass) = &mut cell.pass else { return };
    pass.looked_at = false;
    pass.told &= pass.identity.expires_at == identity.expires_at;
    pass.identity = identity;
    if !pass.is_untold(clock::wall()) {
        return;
    }
    pass.told = true;
    let expires_at = pass.identity.expires_at;
    let text = "the token ends soon: refresh it";
    cell.send(event("notice", json!({ "code": "token_expiring", "text": text, "expires_at": expires_at })), now);
}

/// Prolongs a good token of the same user, and with it the session, whose own it is from here on.
pub(super) fn refresh(session: &Session, ticket: u64, token: String) {
    let (app, cell) = (Arc::clone(&session.worker.app), Rc::clone(&session.cell));
    let (user, hub) = (session.user().cloned(), session.worker.hub.clone());
    settle_later(&session.cell, ticket, "refreshed", async move {
        let voids = app.gate.voids();
        match app.gate.refresh(&token, clock::wall()).await {
            Ok(identity) if Some(&identity.user) == user.as_ref() => {
                let expires_at = identity.expires_at;
                cell.borrow_mut().come_by(identity, clock::moment());
                hub.send(HubIn::Narrowed(cell.borrow().conn));
                if app.gate.voids() != voids {
                    look_again(&app, &cell);
                }
                written(&json!({ "expires_at": expires_at })).map_err(unread_now)
            }
            Ok(_) => Err(Problem::new(ErrorCode::Forbidden, "token: it is another user's")),
            Err(error) => Err((&error).into()),
        }
    });
}
