//! The C library's functions that change files or names: done, and written down.

use std::ffi::{c_char, c_int, c_long, c_uint, c_void};
use std::sync::atomic::Ordering::SeqCst;

use libc::{AT_FDCWD, iovec, mode_t, off64_t, size_t, ssize_t, syscall};

use crate::layout::{CREATE, REMOVE, RENAME, RESIZE, SYNC_BEGIN, SYNC_END, SYNC_RANGE, WRITE};
use crate::watch::{SYNCS, die, follow, followed, forget, inode, order, stat, watch};

fn open_at(at: c_int, path: *const c_char, flags: c_int, mode: mode_t) -> c_int {
    let raw = || unsafe { syscall(libc::SYS_openat, at, path, flags, mode) } as c_int;
    let Some((watch, below)) = watch().and_then(|watch| Some((watch, watch.below(at, path)?))) else { return raw() };
    let _order = order();
    if flags & libc::O_TMPFILE == libc::O_TMPFILE {
        watch.strange("a file without a name");
    }
    let creates = flags & libc::O_CREAT != 0;
    let known = !creates || unsafe { syscall(libc::SYS_faccessat, at, path, libc::F_OK) } == 0;
    let fd = raw();
    if fd >= 0 {
        let ino = inode(fd);
        if !known {
            watch.write(CREATE, 0, ino, 0, [&below, &[]], &[]);
        } else if flags & libc::O_TRUNC != 0 {
            watch.write(RESIZE, 0, ino, 0, [&[], &[]], &[]);
        }
        follow(watch, fd, ino);
    }
    fd
}

/// Writes `parts`, at a place or, without one, where the descriptor stands.
fn write_to(fd: c_int, parts: &[iovec], place: Option<off64_t>, raw: impl Fn() -> c_long) -> ssize_t {
    let Some((watch, ino)) = watch().zip(followed(fd)) else { return raw() as ssize_t };
    let _order = order();
    let flags = unsafe { syscall(libc::SYS_fcntl, fd, libc::F_GETFL) } as c_int;
    let at = match place {
        _ if flags & libc::O_APPEND != 0 => stat(fd).st_size,
        Some(at) => at,
        None => unsafe { syscall(libc::SYS_lseek, fd, 0, libc::SEEK_CUR) },
    };
    let done = raw() as ssize_t;
    if let Ok(mut left) = usize::try_from(done) {
        let cut = |part: &iovec| {
            let length = part.iov_len.min(left);
            left -= length;
            iovec { iov_base: part.iov_base, iov_len: length }
        };
        let written: Vec<iovec> = parts.iter().map(cut).collect();
        watch.write(WRITE, 0, ino, at as u64, [&[], &[]], &written);
    }
    done
}

fn one(data: *const c_void, length: size_t) -> [iovec; 1] {
    [iovec { iov_base: data.cast_mut(), iov_len: length }]
}

fn many<'a>(parts: *const iovec, count: c_int) -> &'a [iovec] {
    let count = usize::try_from(count).unwrap_or(0);
    if count == 0 { &[] } else { unsafe { std::slice::from_raw_parts(parts, count) } }
}

fn resize(fd: c_int, length: off64_t) -> c_int {
    let raw = || unsafe { syscall(libc::SYS_ftruncate, fd, length) } as c_int;
    let Some((watch, ino)) = watch().zip(followed(fd)) else { return raw() };
    let _order = order();
    let done = raw();
    if done == 0 {
        watch.write(RESIZE, 0, ino, length as u64, [&[], &[]], &[]);
    }
    done
}

fn sync_of(fd: c_int, data_only: bool) -> c_int {
    let number = if data_only { libc::SYS_fdatasync } else { libc::SYS_fsync };
    let raw = || unsafe { syscall(number, fd) } as c_int;
    let Some((watch, ino)) = watch().zip(followed(fd)) else { return raw() };
    let sync = SYNCS.fetch_add(1, SeqCst);
    {
        let _order = order();
        watch.write(SYNC_BEGIN, u8::from(data_only), ino, sync, [&[], &[]], &[]);
    }
    let done = raw();
    let _order = order();
    watch.write(SYNC_END, u8::from(done != 0), ino, sync, [&[], &[]], &[]);
    done
}

