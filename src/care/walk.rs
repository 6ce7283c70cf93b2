//! Rows one after the other, read in pages, so that whoever looks at one may ask for others.

use std::collections::VecDeque;
use std::ops::{ControlFlow, Range};

use bytes::Bytes;

use crate::store::{EngineError, Rows};

/// How much is read at a time, in bytes.
const PAGE: usize = 256 << 10;

/// The rows of a range, ascending.
pub(super) struct Walk<'a> {
    rows: &'a dyn Rows,
    range: Range<Vec<u8>>,
    page: VecDeque<(Bytes, Bytes)>,
    /// Why the engine gives no more of them.
    pub(super) failed: Option<EngineError>,
    ended: bool,
}

impl<'a> Walk<'a> {
    pub(super) fn new(rows: &'a dyn Rows, range: Range<Vec<u8>>) -> Self {
        Self { rows, range, page: VecDeque::new(), failed: None, ended: false }
    }

    fn fill(&mut self) {
        let (page, mut bytes) = (&mut self.page, 0);
        let read = self.rows.scan(&self.range.start..&self.range.end, false, &mut |key, value| {
            bytes += key.len() + value.len();
            page.push_back((Bytes::copy_from_slice(key), Bytes::copy_from_slice(value)));
            if bytes < PAGE { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
        });
        self.ended = bytes < PAGE || read.is_err();
        self.failed = read.err();
        if let Some((last, _)) = self.page.back() {
            self.range.start = [last, &[0][..]].concat();
        }
    }

    /// The next row, which stays.
    pub(super) fn peek(&mut self) -> Option<&(Bytes, Bytes)> {
        if self.page.is_empty() && !self.ended {
            self.fill();
        }
        self.page.front()
    }
}

impl Iterator for Walk<'_> {
    type Item = (Bytes, Bytes);

    fn next(&mut self) -> Option<Self::Item> {
        self.peek()?;
        self.page.pop_front()
    }
}
