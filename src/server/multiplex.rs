//! What a connection's socket knows of HTTP/2, where requests stand side by side: whether the client takes what it is sent,
//! and how large the heads are that it sends. Pure, but for the task that it wakes.

use std::task::{Context, Poll, Waker};

/// How many bytes the client says first of all (RFC 9113, section 3.4).
const PREFACE: usize = 24;
/// How many bytes stand before each frame (section 4.1).
const HEAD: usize = 9;
/// How many bytes the frames of one head may have together.
const MOST: usize = 64 << 10;

const HEADERS: u8 = 1;
const CONTINUATION: u8 = 9;

/// One connection's.
#[derive(Debug, Default)]
pub(super) struct Multiplex {
    frames: Frames,
    /// What was written has to wait for the client to take it,
    full: bool,
    /// and so has whoever would read from it.
    reader: Option<Waker>,
}

impl Multiplex {
    /// Takes note of how a write or a flush went.
    pub fn wrote<T>(&mut self, went: Poll<T>) -> Poll<T> {
        self.full = went.is_pending();
        if let Some(reader) = self.reader.take_if(|_| !self.full) {
            reader.wake();
        }
        went
    }

    /// Whether it may be read from: not as long as the client takes nothing, or it could ask for answers without end. The
    /// task is woken when it may.
    pub fn may_read(&mut self, ctx: &Context<'_>) -> bool {
        self.reader = self.full.then(|| ctx.waker().clone());
        !self.full
    }

    /// Bytes came. False if they belong to a head that is too large.
    pub fn heard(&mut self, bytes: &[u8]) -> bool {
        self.frames.heard(bytes)
    }
}

/// Where in the frames the client is.
#[derive(Debug)]
struct Frames {
    /// How many bytes come before the next frame,
    skip: usize,
    /// what is there of that one's head, and how much that is,
    head: [u8; HEAD],
    have: usize,
    /// and how many bytes the request's head has so far.
    block: usize,
}

impl Default for Frames {
    fn default() -> Self {
        Self { skip: PREFACE, head: [0; HEAD], have: 0, block: 0 }
    }
}

impl Frames {
    fn heard(&mut self, mut bytes: &[u8]) -> bool {
        loop {
            let (skipped, rest) = bytes.split_at(self.skip.min(bytes.len()));
            self.skip -= skipped.len();
            let (begun, rest) = rest.split_at((HEAD - self.have).min(rest.len()));
            self.head[self.have..][..begun.len()].copy_from_slice(begun);
            self.have += begun.len();
            if self.have < HEAD {
                return true;
            }
            let [high, middle, low, kind, ..] = self.head;
            (self.skip, self.have) = (u32::from_be_bytes([0, high, middle, low]) as usize, 0);
            match kind {
                HEADERS => self.block = self.skip,
                CONTINUATION => self.block += self.skip,
                _ => {}
            }
            if self.block > MOST {
                return false;
            }
            bytes = rest;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
    use std::task::Wake;

    use proptest::prelude::*;

    use super::*;
    use crate::model::cases::{damaged, many};

    #[derive(Default)]
    struct Woken(AtomicUsize);

    impl Wake for Woken {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Relaxed);
        }
    }

    #[test]
    fn nothing_is_read_from_a_client_that_takes_nothing() {
        let woken = Arc::new(Woken::default());
        let waker = Waker::from(Arc::clone(&woken));
        let (ctx, mut connection) = (Context::from_waker(&waker), Multiplex::default());
        assert!(connection.may_read(&ctx));
        let _ = connection.wrote(Poll::<()>::Pending);
        assert!(!connection.may_read(&ctx));
        let _ = connection.wrote(Poll::<()>::Pending);
        assert_eq!((connection.may_read(&ctx), woken.0.load(Relaxed)), (false, 0));
        let _ = connection.wrote(Poll::Ready(()));
        assert_eq!((connection.may_read(&ctx), woken.0.load(Relaxed)), (true, 1));
        let _ = connection.wrote(Poll::Ready(()));
        assert_eq!(woken.0.load(Relaxed), 1, "nobody waits any more");
    }

    fn frame(kind: u8, length: usize) -> Vec<u8> {
        let length_bytes = u32::try_from(length).unwrap().to_be_bytes();
        [&length_bytes[1..], &[kind, 0, 0, 0, 0, 1], &vec![CONTINUATION; length]].concat()
    }

    /// How many of these frames are taken, whole and byte by byte.
    fn taken(frames: &[Vec<u8>]) -> usize {
        let (mut whole, mut pieces) = (Frames::default(), Frames::default());
        assert!(whole.heard(&[0; PREFACE]) && [0; PREFACE].iter().all(|byte| pieces.heard(&[*byte])));
        let count = frames.iter().take_while(|frame| whole.heard(frame)).count();
        let by_bytes = frames.iter().take_while(|frame| frame.iter().all(|byte| pieces.heard(&[*byte]))).count();
        assert_eq!(count, by_bytes);
        count
    }

    #[test]
    fn a_head_has_only_so_many_bytes_however_many_frames_it_comes_in() {
        let many = |first: u8, next: u8| [vec![frame(first, 16_384)], vec![frame(next, 16_384); 9]].concat();
        assert_eq!(taken(&many(HEADERS, CONTINUATION)), 4);
        assert_eq!(taken(&many(HEADERS, HEADERS)), 10, "each is a head of its own");
        assert_eq!(taken(&many(HEADERS, 0)), 10, "what is said in a body is none");
        assert_eq!(taken(&[frame(HEADERS, MOST), frame(HEADERS, MOST + 1)]), 1);
        assert_eq!(taken(&[frame(4, 0), frame(HEADERS, 0), frame(CONTINUATION, 1)]), 3);
    }

    proptest! {
        #![proptest_config(many())]

        #[test]
        fn damaged_frames_are_judged_alike_whole_and_in_pieces(
            kinds in proptest::collection::vec((0u8..12, 0usize..60), 1..6), long: bool, cut in 1usize..50, seed: u64,
        ) {
            let mut whole = kinds.iter().flat_map(|(kind, length)| frame(*kind, *length)).collect::<Vec<u8>>();
            if long {
                whole.extend(&frame(HEADERS, MOST)[..HEAD]);
            }
            let bytes = [vec![0; PREFACE], damaged(&whole, seed)].concat();
            let mut pieces = Frames::default();
            prop_assert_eq!(bytes.chunks(cut).all(|part| pieces.heard(part)), Frames::default().heard(&bytes));
        }
    }
}