/// Does what changes names, and writes it down if it was done and concerns the watched folder.
fn names(kind: u8, flag: u8, paths: [(c_int, *const c_char); 2], raw: impl Fn() -> c_long) -> c_int {
    let Some(watch) = watch() else { return raw() as c_int };
    let below = |(at, path): (c_int, *const c_char)| if path.is_null() { None } else { watch.below(at, path) };
    let [first, second] = paths.map(below);
    if first.is_none() && second.is_none() {
        return raw() as c_int;
    }
    let _order = order();
    let done = raw() as c_int;
    if done == 0 {
        if kind == RENAME && (first.is_none() || second.is_none()) {
            watch.strange("a name that is moved out of the watched folder, or into it");
        }
        let (first, second) = (first.unwrap_or_default(), second.unwrap_or_default());
        let ino = if kind == CREATE { inode_of(paths[0]) } else { 0 };
        watch.write(kind, flag, ino, 0, [&first, &second], &[]);
    }
    done
}

fn inode_of((at, path): (c_int, *const c_char)) -> u64 {
    let fd = unsafe { syscall(libc::SYS_openat, at, path, libc::O_PATH | libc::O_CLOEXEC, 0) } as c_int;
    let ino = inode(fd);
    unsafe { syscall(libc::SYS_close, fd) };
    ino
}

const NOTHING: (c_int, *const c_char) = (AT_FDCWD, std::ptr::null());

/// Says that something was called that a trace cannot tell of, if it concerns the watched folder.
fn strange_if(concerns: bool, what: &str) {
    if let Some(watch) = watch().filter(|_| concerns) {
        let _order = order();
        watch.strange(what);
    }
}

fn strange_path(at: c_int, path: *const c_char, what: &str) {
    strange_if(watch().is_some_and(|watch| watch.below(at, path).is_some()), what);
}

/// Copies of a descriptor are followed as it is.
fn copied(from: c_int, to: c_int) -> c_int {
    if to >= 0 && to != from {
        match (watch(), followed(from)) {
            (Some(watch), Some(ino)) => follow(watch, to, ino),
            _ => forget(to),
        }
    }
    to
}

/// Defines the C library's functions.
macro_rules! stand_in {
    ($($name:ident($($arg:ident: $kind:ty),*) -> $out:ty { $($body:tt)* })*) => {
        $(#[unsafe(no_mangle)]
        extern "C" fn $name($($arg: $kind),*) -> $out { $($body)* })*
    };
}

