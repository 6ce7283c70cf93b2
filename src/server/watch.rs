//! What a connection's socket and its requests know of each other: how many requests are under way, and since when the
//! next one is being waited for although it has begun. By that, a client that sends a head byte by byte is told from one
//! that waits for its answer, on the second request of a connection as well as on the first.

use std::cell::Cell;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};
use std::time::Duration;

use actix_web::body::{BodySize, MessageBody};
use actix_web::web::Bytes;

use crate::clock;
use crate::model::Moment;

/// How many requests may be under way on one connection: HTTP/2 has them side by side.
const UNDER_WAY: usize = 256;
/// How many may be refused on one connection for that.
const REFUSED: usize = 1000;
/// How often a request may be looked after while nothing is read from its connection.
const UNREAD: usize = 1000;

/// One connection's.
#[derive(Clone, Debug, Default)]
pub(super) struct Watch(Rc<Shared>);

#[derive(Debug, Default)]
struct Shared {
    under_way: Cell<usize>,
    refused: Cell<usize>,
    unread: Cell<usize>,
    begun: Cell<Option<Moment>>,
    /// The client said that no request follows,
    last: Cell<bool>,
    /// and then one did.
    over: Cell<bool>,
    /// The answer under way is the last one, and the client may still owe some of its request.
    parting: Cell<bool>,
    /// It is no connection of HTTP any more.
    left: Cell<bool>,
}

impl Watch {
    /// A request is there, until what is returned is dropped; none if there are too many.
    pub fn request(&self) -> Option<UnderWay> {
        let count = self.0.under_way.get();
        if count >= UNDER_WAY {
            self.0.refused.set(self.0.refused.get() + 1);
            return None;
        }
        self.0.under_way.set(count + 1);
        self.0.begun.set(None);
        Some(UnderWay(self.clone()))
    }

    /// Takes note of whether a request is to be the last one. False if it came after that: it must not be carried out (RFC
    /// 9112, section 9.6), and nothing more is read.
    pub fn follows(&self, is_last: bool) -> bool {
        self.0.over.set(self.0.last.get());
        self.0.last.set(self.0.last.get() || is_last);
        !self.0.over.get()
    }

    /// Whether a request came after the last one, or too many were refused.
    pub fn is_over(&self) -> bool {
        self.0.over.get() || self.0.refused.get() >= REFUSED
    }

    /// A request is looked after. False if that happened often while nothing was read: the connection's task wakes itself
    /// without end, as it does over HTTP/1 with 128 kB and more behind a request that takes its time. No request follows then.
    pub fn is_calm(&self) -> bool {
        self.0.unread.set(self.0.unread.get() + 1);
        let is_calm = self.0.unread.get() < UNREAD;
        self.0.last.set(self.0.last.get() || !is_calm);
        is_calm
    }

    /// The connection is read from.
    pub fn reads(&self) {
        self.0.unread.set(0);
    }

    /// The answer under way is the last one, whether the request comes to its end or not: from then on the client is waited
    /// for as if it had begun another.
    pub fn part(&self) {
        self.0.parting.set(true);
    }

    /// It is no connection of HTTP any more.
    pub fn leave(&self) {
        self.0.left.set(true);
        self.0.begun.set(None);
    }

    /// Bytes came.
    pub fn heard(&self) {
        let is_between = self.0.under_way.get() == 0 && !self.0.left.get();
        if is_between && self.0.begun.get().is_none() {
            self.0.begun.set(Some(clock::moment()));
        }
    }

    /// How much longer a head that has begun may take, if one has and may take so long in all.
    pub fn left(&self, most: Duration) -> Option<Duration> {
        let begun = self.0.begun.get()?;
        Some(most.saturating_sub(clock::moment().since(begun)))
    }
}

/// A request, until it is dropped.
#[derive(Debug)]
pub(super) struct UnderWay(Watch);

impl Drop for UnderWay {
    fn drop(&mut self) {
        let Shared { under_way, parting, .. } = &*self.0.0;
        under_way.set(under_way.get().saturating_sub(1));
        if parting.get() {
            self.0.heard();
        }
    }
}

/// An answer's body: with its end, the request ends.
pub(super) struct Answer<B> {
    body: B,
    _until: Option<UnderWay>,
}

impl<B> Answer<B> {
    /// Keeps the request under way until the body was sent.
    pub fn new(body: B, until: Option<UnderWay>) -> Self {
        Self { body, _until: until }
    }
}

impl<B: MessageBody + Unpin> MessageBody for Answer<B> {
    type Error = B::Error;

    fn size(&self) -> BodySize {
        self.body.size()
    }

    fn poll_next(mut self: Pin<&mut Self>, ctx: &mut Context<'_>) -> Poll<Option<Result<Bytes, Self::Error>>> {
        Pin::new(&mut self.body).poll_next(ctx)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_head_that_has_begun_and_is_not_whole_is_waited_for() {
        let (watch, most) = (Watch::default(), Duration::from_secs(5));
        assert_eq!(watch.left(most), None, "nothing came");
        watch.heard();
        assert!(watch.left(most).is_some());
        let request = watch.request();
        watch.heard();
        assert_eq!(watch.left(most), None, "it is its body that comes");
        drop(request);
        assert_eq!(watch.left(most), None, "the next one has not begun");
        watch.heard();
        assert!(watch.left(most).is_some_and(|left| left <= most));
    }

    #[test]
    fn one_that_parts_is_waited_for_though_nothing_more_comes() {
        let (watch, most) = (Watch::default(), Duration::from_secs(5));
        let request = watch.request();
        watch.part();
        assert_eq!(watch.left(most), None, "it is being answered");
        drop(request);
        assert!(watch.left(most).is_some_and(|left| left <= most));
    }

    #[test]
    fn nothing_follows_the_request_that_is_to_be_the_last() {
        let watch = Watch::default();
        assert!(watch.follows(false) && watch.follows(true) && !watch.is_over());
        assert!(!watch.follows(false) && watch.is_over());
    }

    #[test]
    fn one_connection_has_only_so_many_requests_under_way() {
        let watch = Watch::default();
        let mut all: Vec<_> = (0..UNDER_WAY).map(|_| watch.request().unwrap()).collect();
        assert!(watch.request().is_none() && !watch.is_over());
        all.pop();
        assert!(watch.request().is_some());
        all.extend(watch.request());
        assert!((1..REFUSED).all(|_| !watch.is_over() && watch.request().is_none()));
        assert!(watch.is_over(), "it asks for nothing else");
    }

    #[test]
    fn a_connection_is_calm_unless_its_task_runs_without_reading() {
        let watch = Watch::default();
        assert!((0..10 * UNREAD).all(|_| {
            watch.reads();
            watch.is_calm() && watch.is_calm()
        }));
        assert!(watch.follows(false));
        assert!((1..10 * UNREAD).any(|_| !watch.is_calm()) && !watch.follows(false));
    }

    #[test]
    fn what_comes_once_http_is_over_begins_no_head() {
        let watch = Watch::default();
        watch.leave();
        watch.heard();
        assert_eq!(watch.left(Duration::ZERO), None);
        drop(watch.request().unwrap());
        watch.heard();
        assert_eq!(watch.left(Duration::ZERO), None, "a refusal is answered all the same");
    }
}
