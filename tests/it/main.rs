//! The outside tests: what PROTOCOL fixes, seen from a client. Each scenario is written once and runs on every engine
//! and over every transport; `tests/support` holds the client and the server that they use.

#[path = "../support/mod.rs"]
#[allow(dead_code, unused_imports, reason = "shared with the other integration binary, which uses more of it")]
mod support;

/// Makes tests of scenarios, which are `async fn(Stage)` in the same file.
///
/// `everywhere` runs them on each engine over each transport; `once` on the memory engine, where the engine cannot
/// matter; `websocket` likewise, for what only that transport has.
macro_rules! scenarios {
    ($($how:ident: $($name:ident),+ $(,)?);+ $(;)?) => {
        $(scenarios!(@ $how $($name)+);)+
    };
    (@ everywhere $($name:ident)+) => {
        mod memory_websocket {
            $(#[test]
            fn $name() {
                crate::support::run(crate::support::Engine::Memory, crate::support::Transport::WebSocket, super::$name);
            })+
        }
        mod sled_websocket {
            $(#[test]
            fn $name() {
                crate::support::run(crate::support::Engine::Sled, crate::support::Transport::WebSocket, super::$name);
            })+
        }
    };
    (@ once $($name:ident)+) => {
        mod once_websocket {
            $(#[test]
            fn $name() {
                crate::support::run(crate::support::Engine::Memory, crate::support::Transport::WebSocket, super::$name);
            })+
        }
    };
    (@ websocket $($name:ident)+) => {
        mod websocket {
            $(#[test]
            fn $name() {
                crate::support::run(crate::support::Engine::Memory, crate::support::Transport::WebSocket, super::$name);
            })+
        }
    };
}

mod ending;
mod faults;
mod frames;
mod hello;
mod joining;
mod leaving;
mod once;
mod presence;
mod publishing;
mod reading;
mod resume;
mod rooms;
mod slow;
mod trouble;
mod websocket;