// The third argument of open and fcntl may be absent; where it is, what is found in its place is not looked at.
stand_in! {
    open(path: *const c_char, flags: c_int, mode: mode_t) -> c_int { open_at(AT_FDCWD, path, flags, mode) }
    open64(path: *const c_char, flags: c_int, mode: mode_t) -> c_int { open_at(AT_FDCWD, path, flags, mode) }
    openat(at: c_int, path: *const c_char, flags: c_int, mode: mode_t) -> c_int { open_at(at, path, flags, mode) }
    openat64(at: c_int, path: *const c_char, flags: c_int, mode: mode_t) -> c_int { open_at(at, path, flags, mode) }
    creat(path: *const c_char, mode: mode_t) -> c_int {
        open_at(AT_FDCWD, path, libc::O_CREAT | libc::O_WRONLY | libc::O_TRUNC, mode)
    }
    creat64(path: *const c_char, mode: mode_t) -> c_int {
        open_at(AT_FDCWD, path, libc::O_CREAT | libc::O_WRONLY | libc::O_TRUNC, mode)
    }
    close(fd: c_int) -> c_int {
        forget(fd);
        unsafe { syscall(libc::SYS_close, fd) as c_int }
    }
    dup(fd: c_int) -> c_int { copied(fd, unsafe { syscall(libc::SYS_dup, fd) } as c_int) }
    dup2(fd: c_int, to: c_int) -> c_int {
        if fd == to {
            return to;
        }
        copied(fd, unsafe { syscall(libc::SYS_dup3, fd, to, 0) } as c_int)
    }
    dup3(fd: c_int, to: c_int, flags: c_int) -> c_int {
        copied(fd, unsafe { syscall(libc::SYS_dup3, fd, to, flags) } as c_int)
    }
    fcntl(fd: c_int, command: c_int, argument: size_t) -> c_int { fcntl64(fd, command, argument) }
    fcntl64(fd: c_int, command: c_int, argument: size_t) -> c_int {
        let done = unsafe { syscall(libc::SYS_fcntl, fd, command, argument) } as c_int;
        let copies = command == libc::F_DUPFD || command == libc::F_DUPFD_CLOEXEC;
        if copies { copied(fd, done) } else { done }
    }

    write(fd: c_int, data: *const c_void, length: size_t) -> ssize_t {
        write_to(fd, &one(data, length), None, || unsafe { syscall(libc::SYS_write, fd, data, length) })
    }
    pwrite(fd: c_int, data: *const c_void, length: size_t, at: off64_t) -> ssize_t { pwrite64(fd, data, length, at) }
    pwrite64(fd: c_int, data: *const c_void, length: size_t, at: off64_t) -> ssize_t {
        write_to(fd, &one(data, length), Some(at), || unsafe { syscall(libc::SYS_pwrite64, fd, data, length, at) })
    }
    writev(fd: c_int, parts: *const iovec, count: c_int) -> ssize_t {
        write_to(fd, many(parts, count), None, || unsafe { syscall(libc::SYS_writev, fd, parts, count) })
    }
    pwritev(fd: c_int, parts: *const iovec, count: c_int, at: off64_t) -> ssize_t { pwritev64(fd, parts, count, at) }
    pwritev64(fd: c_int, parts: *const iovec, count: c_int, at: off64_t) -> ssize_t {
        write_to(fd, many(parts, count), Some(at), || unsafe {
            syscall(libc::SYS_pwritev, fd, parts, count, at, at >> 32)
        })
    }
    ftruncate(fd: c_int, length: off64_t) -> c_int { resize(fd, length) }
    ftruncate64(fd: c_int, length: off64_t) -> c_int { resize(fd, length) }

    fsync(fd: c_int) -> c_int { sync_of(fd, false) }
    fdatasync(fd: c_int) -> c_int { sync_of(fd, true) }
    sync_file_range(fd: c_int, at: off64_t, length: off64_t, flags: c_uint) -> c_int {
        let done = unsafe { syscall(libc::SYS_sync_file_range, fd, at, length, flags) } as c_int;
        if let Some((watch, ino)) = watch().zip(followed(fd)) {
            let _order = order();
            watch.write(SYNC_RANGE, 0, ino, 0, [&[], &[]], &[]);
        }
        done
    }

    rename(from: *const c_char, to: *const c_char) -> c_int { renameat2(AT_FDCWD, from, AT_FDCWD, to, 0) }
    renameat(at: c_int, from: *const c_char, to_at: c_int, to: *const c_char) -> c_int {
        renameat2(at, from, to_at, to, 0)
    }
    renameat2(at: c_int, from: *const c_char, to_at: c_int, to: *const c_char, flags: c_uint) -> c_int {
        if flags != 0 {
            strange_path(at, from, "a rename with flags");
        }
        names(RENAME, 0, [(at, from), (to_at, to)], || unsafe {
            syscall(libc::SYS_renameat2, at, from, to_at, to, flags)
        })
    }
    unlink(path: *const c_char) -> c_int { unlinkat(AT_FDCWD, path, 0) }
    rmdir(path: *const c_char) -> c_int { unlinkat(AT_FDCWD, path, libc::AT_REMOVEDIR) }
    remove(path: *const c_char) -> c_int {
        strange_path(AT_FDCWD, path, "remove");
        if unlinkat(AT_FDCWD, path, 0) == 0 { 0 } else { unlinkat(AT_FDCWD, path, libc::AT_REMOVEDIR) }
    }
    unlinkat(at: c_int, path: *const c_char, flags: c_int) -> c_int {
        names(REMOVE, 0, [(at, path), NOTHING], || unsafe { syscall(libc::SYS_unlinkat, at, path, flags) })
    }
    mkdir(path: *const c_char, mode: mode_t) -> c_int { mkdirat(AT_FDCWD, path, mode) }
    mkdirat(at: c_int, path: *const c_char, mode: mode_t) -> c_int {
        names(CREATE, 1, [(at, path), NOTHING], || unsafe { syscall(libc::SYS_mkdirat, at, path, mode) })
    }
}

