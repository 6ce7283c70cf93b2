//! A trace, read: file operations in the order in which the kernel could have seen them.

use crate::layout::{CREATE, HEAD, REMOVE, RENAME, RESIZE, ROOT, STRANGE, SYNC_BEGIN, SYNC_END, SYNC_RANGE, WRITE};

/// One operation. Paths are from the watched folder on.
#[derive(Clone, Copy, Debug)]
pub enum Step<'a> {
    /// A process begins; the watched folder's inode.
    Root(u64),
    Create {
        path: &'a str,
        ino: u64,
        folder: bool,
    },
    Write {
        ino: u64,
        at: u64,
        data: &'a [u8],
    },
    Resize {
        ino: u64,
        length: u64,
    },
    Rename {
        from: &'a str,
        to: &'a str,
    },
    Remove(&'a str),
    SyncBegin {
        ino: u64,
        sync: u64,
        data_only: bool,
    },
    SyncEnd {
        sync: u64,
        failed: bool,
    },
    SyncRange,
    Strange(&'a str),
}

/// The operations of a trace; an end that was cut off by a kill is left out.
pub fn read(mut bytes: &[u8]) -> Vec<Step<'_>> {
    let mut steps = Vec::new();
    while let Some((head, rest)) = bytes.split_first_chunk::<HEAD>() {
        let short = |at: usize| usize::from(u16::from_le_bytes([head[at], head[at + 1]]));
        let long = |at: usize| u64::from_le_bytes(head[at..at + 8].try_into().expect("eight bytes"));
        let (first, second, data) = (short(2), short(4), long(24) as usize);
        if rest.len() < first + second + data {
            break;
        }
        let (paths, rest) = rest.split_at(first + second);
        let path = |bytes| std::str::from_utf8(bytes).expect("a path in UTF-8");
        let (path, to) = (path(&paths[..first]), path(&paths[first..]));
        let (data, rest) = rest.split_at(data);
        let (flag, ino, at) = (head[1] != 0, long(8), long(16));
        steps.push(match head[0] {
            ROOT => Step::Root(ino),
            CREATE => Step::Create { path, ino, folder: flag },
            WRITE => Step::Write { ino, at, data },
            RESIZE => Step::Resize { ino, length: at },
            RENAME => Step::Rename { from: path, to },
            REMOVE => Step::Remove(path),
            SYNC_BEGIN => Step::SyncBegin { ino, sync: at, data_only: flag },
            SYNC_END => Step::SyncEnd { sync: at, failed: flag },
            SYNC_RANGE => Step::SyncRange,
            STRANGE => Step::Strange(path),
            other => panic!("an operation of kind {other}"),
        });
        bytes = rest;
    }
    steps
}
