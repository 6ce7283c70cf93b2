//! Puts a simulation in the place of the mailboxes, on the thread that it runs on; with the feature `testing`.
//!
//! What is posted to an actor goes to the simulation, which hands it on when it wants that actor to run. What is posted
//! to one actor has one order, as in a mailbox; which actor runs next is the simulation's choice.

use std::cell::RefCell;
use std::collections::HashMap;
use std::collections::hash_map::DefaultHasher;
use std::hash::{Hash, Hasher};
use std::rc::Rc;
use std::sync::{Arc, Weak};

/// Hands on one message.
pub type Deliver = Box<dyn FnOnce()>;

/// A simulation, as mailboxes see it.
pub trait Carrier {
    /// An actor of this kind was born; what is the number of its mailbox?
    fn born(&self, kind: &'static str) -> u64;
    /// A message was posted to this mailbox.
    fn posted(&self, mailbox: u64, deliver: Deliver);
}

thread_local! {
    static CARRIER: RefCell<Option<Rc<dyn Carrier>>> = const { RefCell::new(None) };
    /// By address, as long as somebody knows it: an address may be given to another actor afterwards.
    static MAILBOXES: RefCell<HashMap<u64, Weak<Mailbox>>> = RefCell::default();
}

/// From here on `carrier` carries what is posted on this thread; `None` leaves it to the mailboxes.
pub fn carry(carrier: Option<Rc<dyn Carrier>>) {
    CARRIER.with_borrow_mut(|now| *now = carrier);
    MAILBOXES.with_borrow_mut(HashMap::clear);
}

/// One actor's mailbox, as the simulation knows it.
#[derive(Debug)]
pub(super) struct Mailbox(u64);

impl Mailbox {
    pub fn put(&self, deliver: Deliver) {
        let carrier = CARRIER.with_borrow(Clone::clone);
        match carrier {
            Some(carrier) => carrier.posted(self.0, deliver),
            None => deliver(),
        }
    }
}

/// The mailbox of the actor at this address, if a simulation runs.
pub(super) fn mailbox(address: &impl Hash, kind: &'static str) -> Option<Arc<Mailbox>> {
    let carrier = CARRIER.with_borrow(Clone::clone)?;
    let mut hasher = DefaultHasher::new();
    address.hash(&mut hasher);
    let known = MAILBOXES.with_borrow(|all| all.get(&hasher.finish()).and_then(Weak::upgrade));
    Some(known.unwrap_or_else(|| {
        let mailbox = Arc::new(Mailbox(carrier.born(kind)));
        MAILBOXES.with_borrow_mut(|all| all.insert(hasher.finish(), Arc::downgrade(&mailbox)));
        mailbox
    }))
}
