//! What somebody panicked with, caught, as one line for the log.
//!
//! Where a panic is caught here, the process's own hook is not asked: it would print the whole message, and in that may
//! stand what a client sent. Every other panic goes to whatever hook there was before.

use std::cell::{Cell, RefCell};
use std::fmt;
use std::future::poll_fn;
use std::panic::{AssertUnwindSafe, PanicHookInfo, catch_unwind, resume_unwind, set_hook, take_hook};
use std::pin::pin;
use std::sync::Once;
use std::task::Poll;

/// How much of a message is kept, in characters.
const LONGEST: usize = 160;

thread_local! {
    /// How many on this thread wait to catch.
    static CATCHING: Cell<usize> = const { Cell::new(0) };
    static SAID: RefCell<Option<Panic>> = const { RefCell::new(None) };
}

/// A panic: its message, without what was formatted into it, and where it was.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Panic {
    message: String,
    place: Option<String>,
}

impl fmt::Display for Panic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.message.is_empty() { "no message" } else { &self.message })?;
        self.place.iter().try_for_each(|place| write!(f, ", at {place}"))
    }
}

impl Panic {
    /// Panics with it once more, here: where the actor is whose work broke elsewhere.
    pub fn again(self) -> ! {
        resume_unwind(Box::new(self))
    }

    fn of(info: &PanicHookInfo<'_>) -> Self {
        let payload = info.payload();
        let literal = payload.downcast_ref::<&'static str>().copied();
        let made = || payload.downcast_ref::<String>().map_or("", |text| before_values(text));
        let message = literal.unwrap_or_else(made).lines().next().unwrap_or_default();
        let message = message.trim_end().chars().filter(|letter| !letter.is_control()).take(LONGEST).collect();
        Self { message, place: info.location().map(ToString::to_string) }
    }
}

/// A message up to where values are written into such messages: behind a colon, or quoted.
fn before_values(text: &str) -> &str {
    text.find([':', '"', '\'', '`', '\n']).map_or(text, |end| &text[..end])
}

/// Has this process say in its log what panics where nobody catches it, and nothing on stderr. For programs: a hook is the
/// whole process's.
pub fn log_panics() {
    set_hook(Box::new(|info| {
        let thread = std::thread::current();
        log::error!("thread {} panicked: {}", thread.name().unwrap_or("without a name"), Panic::of(info));
    }));
}

/// Runs `act`; if it panics, says with what. What it worked on must not be used again, unless that is known to be whole.
pub fn caught<T>(act: impl FnOnce() -> T) -> Result<T, Panic> {
    watch();
    CATCHING.set(CATCHING.get() + 1);
    let done = catch_unwind(AssertUnwindSafe(act));
    CATCHING.set(CATCHING.get() - 1);
    done.map_err(|payload| match payload.downcast::<Panic>() {
        Ok(again) => *again,
        Err(_) => SAID.take().unwrap_or_default(),
    })
}

/// The same for a future, however often it is polled.
pub async fn caught_all<F: Future>(work: F) -> Result<F::Output, Panic> {
    let mut work = pin!(work);
    poll_fn(|ctx| match caught(|| work.as_mut().poll(ctx)) {
        Ok(polled) => polled.map(Ok),
        Err(panic) => Poll::Ready(Err(panic)),
    })
    .await
}

/// Has the hook say nothing of what is caught here. A hook that is set later sees everything, and what is caught has no
/// message then.
fn watch() {
    static WATCHED: Once = Once::new();
    // A hook cannot be set by one who is panicking.
    if WATCHED.is_completed() || std::thread::panicking() {
        return;
    }
    WATCHED.call_once(|| {
        let before = take_hook();
        set_hook(Box::new(move |info| {
            // A thread that ends has no such values any more.
            if CATCHING.try_with(Cell::get).unwrap_or(0) == 0 {
                return before(info);
            }
            drop(SAID.try_with(|said| said.replace(Some(Panic::of(info)))));
        }));
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(act: impl FnOnce()) -> String {
        caught(act).unwrap_err().to_string()
    }

    #[test]
    fn a_panic_says_what_and_where() {
        let text = said(|| panic!("out of luck"));
        assert!(text.starts_with("out of luck, at src/supervise/panics.rs:"), "{text}");
        assert_eq!(caught(|| 7), Ok(7));
    }

    #[test]
    fn what_a_client_said_is_not_repeated() {
        let body = String::from("my püssword");
        let failed = || body.parse::<u8>().map(drop).map_err(|_| body.clone());
        let texts = [
            said(|| assert_eq!(&body[..5], "")),
            said(|| failed().unwrap()),
            said(|| failed().expect("a name")),
            said(|| assert_eq!(body, "another", "{body}")),
            said(|| panic!("no such thing: {body}")),
        ];
        for text in &texts {
            assert!(!text.contains("ssword") && text.contains("panics.rs"), "{text}");
        }
        assert!(texts[2].starts_with("a name, at"), "{}", texts[2]);
        assert!(said(|| assert_eq!([1, 2, 3][body.len()], 0)).starts_with("index out of bounds, at"));
    }

    #[test]
    fn one_that_is_thrown_again_is_the_same() {
        let first = caught(|| panic!("out of luck")).unwrap_err();
        let thrown = first.clone();
        assert_eq!(caught(|| thrown.again()), Err::<(), _>(first));
    }

    #[test]
    fn one_that_is_caught_inside_another_is_its_own() {
        let outer = said(|| {
            assert!(said(|| panic!("inner")).starts_with("inner"));
            panic!("outer");
        });
        assert!(outer.starts_with("outer"), "{outer}");
    }
}
