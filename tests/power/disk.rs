//! The disk after any prefix of a trace: what lasts, and what is still under way to it.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use crate::trace::Step;

/// A file or folder, by its number; the watched folder is the first.
pub type Node = usize;
const ROOT: Node = 0;

/// What is not covered by a sync.
#[derive(Clone, Debug)]
pub enum Change<'a> {
    Data(Node, Data<'a>),
    /// Names in folders, all at once: each to a node, or gone.
    Names(Vec<(Node, String, Option<Node>)>),
}

#[derive(Clone, Copy, Debug)]
pub enum Data<'a> {
    Write(u64, &'a [u8]),
    Resize(u64),
}

impl Data<'_> {
    /// Does it to a file's content.
    pub fn apply(&self, content: &mut Vec<u8>) {
        match *self {
            Data::Write(at, data) => put(content, at as usize, data),
            Data::Resize(length) => content.resize(length as usize, 0),
        }
    }
}

/// Writes at a place; what is left out before it reads as zeros.
pub fn put(content: &mut Vec<u8>, at: usize, data: &[u8]) {
    let end = at + data.len();
    if content.len() < end {
        content.resize(end, 0);
    }
    content[at..end].copy_from_slice(data);
}

/// What [`Disk::play`] noticed.
#[derive(Debug, PartialEq, Eq)]
pub enum News<'a> {
    Nothing,
    /// A line in the file of marks.
    Mark(&'a [u8]),
    /// A `fdatasync` of this node has returned; at which step it was called.
    Synced(Node, usize),
}

type Names = BTreeMap<(Node, String), Node>;

/// A disk, and the filesystem on it.
pub struct Disk<'a> {
    /// What lasts of each node's content.
    pub lasting: Vec<Arc<Vec<u8>>>,
    pub folders: Vec<bool>,
    /// The names that last.
    pub names: Names,
    /// Oldest first, with the step that made it.
    pub pending: Vec<(usize, Change<'a>)>,
    /// The names as a running program sees them.
    seen: Names,
    inodes: HashMap<u64, Node>,
    /// Syncs that have not returned: of which node, called at which step, and whether of data alone.
    syncs: HashMap<u64, (Node, usize, bool)>,
    marks: &'static str,
}

impl<'a> Disk<'a> {
    /// An empty folder. What is written to the file `marks` in it never counts as data.
    pub fn new(marks: &'static str) -> Self {
        Self {
            lasting: vec![Arc::default()],
            folders: vec![true],
            names: Names::new(),
            pending: Vec::new(),
            seen: Names::new(),
            inodes: HashMap::new(),
            syncs: HashMap::new(),
            marks,
        }
    }

    /// The node at a path, as a running program sees it.
    pub fn node(&self, path: &str) -> Option<Node> {
        path.split('/').try_fold(ROOT, |folder, name| self.seen.get(&(folder, name.to_owned())).copied())
    }

    fn place(&self, path: &str) -> (Node, String) {
        match path.rsplit_once('/') {
            Some((folder, name)) => (self.node(folder).expect("its folder is known"), name.to_owned()),
            None => (ROOT, path.to_owned()),
        }
    }

    fn rename(&mut self, step: usize, changes: Vec<(Node, String, Option<Node>)>) {
        apply(&mut self.seen, &changes);
        self.pending.push((step, Change::Names(changes)));
    }

