//! What is watched, which descriptors lead to it, and writing it down.

use std::ffi::{CStr, c_char, c_int};
use std::sync::atomic::{AtomicU64, Ordering::SeqCst};
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};

use libc::{AT_FDCWD, iovec, syscall};

use crate::layout::{HEAD, ROOT, STRANGE, TRACE, WATCH};

/// Descriptors that can be followed; one above is strange.
const DESCRIPTORS: usize = 4096;

/// The inode behind each descriptor that is followed, else 0.
static OPEN: [AtomicU64; DESCRIPTORS] = [const { AtomicU64::new(0) }; DESCRIPTORS];
pub static SYNCS: AtomicU64 = AtomicU64::new(0);

pub struct Watch {
    folder: Vec<u8>,
    trace: c_int,
}

/// What is watched; `None` if nothing is.
pub fn watch() -> Option<&'static Watch> {
    static WATCHED: OnceLock<Option<Watch>> = OnceLock::new();
    WATCHED.get_or_init(begin).as_ref()
}

fn begin() -> Option<Watch> {
    let folder = std::env::var(WATCH).ok()?.into_bytes();
    let to = [std::env::var(TRACE).ok()?.as_bytes(), b"\0"].concat();
    let flags = libc::O_WRONLY | libc::O_CREAT | libc::O_APPEND | libc::O_CLOEXEC;
    let trace = unsafe { syscall(libc::SYS_openat, AT_FDCWD, to.as_ptr(), flags, 0o600) } as c_int;
    let path = [&folder[..], b"\0"].concat();
    let root = unsafe { syscall(libc::SYS_openat, AT_FDCWD, path.as_ptr(), libc::O_CLOEXEC, 0) } as c_int;
    if trace < 0 || root < 0 {
        die("the trace or the watched folder cannot be opened");
    }
    // The processes that write one trace, one after the other, number their syncs apart.
    SYNCS.store(u64::from(std::process::id()) << 32, SeqCst);
    let watch = Watch { folder, trace };
    watch.write(ROOT, 0, inode(root), 0, [&[], &[]], &[]);
    unsafe { syscall(libc::SYS_close, root) };
    Some(watch)
}

/// Held while a change is made and written down.
pub fn order() -> MutexGuard<'static, ()> {
    static ORDER: Mutex<()> = Mutex::new(());
    ORDER.lock().unwrap_or_else(PoisonError::into_inner)
}

pub fn die(why: &str) -> ! {
    let line = format!("the shim that writes down file operations: {why}\n");
    unsafe { syscall(libc::SYS_write, 2, line.as_ptr(), line.len()) };
    unsafe { syscall(libc::SYS_exit_group, 70) };
    unreachable!()
}

pub fn inode(fd: c_int) -> u64 {
    stat(fd).st_ino
}

pub fn stat(fd: c_int) -> libc::stat64 {
    let mut stat: libc::stat64 = unsafe { std::mem::zeroed() };
    if unsafe { libc::fstat64(fd, &raw mut stat) } == 0 { stat } else { die("a descriptor that cannot be looked at") }
}

impl Watch {
    pub fn write(&self, kind: u8, flag: u8, ino: u64, at: u64, paths: [&[u8]; 2], data: &[iovec]) {
        let length: usize = data.iter().map(|part| part.iov_len).sum();
        let mut head = [0; HEAD];
        (head[0], head[1]) = (kind, flag);
        head[2..4].copy_from_slice(&(paths[0].len() as u16).to_le_bytes());
        head[4..6].copy_from_slice(&(paths[1].len() as u16).to_le_bytes());
        head[8..16].copy_from_slice(&ino.to_le_bytes());
        head[16..24].copy_from_slice(&at.to_le_bytes());
        head[24..32].copy_from_slice(&(length as u64).to_le_bytes());
        let head = [&head[..], paths[0], paths[1]].concat();
        self.put(&head);
        for part in data.iter().filter(|part| part.iov_len > 0) {
            self.put(unsafe { std::slice::from_raw_parts(part.iov_base.cast::<u8>(), part.iov_len) });
        }
    }

    fn put(&self, mut bytes: &[u8]) {
        while !bytes.is_empty() {
            let done = unsafe { syscall(libc::SYS_write, self.trace, bytes.as_ptr(), bytes.len()) };
            let rest = usize::try_from(done).ok().and_then(|done| bytes.get(done..));
            bytes = rest.unwrap_or_else(|| die("the trace cannot be written"));
        }
    }

    pub fn strange(&self, what: &str) {
        self.write(STRANGE, 0, 0, 0, [what.as_bytes(), &[]], &[]);
    }

    /// A path from the watched folder on; `None` if it lies elsewhere.
    pub fn below(&self, at: c_int, path: *const c_char) -> Option<Vec<u8>> {
        let path = unsafe { CStr::from_ptr(path) }.to_bytes();
        let mut whole = Vec::new();
        if !path.starts_with(b"/") {
            let link = if at == AT_FDCWD { "/proc/self/cwd\0".into() } else { format!("/proc/self/fd/{at}\0") };
            whole.resize(4096, 0);
            let (link, into) = (link.as_ptr(), whole.as_mut_ptr());
            let length = unsafe { syscall(libc::SYS_readlinkat, AT_FDCWD, link, into, whole.len()) };
            whole.truncate(usize::try_from(length).unwrap_or(0));
            whole.push(b'/');
        }
        whole.extend_from_slice(path);
        let rest = whole.strip_prefix(&self.folder[..])?;
        match rest.strip_prefix(b"/") {
            Some(rest) => Some(rest.to_vec()),
            None => rest.is_empty().then(Vec::new),
        }
    }
}

/// The inode behind a descriptor, if it is followed.
pub fn followed(fd: c_int) -> Option<u64> {
    let slot = OPEN.get(usize::try_from(fd).ok()?)?;
    Some(slot.load(SeqCst)).filter(|ino| *ino != 0)
}

pub fn follow(watch: &Watch, fd: c_int, ino: u64) {
    match usize::try_from(fd).ok().and_then(|fd| OPEN.get(fd)) {
        Some(slot) => slot.store(ino, SeqCst),
        None => watch.strange("a descriptor above 4095"),
    }
}

pub fn forget(fd: c_int) {
    if let Some(slot) = usize::try_from(fd).ok().and_then(|fd| OPEN.get(fd)) {
        slot.store(0, SeqCst);
    }
}
