//! Images of one trace: which to try, building and checking them on all cores, and keeping those that failed.

use std::collections::BTreeMap;
use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError, RwLock, mpsc};
use std::time::{Duration, Instant};

use rand::rngs::SmallRng;
use rand::seq::SliceRandom;
use rand::{RngExt, SeedableRng};

use crate::check::check;
use crate::disk::{Disk, News};
use crate::image::{self, Image, MODES, Mode};
use crate::marks::{MARKS, Mark};
use crate::trace::Step;
use crate::truth::Truth;

/// Where a crash may come, and what it leaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Try {
    /// So many steps of the trace have happened.
    pub steps: usize,
    pub mode: Mode,
    pub seed: u64,
}

/// What came of the images of a trace.
#[derive(Default)]
pub struct Tally {
    /// By mode: how many were tried, and how many failed.
    pub modes: BTreeMap<Mode, (usize, usize)>,
    /// What failed, and why.
    pub failed: Vec<(Try, String)>,
    pub took: Duration,
}

impl Tally {
    pub fn tried(&self) -> usize {
        self.modes.values().map(|(tried, _)| tried).sum()
    }
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} images in {:.1?}, {} failed", self.tried(), self.took, self.failed.len())?;
        for (mode, (tried, failed)) in &self.modes {
            write!(f, "; {mode:?} {tried}")?;
            if *failed > 0 {
                write!(f, " ({failed} failed)")?;
            }
        }
        Ok(())
    }
}

/// Changes under way that are many.
const DEEP: usize = 6;

/// Moments of a trace at which something is worth a crash.
#[derive(Default)]
pub struct Moments {
    /// Right behind an answer that was told.
    pub told: Vec<usize>,
    /// Right behind any other thing that was said, and right before and behind the end of a sync.
    pub turning: Vec<usize>,
    /// While a store was being opened.
    pub opening: Vec<usize>,
    /// While many changes were under way.
    pub deep: Vec<usize>,
    /// Behind any change.
    pub any: Vec<usize>,
}

impl Moments {
    pub fn of(steps: &[Step<'_>]) -> Self {
        let (mut moments, mut disk, mut opening) = (Self::default(), Disk::new(MARKS), true);
        for (n, step) in steps.iter().enumerate() {
            let news = disk.play(n, *step);
            let after = n + 1;
            if let News::Mark(line) = news {
                let mark = mark(line);
                opening = matches!(mark, Mark::Opening(_)) || opening && !matches!(mark, Mark::Opened(_));
                match mark {
                    Mark::Ask(..) => {}
                    Mark::Told(..) => moments.told.push(after),
                    _ => moments.turning.push(after),
                }
                continue;
            }
            match step {
                Step::SyncEnd { .. } => moments.turning.extend([n, after]),
                Step::SyncBegin { .. } => moments.turning.push(after),
                Step::SyncRange | Step::Root(_) => continue,
                _ => {}
            }
            moments.any.push(after);
            if disk.pending.len() >= DEEP {
                moments.deep.push(after);
            }
            if opening {
                moments.opening.push(after);
            }
        }
        moments
    }

    /// The moments of the openings, with all modes that leave no choice; as many as asked for, drawn from all of them.
    pub fn openings(&self, most: usize, seed: u64) -> Vec<Try> {
        let modes = [Mode::Nothing, Mode::Everything, Mode::NamesLost, Mode::DataLost, Mode::Zeros, Mode::LastLost];
        let tries = |&steps: &usize| modes.map(|mode| Try { steps, mode, seed: 0 });
        let mut all: Vec<_> = self.opening.iter().flat_map(tries).collect();
        all.shuffle(&mut SmallRng::seed_from_u64(seed));
        all.truncate(most);
        all
    }

    /// So many images of the openings at which any of the names may be lost.
    pub fn names(&self, count: usize, seed: u64) -> Vec<Try> {
        let mut random = SmallRng::seed_from_u64(seed);
        let steps = |random: &mut SmallRng| self.opening[random.random_range(0..self.opening.len())];
        let draw = |_| Try { steps: steps(&mut random), mode: Mode::AnyNames, seed: random.random() };
        (0..count).map(draw).collect()
    }

    /// So many images, drawn.
    pub fn draw(&self, count: usize, seed: u64) -> Vec<Try> {
        let mut random = SmallRng::seed_from_u64(seed);
        let total = MODES.iter().map(|(_, often)| often).sum::<u32>();
        let draw = |_| {
            let from = match random.random_range(0..10) {
                0..2 if !self.told.is_empty() => &self.told,
                0..4 => &self.turning,
                4..6 => &self.opening,
                6..8 if !self.deep.is_empty() => &self.deep,
                _ => &self.any,
            };
            let steps = from[random.random_range(0..from.len())];
            let mut left = random.random_range(0..total);
            let hit = MODES.iter().find(|(_, often)| left.checked_sub(*often).map(|less| left = less).is_none());
            Try { steps, mode: hit.map_or(Mode::Nothing, |(mode, _)| *mode), seed: random.random() }
        };
        (0..count).map(draw).collect()
    }
}

pub fn mark(line: &[u8]) -> Mark {
    serde_json::from_slice(line).expect("a mark")
}

/// A trace played up to some step.
pub struct Play<'a> {
    steps: &'a [Step<'a>],
    done: usize,
    pub disk: Disk<'a>,
    pub truth: Truth,
}

