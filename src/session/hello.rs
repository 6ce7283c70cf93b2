//! How a session begins: who says hello is found out and welcomed, or told why not.

use std::rc::Rc;
use std::sync::Arc;

use actix::{ActorFutureExt, AsyncContext, Context as Ctx, WrapFuture};

use super::actor::seen;
use super::pending::{ANSWER_WITHIN, To};
use super::{HubIn, Session, asides, contacts, pass};
use crate::auth::{AuthError, Identity};
use crate::clock;
use crate::model::{Moment, Standing};
use crate::presence::{Reason, RegistryIn};
use crate::protocol::{CloseCode, Hello, Problem, VERSIONS, Welcome, reply};
use crate::supervise::{Panic, caught_all};

/// How much of what a client calls itself is kept, in characters.
const CLIENT_NAME: usize = 64;

/// Who said hello, and an account's contacts.
type Found = (Identity, Option<contacts::Roll>);

impl Session {
    /// Finds out who says hello. What the client sends meanwhile waits.
    pub(super) fn greet(&mut self, to: To, hello: Hello, ctx: &mut Ctx<Self>) {
        let app = Arc::clone(&self.worker.app);
        let client = hello.client;
        let token = hello.token.or_else(|| self.bearer.clone());
        let (worker, conn) = (Rc::clone(&self.worker), self.cell.borrow().conn);
        let found = async move {
            app.context.faults.pass("session.hello");
            if app.is_draining() {
                return Err(AuthError::Unavailable("the server is stopping".into()));
            }
            let found = async {
                let identity = match token {
                    Some(token) => app.gate.return_with(&token, clock::wall()).await,
                    None => app.gate.arrive(hello.guest.as_deref(), clock::wall()).await,
                }?;
                let roll = contacts::greet(&worker, conn, &identity).await?;
                Ok((identity, roll))
            };
            let late = || AuthError::Unavailable("the store gave no answer in time".into());
            tokio::time::timeout(ANSWER_WITHIN, found).await.unwrap_or_else(|_| Err(late()))
        };
        let voids = self.worker.app.gate.voids();
        let greeted = move |found, session: &mut Self, _: &mut Ctx<Self>| {
            session.guard("a hello", |session| match found {
                Ok(found) => session.greeted(to, client, found, voids),
                Err(panic) => Panic::again(panic),
            });
        };
        ctx.wait(caught_all(found).into_actor(self).map(greeted));
    }

    /// Welcomes whoever was found, or says why not. Tokens had become void `voids` times before that was found.
    fn greeted(&mut self, to: To, client_name: Option<String>, found: Result<Found, AuthError>, voids: u64) {
        let now = clock::moment();
        let (identity, roll) = match found {
            Ok(found) => found,
            Err(error) => return self.not_welcome(&to, &error, now),
        };
        let mut cell = self.cell.borrow_mut();
        if cell.over().is_some() {
            return;
        }
        let app = &self.worker.app;
        let presence = &app.context.config.presence;
        let welcome = Welcome {
            session: cell.secret.reveal(),
            sid: &cell.sid.0,
            user: &identity.user,
            guest: identity.standing == Standing::Guest,
            token: &identity.token,
            expires_at: Some(identity.expires_at),
            heartbeat_ms: presence.heartbeat.as_millis() as u64,
            timeout_ms: presence.timeout.as_millis() as u64,
            now: clock::wall(),
            server: concat!("parlor/", env!("CARGO_PKG_VERSION")),
            versions: VERSIONS,
            features: &[],
            limits: app.limits(),
        };
        let client_name: Option<Box<str>> = client_name.map(|name| name.chars().take(CLIENT_NAME).collect());
        let client = client_name.as_deref().unwrap_or("a client");
        // What a client calls itself may be anything: quoted, it begins no line of its own.
        log::debug!(sid:% = cell.sid, user:% = identity.user, address:% = cell.address; "{client:?} says hello");
        let frame = reply("welcome", to.id.as_deref(), welcome);
        cell.user = Some(identity.user.clone());
        cell.client = client_name;
        if let Some(admission) = &mut cell.admission {
            admission.welcomed();
        }
        self.shared = app.rates.user(&identity.user);
        cell.heard = now;
        cell.reported = now;
        self.machine.welcome(identity.user.clone());
        self.standing = identity.standing;
        app.registry.send(RegistryIn::Up { hub: self.worker.id, seen: seen(&cell, &identity.user) });
        self.worker.hub.send(HubIn::Arrived(cell.conn, identity.user.clone()));
        app.context.metrics.sessions.inc();
        cell.come_by(identity, now);
        if to.is_wanted() {
            cell.answer(&to, |_| frame, now);
        } else {
            // This one reply comes always.
            cell.send(frame, now);
        }
        if let Some(roll) = roll {
            self.worker.hub.send(HubIn::Listed(cell.conn, asides::CONTACTS, Some(roll)));
        }
        drop(cell);
        if app.gate.voids() != voids {
            pass::look_again(app, &self.cell);
        }
    }

    fn not_welcome(&mut self, to: &To, error: &AuthError, now: Moment) {
        let mut cell = self.cell.borrow_mut();
        let problem = Problem::from(error);
        let ends = matches!(error, AuthError::Unauthenticated | AuthError::Forbidden);
        if to.is_wanted() || !ends {
            cell.refuse(to, &problem, now);
        }
        if ends {
            cell.end(CloseCode::Unauthenticated, Some(problem), Reason::Disconnected, now);
        } else {
            self.machine.unwelcome();
        }
    }
}
