//! The outside tests: what PROTOCOL fixes, seen from a client. Each scenario is written once and runs on every engine
//! and over every transport; `tests/support` holds the client and the server that they use.

#[path = "../support/mod.rs"]
#[allow(dead_code, unused_imports, reason = "shared with the other integration binary, which uses more of it")]
mod support;

/// Makes tests of scenarios, which are `async fn(Stage)` in the same file.
///
/// `everywhere` runs them on each engine over each transport, and on the memory engine over both by turns and mounted in a host; `once` on the
/// memory engine, where the engine cannot matter; `websocket` and `longpoll` likewise, for what only that transport has; and `alone` where
/// the transport cannot matter either.
///
/// `secure` runs them over WebSocket over TLS, for what the bytes on their way could spoil.
///
/// `waiting` is `once`, and `waiting_websocket` is `websocket`, for what mostly waits for a period to pass: one test runs
/// it over all its transports at the same time, and the period is waited out once. What keeps the machine busy, or says
/// how soon somebody busy is served, does not belong there.
macro_rules! scenarios {
    ($($how:ident: $($name:ident),+ $(,)?);+ $(;)?) => {
        $(scenarios!(@ $how $($name)+);)+
    };
    (@ everywhere $($name:ident)+) => {
        scenarios!(@@ memory_websocket Memory WebSocket $($name)+);
        scenarios!(@@ memory_hosted Memory Hosted $($name)+);
        scenarios!(@@ memory_longpoll Memory LongPoll $($name)+);
        scenarios!(@@ memory_mixed Memory Mixed $($name)+);
        scenarios!(@@ sled_websocket Sled WebSocket $($name)+);
        scenarios!(@@ sled_longpoll Sled LongPoll $($name)+);
    };
    (@ once $($name:ident)+) => {
        scenarios!(@@ once_websocket Memory WebSocket $($name)+);
        scenarios!(@@ once_hosted Memory Hosted $($name)+);
        scenarios!(@@ once_longpoll Memory LongPoll $($name)+);
        scenarios!(@@ once_mixed Memory Mixed $($name)+);
    };
    (@ waiting $($name:ident)+) => {
        scenarios!(@@@ once_together [WebSocket Hosted LongPoll Mixed] $($name)+);
    };
    (@ waiting_websocket $($name:ident)+) => {
        scenarios!(@@@ websocket_together [WebSocket Hosted] $($name)+);
    };
    (@ websocket $($name:ident)+) => {
        scenarios!(@@ websocket Memory WebSocket $($name)+);
        scenarios!(@@ hosted Memory Hosted $($name)+);
    };
    (@ secure $($name:ident)+) => {
        scenarios!(@@ secure Memory Secure $($name)+);
    };
    (@ longpoll $($name:ident)+) => {
        scenarios!(@@ longpoll Memory LongPoll $($name)+);
    };
    (@ mixed $($name:ident)+) => {
        scenarios!(@@ mixed Memory Mixed $($name)+);
    };
    (@ alone $($name:ident)+) => {
        scenarios!(@@ alone Memory WebSocket $($name)+);
    };
    (@@ $stage:ident $engine:ident $transport:ident $($name:ident)+) => {
        mod $stage {
            $(#[test]
            fn $name() {
                use crate::support::{Engine, Transport, run};
                run(Engine::$engine, Transport::$transport, super::$name);
            })+
        }
    };
    (@@@ $stage:ident $transports:tt $($name:ident)+) => {
        mod $stage {
            $(scenarios!(@@@@ $transports $name);)+
        }
    };
    (@@@@ [$($transport:ident)+] $name:ident) => {
        #[test]
        fn $name() {
            use crate::support::{Engine, Transport, run_together};
            run_together(Engine::Memory, &[$(Transport::$transport),+], super::$name);
        }
    };
}

mod accounts;
mod address;
mod contacts;
mod dashboard;
mod described;
mod direct;
mod embedding;
mod ending;
mod expiry;
mod exposition;
mod faults;
mod frames;
mod garbage;
mod healing;
mod hello;
mod hostile;
mod joining;
mod leaving;
mod longpoll;
mod matrix;
mod once;
mod overview;
mod parked;
mod places;
mod polls;
mod presence;
mod private;
mod publishing;
mod rates;
mod reading;
mod requests;
mod rest;
mod resume;
mod retention;
mod rooms;
mod scrape;
mod silence;
mod slow;
mod switch;
mod tending;
mod tls;
mod tokens;
mod trouble;
mod visible;
mod webhooks;
mod websocket;
