//! The client library against real servers, over networks that break: a server in this process, a proxy that cuts
//! connections and refuses upgrades, and, where long-poll itself is to break, a front between the two that loses requests
//! and answers and puts others in their place.

/// Makes tests of scenarios, which are `async fn(Over)` in the same file, over each transport.
macro_rules! scenarios {
    ($($name:ident),+ $(,)?) => {
        scenarios!(@ websocket WebSocket $($name)+);
        scenarios!(@ long_poll LongPoll $($name)+);
    };
    (@ $module:ident $over:ident $($name:ident)+) => {
        mod $module {
            $(#[test]
            fn $name() {
                crate::run(super::$name(crate::house::Over::$over));
            })+
        }
    };
}

mod coming_back;
mod fallback;
mod front;
mod house;
mod listener;
mod longpoll;
mod proxy;
mod talking;

use std::future::Future;
use std::time::Duration;

/// How long anything may take that has to happen at all.
const DEADLINE: Duration = Duration::from_secs(60);

/// Runs a test on a runtime of its own.
fn run(test: impl Future<Output = ()>) {
    let _ = env_logger::builder().is_test(true).try_init();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let done = runtime.block_on(async { tokio::time::timeout(DEADLINE, test).await });
    runtime.shutdown_timeout(Duration::from_secs(1));
    assert!(done.is_ok(), "not done within {DEADLINE:?}");
}
