//! Images: what a crash may leave of the changes that no sync covers.

use std::collections::BTreeMap;
use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rand::rngs::SmallRng;
use rand::{RngExt, SeedableRng};

use crate::disk::{self, Change, Data, Disk, Node};

/// What becomes of the pending changes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Mode {
    /// All is lost.
    Nothing,
    /// All is kept, as after a kill.
    Everything,
    /// Data is kept, names are lost.
    NamesLost,
    /// Names are kept, data is lost, and files have their old lengths.
    DataLost,
    /// As before, but files have their new lengths and hold zeros.
    Zeros,
    /// All is kept but the new lengths of files.
    Short,
    /// The newest change is lost.
    LastLost,
    /// One change is lost, all others are kept.
    OneLost,
    /// One change is kept, all others are lost.
    OnlyOne,
    /// All before one change is kept and half of that one; all behind it is lost.
    Torn,
    /// Each change is kept or lost.
    Some,
    /// Each sector of 512 bytes is kept or lost, and names up to a point.
    Sectors,
    /// Each page of 4 KiB is kept or lost, and names up to a point.
    Pages,
    /// Data is kept, and any of the names.
    AnyNames,
    /// As with pages, but what is lost behind the old end of a file holds anything.
    Garbage,
}

/// All of them, with how often each is tried.
pub const MODES: [(Mode, u32); 15] = [
    (Mode::Nothing, 3),
    (Mode::Everything, 1),
    (Mode::NamesLost, 1),
    (Mode::DataLost, 1),
    (Mode::Zeros, 1),
    (Mode::Short, 1),
    (Mode::LastLost, 2),
    (Mode::OneLost, 3),
    (Mode::OnlyOne, 2),
    (Mode::Torn, 3),
    (Mode::Some, 3),
    (Mode::Sectors, 3),
    (Mode::Pages, 3),
    (Mode::AnyNames, 1),
    (Mode::Garbage, 2),
];

/// What becomes of one change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fate {
    Kept,
    Lost,
    /// The first half of it is kept, to a boundary of so many bytes.
    Half(usize),
    /// Each block of so many bytes by itself.
    Blocks(usize, u64),
}

/// How long the files are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Length {
    /// As long as what is kept of them makes them.
    Data,
    /// As if all were kept.
    New,
    /// As long as lasts.
    Old,
}

/// A file of an image: what lasts of it, and what becomes of the rest.
struct File<'a> {
    lasting: Arc<Vec<u8>>,
    changes: Vec<(Data<'a>, Fate)>,
}

/// An image that is still to be written.
pub struct Image<'a> {
    folders: Vec<PathBuf>,
    files: Vec<(PathBuf, File<'a>)>,
    length: Length,
    garbage: Option<u64>,
}