impl<'a> Play<'a> {
    pub fn new(steps: &'a [Step<'a>]) -> Self {
        Self { steps, done: 0, disk: Disk::new(MARKS), truth: Truth::default() }
    }

    pub fn until(&mut self, steps: usize) {
        while self.done < steps {
            let news = self.disk.play(self.done, self.steps[self.done]);
            let kept = match news {
                News::Mark(line) => self.truth.mark(self.done, &mark(line)),
                News::Synced(node, begun)
                    if ["data/journal", "data/journal.odd"].iter().any(|file| Some(node) == self.disk.node(file)) =>
                {
                    self.truth.synced(begun);
                    Ok(())
                }
                _ => Ok(()),
            };
            kept.unwrap_or_else(|why| panic!("the traced program itself found at step {}: {why}", self.done));
            self.done += 1;
        }
    }
}

/// Held while stores are open, and taken to start a process: one that is starting holds all open files for a moment,
/// and with them the lock of a store that is just then closed and opened again.
pub static HANDS: RwLock<()> = RwLock::new(());

struct Job<'a> {
    what: Try,
    image: Image<'a>,
    truth: Arc<Truth>,
}

/// Builds and checks the images of a trace. Those that fail are kept in `keep`, the first few of them.
pub fn run(name: &str, steps: &[Step<'_>], mut chosen: Vec<Try>, keep: &Path) -> Tally {
    const KEPT: usize = 20;
    chosen.sort_unstable();
    chosen.dedup();
    let (begun, count) = (Instant::now(), chosen.len());
    let tally = Mutex::new(Tally::default());
    // Half of the time they wait for the disk.
    let workers = 2 * std::thread::available_parallelism().map_or(2, usize::from);
    let (give, take) = mpsc::sync_channel::<Job<'_>>(1);
    let take = Mutex::new(take);
    let work = || {
        loop {
            let job = take.lock().expect("no worker panics").recv();
            let Ok(Job { what, image, truth }) = job else { break };
            let folder = tempfile::tempdir_in(place()).expect("a folder");
            image.write(folder.path()).expect("the image can be written");
            let outcome = {
                let _shared = HANDS.read().unwrap_or_else(PoisonError::into_inner);
                check(folder.path(), &truth)
            };
            let mut sum = tally.lock().expect("no worker panics");
            let mode = sum.modes.entry(what.mode).or_default();
            *mode = (mode.0 + 1, mode.1 + usize::from(outcome.is_err()));
            if let Err(why) = outcome {
                if sum.failed.len() < KEPT {
                    let kept = keep.join(format!("{name}-{}-{:?}-{:x}", what.steps, what.mode, what.seed));
                    image.write(&fresh(&kept)).expect("the image can be kept");
                    println!("{name}: {what:?}: {why}\n  kept in {}", kept.display());
                }
                sum.failed.push((what, why));
            }
            let tried = sum.tried();
            if tried.is_multiple_of(250) {
                println!("{name}: {tried} of {count} images in {:.1?}", begun.elapsed());
            }
        }
    };
    std::thread::scope(|scope| {
        let work = &work;
        for _ in 0..workers {
            scope.spawn(work);
        }
        let mut play = Play::new(steps);
        let mut truth = (usize::MAX, Arc::default());
        for what in chosen {
            play.until(what.steps);
            if truth.0 != what.steps {
                truth = (what.steps, Arc::new(play.truth.clone()));
            }
            let image = image::of(&play.disk, what.mode, what.seed);
            give.send(Job { what, image, truth: Arc::clone(&truth.1) }).expect("a worker is there");
        }
        drop(give);
    });
    let mut tally = tally.into_inner().expect("no worker panics");
    tally.took = begun.elapsed();
    tally
}

/// Where images stand while they are checked: `PARLOR_POWER_PLACE`, or where temporary files are.
fn place() -> PathBuf {
    std::env::var_os("PARLOR_POWER_PLACE").map_or_else(std::env::temp_dir, PathBuf::from)
}

/// An empty folder of that name.
pub fn fresh(path: &Path) -> PathBuf {
    let _ = fs::remove_dir_all(path);
    fs::create_dir_all(path).expect("a folder");
    path.to_owned()
}
