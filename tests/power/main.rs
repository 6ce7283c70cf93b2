//! Power loss: what was acknowledged is there, whatever of the unsynced writes has reached the disk.
//!
//! A kill leaves the system's page cache whole, so it says nothing of this. Here a program that drives a store is run
//! with a shim loaded into it (`shim.rs`), which writes down every file operation below a folder. From that trace
//! (`trace.rs`) the disk is rebuilt as it stood after any number of steps (`disk.rs`), and of it the images that a crash
//! at that moment may leave (`image.rs`). Each is opened as a store, and held against what the program was told before
//! that moment (`truth.rs`, `check.rs`).
//!
//! **The disk that is assumed** promises less than those that people have.
//!
//! - A file's data and length last from the return of an `fsync` or `fdatasync` of that file that was called after the
//!   write. `sync_file_range` counts as nothing.
//! - Of what was written since, any part may be there: whole writes or torn ones, to 512 bytes or 4 KiB, later ones
//!   without earlier ones. A file may be as long as it was, or longer and hold zeros; in one mode anything at all.
//! - Names (made, renamed, removed) last from the return of an `fsync` of the folder. Until then each change of names may
//!   be there or not, whatever became of the data; one rename is never seen half. A new file's own `fsync` does not
//!   make its name last.
//! - What was synced stays as it was: a write does not harm its neighbours, and the disk does not lie about a flush.
//!
//! `PARLOR_POWER_IMAGES` draws so many images of each trace, and has every moment of the openings tried.
//! `PARLOR_POWER_SEED` chooses the same lives and images again. A trace depends on the timing of threads too: where an
//! image failed, the trace is kept, and `PARLOR_POWER_TRACE` has it used again.
#![cfg_attr(
    not(all(target_os = "linux", target_env = "gnu", target_pointer_width = "64")),
    allow(dead_code, reason = "the shim is for Linux alone")
)]

mod check;
mod child;
mod disk;
mod image;
mod layout;
mod log;
mod marks;
#[cfg(all(target_os = "linux", target_env = "gnu", target_pointer_width = "64"))]
mod scenes;
mod trace;
mod tries;
mod truth;

#[cfg(not(all(target_os = "linux", target_env = "gnu", target_pointer_width = "64")))]
#[test]
fn power_loss_is_tested_on_linux_alone() {
    println!("the shim that writes a program's file operations down is for 64-bit Linux with glibc: nothing is tested");
}