/// The image that a mode makes of a disk.
pub fn of<'a>(disk: &Disk<'a>, mode: Mode, seed: u64) -> Image<'a> {
    let mut random = SmallRng::seed_from_u64(seed);
    let count = disk.pending.len();
    let chosen = random.random_range(0..count.max(1));
    // Names are changed through a journal: those up to a point are kept.
    let named_until = random.random_range(0..=count);
    let tear = if random.random() { 512 } else { 4096 };
    let fate = |(n, (_, change)): (usize, &(usize, Change<'a>)), random: &mut SmallRng| {
        let names = matches!(change, Change::Names(_));
        let when = |kept: bool| if kept { Fate::Kept } else { Fate::Lost };
        let blocks = |size, random: &mut SmallRng| {
            if names { when(n < named_until) } else { Fate::Blocks(size, random.random()) }
        };
        match mode {
            Mode::Nothing => Fate::Lost,
            Mode::Everything | Mode::Short => Fate::Kept,
            Mode::NamesLost => when(!names),
            Mode::DataLost | Mode::Zeros => when(names),
            Mode::LastLost => when(n + 1 < count),
            Mode::OneLost => when(n != chosen),
            Mode::OnlyOne => when(n == chosen),
            Mode::Torn if n == chosen && !names => Fate::Half(tear),
            Mode::Torn => when(n < chosen),
            Mode::Some => when(random.random()),
            Mode::Sectors => blocks(512, random),
            Mode::Pages | Mode::Garbage => blocks(4096, random),
            Mode::AnyNames => when(!names || random.random()),
        }
    };
    let mut names = disk.names.clone();
    let mut changes: BTreeMap<Node, Vec<(Data<'a>, Fate)>> = BTreeMap::new();
    for (n, pending) in disk.pending.iter().enumerate() {
        let fate = fate((n, pending), &mut random);
        match &pending.1 {
            Change::Data(node, data) => changes.entry(*node).or_default().push((*data, fate)),
            Change::Names(renames) if fate == Fate::Kept => disk::apply(&mut names, renames),
            Change::Names(_) => {}
        }
    }
    let length = match mode {
        Mode::Zeros | Mode::Garbage => Length::New,
        Mode::Short => Length::Old,
        Mode::Sectors | Mode::Pages if random.random() => Length::New,
        _ => Length::Data,
    };
    let garbage = (mode == Mode::Garbage).then(|| random.random());
    let mut image = Image { folders: Vec::new(), files: Vec::new(), length, garbage };
    let mut open = vec![(0, PathBuf::new())];
    while let Some((folder, path)) = open.pop() {
        for ((_, name), &node) in names.range((folder, String::new())..(folder + 1, String::new())) {
            let path = path.join(name);
            if disk.folders[node] {
                image.folders.push(path.clone());
                open.push((node, path));
            } else {
                let changes = changes.get(&node).cloned().unwrap_or_default();
                image.files.push((path, File { lasting: Arc::clone(&disk.lasting[node]), changes }));
            }
        }
    }
    image
}

impl Image<'_> {
    /// Writes it into an empty folder.
    pub fn write(&self, into: &Path) -> io::Result<()> {
        for folder in &self.folders {
            fs::create_dir(into.join(folder))?;
        }
        for (path, file) in &self.files {
            let content = file.content(self.length, self.garbage);
            write_sparse(&into.join(path), &content)?;
        }
        Ok(())
    }
}

/// What [`write_sparse`] leaves out if it is all zeros, in bytes.
const PAGE: usize = 64 * 1024;

/// Leaves pages of zeros out, which spares most of the work.
fn write_sparse(path: &Path, content: &[u8]) -> io::Result<()> {
    use std::os::unix::fs::FileExt;
    let file = fs::File::create_new(path)?;
    file.set_len(content.len() as u64)?;
    for (n, page) in content.chunks(PAGE).enumerate() {
        if page.iter().any(|byte| *byte != 0) {
            file.write_all_at(page, (n * PAGE) as u64)?;
        }
    }
    (&file).flush()
}

impl File<'_> {
    fn content(&self, length: Length, garbage: Option<u64>) -> Vec<u8> {
        let mut content = self.lasting.to_vec();
        let mut full = content.len();
        for (data, _) in &self.changes {
            full = match data {
                Data::Write(at, data) => full.max(*at as usize + data.len()),
                Data::Resize(length) => *length as usize,
            };
        }
        if let Some(seed) = garbage
            && full > content.len()
        {
            let old = content.len();
            content.resize(full, 0);
            SmallRng::seed_from_u64(seed).fill(&mut content[old..]);
        }
        for (data, fate) in &self.changes {
            match (*data, *fate) {
                (data, Fate::Kept) => data.apply(&mut content),
                (_, Fate::Lost) | (Data::Resize(_), Fate::Half(_)) => {}
                (Data::Resize(length), Fate::Blocks(_, seed)) => {
                    if seed % 2 == 0 {
                        content.resize(length as usize, 0);
                    }
                }
                (Data::Write(at, data), Fate::Half(unit)) => {
                    let middle = (at as usize + data.len() / 2) / unit * unit;
                    let kept = middle.saturating_sub(at as usize);
                    disk::put(&mut content, at as usize, &data[..kept]);
                }
                (Data::Write(at, data), Fate::Blocks(unit, seed)) => {
                    let mut random = SmallRng::seed_from_u64(seed);
                    let (mut from, end) = (at as usize, at as usize + data.len());
                    while from < end {
                        let to = ((from / unit + 1) * unit).min(end);
                        if random.random() {
                            disk::put(&mut content, from, &data[from - at as usize..to - at as usize]);
                        }
                        from = to;
                    }
                }
            }
        }
        match length {
            Length::Data => {}
            Length::New => content.resize(full, 0),
            Length::Old => content.truncate(self.lasting.len()),
        }
        content
    }
}