    /// The step of that number happens.
    pub fn play(&mut self, number: usize, step: Step<'a>) -> News<'a> {
        match step {
            Step::Root(ino) => drop(self.inodes.insert(ino, ROOT)),
            Step::Create { path, ino, folder } => {
                let node = self.lasting.len();
                self.lasting.push(Arc::default());
                self.folders.push(folder);
                self.inodes.insert(ino, node);
                let (parent, name) = self.place(path);
                self.rename(number, vec![(parent, name, Some(node))]);
            }
            Step::Rename { from, to } => {
                let node = self.node(from);
                let ((from, old), (to, new)) = (self.place(from), self.place(to));
                self.rename(number, vec![(from, old, None), (to, new, node)]);
            }
            Step::Remove(path) => {
                let (parent, name) = self.place(path);
                self.rename(number, vec![(parent, name, None)]);
            }
            Step::Write { ino, at, data } => {
                let node = self.inodes[&ino];
                if Some(node) == self.node(self.marks) {
                    return News::Mark(data);
                }
                self.pending.push((number, Change::Data(node, Data::Write(at, data))));
            }
            Step::Resize { ino, length } => {
                self.pending.push((number, Change::Data(self.inodes[&ino], Data::Resize(length))));
            }
            Step::SyncBegin { ino, sync, data_only } => {
                self.syncs.insert(sync, (self.inodes[&ino], number, data_only));
            }
            Step::SyncEnd { sync, failed } => {
                if let Some((node, begun, data_only)) = self.syncs.remove(&sync).filter(|_| !failed) {
                    self.cover(node, begun);
                    if data_only {
                        return News::Synced(node, begun);
                    }
                }
            }
            Step::SyncRange => {}
            Step::Strange(what) => panic!("the trace is of no use: there was {what}"),
        }
        News::Nothing
    }

    /// A sync of `node` that was called at that step is done.
    fn cover(&mut self, node: Node, begun: usize) {
        let (lasting, names) = (&mut self.lasting, &mut self.names);
        self.pending.retain(|(number, change)| {
            match change {
                _ if *number > begun => return true,
                Change::Data(of, data) if *of == node => data.apply(Arc::make_mut(&mut lasting[node])),
                Change::Names(changes) if changes.iter().any(|(folder, ..)| *folder == node) => apply(names, changes),
                _ => return true,
            }
            false
        });
    }
}

/// Changes names all at once.
pub fn apply(names: &mut Names, changes: &[(Node, String, Option<Node>)]) {
    for (folder, name, node) in changes {
        match node {
            Some(node) => names.insert((*folder, name.clone()), *node),
            None => names.remove(&(*folder, name.clone())),
        };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn played<'a>(steps: &[Step<'a>]) -> Disk<'a> {
        let mut disk = Disk::new("marks");
        disk.play(0, Step::Root(1));
        for (n, step) in steps.iter().enumerate() {
            disk.play(n + 1, *step);
        }
        disk
    }

    const MADE: Step<'_> = Step::Create { path: "f", ino: 2, folder: false };
    const FIRST: Step<'_> = Step::Write { ino: 2, at: 0, data: b"one" };
    const SECOND: Step<'_> = Step::Write { ino: 2, at: 3, data: b"two" };
    const CALLED: Step<'_> = Step::SyncBegin { ino: 2, sync: 9, data_only: true };
    const DONE: Step<'_> = Step::SyncEnd { sync: 9, failed: false };

    #[test]
    fn a_sync_covers_what_was_written_before_it_was_called_and_no_name() {
        let disk = played(&[MADE, FIRST, CALLED, SECOND, DONE]);
        assert_eq!(disk.lasting[1][..], *b"one");
        assert!(disk.names.is_empty());
        assert_eq!(disk.pending.iter().map(|(step, _)| *step).collect::<Vec<_>>(), [1, 4]);
    }

    #[test]
    fn a_sync_that_has_not_returned_or_failed_or_was_of_a_range_covers_nothing() {
        let failed = Step::SyncEnd { sync: 9, failed: true };
        for steps in [&[MADE, FIRST, CALLED][..], &[MADE, FIRST, CALLED, failed], &[MADE, FIRST, Step::SyncRange]] {
            assert!(played(steps).lasting[1].is_empty());
        }
    }

    #[test]
    fn a_sync_of_a_folder_covers_its_names_and_no_data() {
        let renamed = Step::Rename { from: "f", to: "g" };
        let (called, done) =
            (Step::SyncBegin { ino: 1, sync: 8, data_only: false }, Step::SyncEnd { sync: 8, failed: false });
        let disk = played(&[MADE, FIRST, renamed, called, done, Step::Remove("g")]);
        assert_eq!(disk.names, [((0, "g".to_owned()), 1)].into());
        assert!(disk.lasting[1].is_empty());
        assert_eq!(disk.node("g"), None);
    }
}
