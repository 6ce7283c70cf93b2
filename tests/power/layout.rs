//! How one file operation stands in a trace: a head of fixed length, two paths, and data.
//!
//! The shim that is loaded into the traced program writes it, and the test reads it; both take this file. All numbers
//! are little-endian.

/// The head: kind `u8`, flag `u8`, lengths of both paths `u16` each, 2 bytes of nothing, then `ino`, `at` and the
/// length of the data, `u64` each.
pub const HEAD: usize = 32;

/// The folder that is watched, with its inode.
pub const ROOT: u8 = 1;
/// A new file, or with the flag a new folder: path, inode.
pub const CREATE: u8 = 2;
/// Data at a place of a file: inode, offset, data.
pub const WRITE: u8 = 3;
/// Another length for a file: inode, length.
pub const RESIZE: u8 = 4;
/// A new name for a file: both paths.
pub const RENAME: u8 = 5;
/// A name that is gone, of a file or an empty folder: path.
pub const REMOVE: u8 = 6;
/// A sync was called for: inode, and a number in `at`. The flag says that it is an `fdatasync`.
pub const SYNC_BEGIN: u8 = 7;
/// The sync of that number has returned; the flag says that it failed.
pub const SYNC_END: u8 = 8;
/// A `sync_file_range`, which promises nothing: inode.
pub const SYNC_RANGE: u8 = 9;
/// Something that a trace cannot tell of, by its name: the trace is of no use.
pub const STRANGE: u8 = 10;

/// The variable that names the folder to watch: absolute, without links in it.
pub const WATCH: &str = "PARLOR_POWER_WATCH";
/// The variable that names the file to write the trace to.
pub const TRACE: &str = "PARLOR_POWER_TRACE_TO";
