//! The examples, run: each is started as the program that it is, and used as its first lines say.
//!
//! They are built by `cargo test` and by `cargo build --examples`; `cargo test --test examples` alone does not build
//! them.

#[path = "../support/mod.rs"]
#[allow(dead_code, unused_imports, reason = "shared with the other integration binaries, which use more of it")]
mod support;

mod bot;
mod embed;
mod engine;
mod journal;
mod load;
mod product;
mod program;
mod terminal;
mod tty;