// What Parlor and sled have no use for: it is done, and spoils the trace if it concerns the watched folder.
stand_in! {
    truncate(path: *const c_char, length: off64_t) -> c_int { truncate64(path, length) }
    truncate64(path: *const c_char, length: off64_t) -> c_int {
        strange_path(AT_FDCWD, path, "truncate");
        unsafe { syscall(libc::SYS_truncate, path, length) as c_int }
    }
    fallocate(fd: c_int, mode: c_int, at: off64_t, length: off64_t) -> c_int { fallocate64(fd, mode, at, length) }
    fallocate64(fd: c_int, mode: c_int, at: off64_t, length: off64_t) -> c_int {
        strange_if(followed(fd).is_some(), "fallocate");
        unsafe { syscall(libc::SYS_fallocate, fd, mode, at, length) as c_int }
    }
    link(from: *const c_char, to: *const c_char) -> c_int { linkat(AT_FDCWD, from, AT_FDCWD, to, 0) }
    linkat(at: c_int, from: *const c_char, to_at: c_int, to: *const c_char, flags: c_int) -> c_int {
        strange_path(to_at, to, "link");
        unsafe { syscall(libc::SYS_linkat, at, from, to_at, to, flags) as c_int }
    }
    symlink(text: *const c_char, path: *const c_char) -> c_int { symlinkat(text, AT_FDCWD, path) }
    symlinkat(text: *const c_char, at: c_int, path: *const c_char) -> c_int {
        strange_path(at, path, "symlink");
        unsafe { syscall(libc::SYS_symlinkat, text, at, path) as c_int }
    }
    mmap(at: *mut c_void, length: size_t, how: c_int, flags: c_int, fd: c_int, from: off64_t) -> *mut c_void {
        mmap64(at, length, how, flags, fd, from)
    }
    mmap64(at: *mut c_void, length: size_t, how: c_int, flags: c_int, fd: c_int, from: off64_t) -> *mut c_void {
        if fd >= 0 && flags & libc::MAP_SHARED != 0 && how & libc::PROT_WRITE != 0 {
            strange_if(followed(fd).is_some(), "a file mapped for shared writes");
        }
        unsafe { syscall(libc::SYS_mmap, at, length, how, flags, fd, from) as *mut c_void }
    }
    copy_file_range(
        from: c_int, from_at: *mut off64_t, to: c_int, to_at: *mut off64_t, length: size_t, flags: c_uint
    ) -> ssize_t {
        strange_if(followed(to).is_some(), "copy_file_range");
        unsafe { syscall(libc::SYS_copy_file_range, from, from_at, to, to_at, length, flags) as ssize_t }
    }
    sendfile(to: c_int, from: c_int, at: *mut off64_t, length: size_t) -> ssize_t { sendfile64(to, from, at, length) }
    sendfile64(to: c_int, from: c_int, at: *mut off64_t, length: size_t) -> ssize_t {
        strange_if(followed(to).is_some(), "sendfile");
        unsafe { syscall(libc::SYS_sendfile, to, from, at, length) as ssize_t }
    }
    splice(
        from: c_int, from_at: *mut off64_t, to: c_int, to_at: *mut off64_t, length: size_t, flags: c_uint
    ) -> ssize_t {
        strange_if(followed(to).is_some(), "splice");
        unsafe { syscall(libc::SYS_splice, from, from_at, to, to_at, length, flags) as ssize_t }
    }
    pwritev2(fd: c_int, parts: *const iovec, count: c_int, at: off64_t, flags: c_int) -> ssize_t {
        strange_if(followed(fd).is_some(), "pwritev2");
        unsafe { syscall(libc::SYS_pwritev2, fd, parts, count, at, at >> 32, flags) as ssize_t }
    }
    syncfs(fd: c_int) -> c_int {
        strange_if(followed(fd).is_some(), "syncfs");
        unsafe { syscall(libc::SYS_syncfs, fd) as c_int }
    }
}

/// A sudden end that comes while nothing is being written down.
#[unsafe(no_mangle)]
extern "C" fn abort() -> ! {
    let _order = order();
    unsafe { syscall(libc::SYS_kill, libc::getpid(), libc::SIGKILL) };
    die("it was not killed")
}

#[unsafe(no_mangle)]
extern "C" fn sync() {
    strange_if(true, "sync");
    unsafe { syscall(libc::SYS_sync) };
}
