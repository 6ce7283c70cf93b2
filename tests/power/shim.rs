//! Loaded into a program by `LD_PRELOAD`, it writes down every file operation below one folder, in one total order.
//!
//! It stands in for the C library's calls and makes the system calls itself, so it never meets its own wrappers. The
//! order is one that the kernel could have seen, on the safe side. A change is made and written down under one lock,
//! so changes stand in the order in which they were made. A sync is not: it begins in the trace before it is called and
//! ends after it has returned. Whatever stands before the beginning had been done when the sync was called; what
//! stands between may have been covered or not, and whoever reads the trace takes it as not.
//!
//! What it cannot tell of is written down as strange, and spoils the trace. What it does not see at all shows when the
//! trace is played again and compared with the folder.
#![cfg(all(target_os = "linux", target_env = "gnu", target_pointer_width = "64"))]
#![allow(unsafe_code, reason = "it is all system calls")]

#[path = "calls.rs"]
mod calls;
#[path = "layout.rs"]
#[allow(dead_code, reason = "shared with the test that reads what is written here")]
mod layout;
#[path = "watch.rs"]
mod watch;
