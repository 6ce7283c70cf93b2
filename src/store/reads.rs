//! A few threads that read: disk reads never run where a session or a channel lives.
//!
//! Usable from any runtime, or none. What waits is bounded; a read that panics is an error, not a lost thread.

use std::collections::VecDeque;
use std::sync::Arc;

use parking_lot::{Condvar, Mutex};
use tokio::sync::oneshot;

use super::ReadError;
use crate::supervise::{Kind, Lasting, Life, Named, Probes, caught, named};

/// The pool, as one actor with several hands.
pub static READ: Kind = Kind { name: "read", messages: &[Reading::NAMES], endings: Lasting::NAMES };

/// Reads that may wait for a thread.
const WAITING: usize = 4096;

type Job = Box<dyn FnOnce() + Send>;

/// What the pool is asked for.
enum Reading {
    /// To read something.
    Read,
}

named!(Reading: Read);

struct Pool {
    /// What waits, each with when it was sent; and whether nothing more comes.
    jobs: Mutex<(VecDeque<(Job, u64)>, bool)>,
    filled: Condvar,
    life: Life,
}

/// Closes the pool when the last handle goes; its threads end by themselves, nobody waits for them.
struct Handle(Arc<Pool>);

impl Drop for Handle {
    fn drop(&mut self) {
        let left = {
            let mut jobs = self.0.jobs.lock();
            jobs.1 = true;
            std::mem::take(&mut jobs.0)
        };
        self.0.filled.notify_all();
        left.into_iter().for_each(|(_, sent)| self.0.life.vitals().left(sent));
    }
}

/// The pool of readers; a clone is another handle on the same one.
#[derive(Clone)]
pub struct Reads(Arc<Handle>);

impl Reads {
    /// A pool of `threads` threads, at least one.
    pub fn new(threads: usize, probes: &Probes) -> std::io::Result<Self> {
        let pool = Pool::new(probes);
        let handle = Handle(Arc::clone(&pool));
        for _ in 0..threads.max(1) {
            let pool = Arc::clone(&pool);
            std::thread::Builder::new().name("parlor-read".into()).spawn(move || pool.work())?;
        }
        Ok(Self(Arc::new(handle)))
    }

    /// A pool without threads: [`turn`](Self::turn) reads.
    #[cfg(feature = "testing")]
    pub fn stepped(probes: &Probes) -> Self {
        Self(Arc::new(Handle(Pool::new(probes))))
    }

    /// Carries out the oldest read that waits, here; false if none does.
    #[cfg(feature = "testing")]
    pub fn turn(&self) -> bool {
        let job = self.0.0.jobs.lock().0.pop_front();
        job.is_some_and(|(job, sent)| {
            self.0.0.run(job, sent);
            true
        })
    }

    /// How many reads wait.
    #[cfg(feature = "testing")]
    pub fn waiting(&self) -> usize {
        self.0.0.jobs.lock().0.len()
    }

    /// Runs `read` on the pool. It begins at once, whether the future is polled or not; if 4,096 wait already, or
    /// `read` panics, the answer is `Unavailable`.
    pub fn run<T, F>(&self, read: F) -> impl Future<Output = Result<T, ReadError>> + Send + use<T, F>
    where
        T: Send + 'static,
        F: FnOnce() -> Result<T, ReadError> + Send + 'static,
    {
        let (tell, told) = oneshot::channel();
        let job: Job = Box::new(move || {
            // One that nobody waits for any more is not carried out.
            if !tell.is_closed() {
                let _ = tell.send(read());
            }
        });
        let taken = self.0.0.push(job);
        async move {
            if !taken {
                return Err(ReadError::Unavailable("too many reads wait".into()));
            }
            told.await.unwrap_or_else(|_| Err(ReadError::Unavailable("the read was given up".into())))
        }
    }
}

impl Pool {
    fn new(probes: &Probes) -> Arc<Self> {
        let life = Life::begin(&probes.of(&READ), "pool".into());
        Arc::new(Self { jobs: Mutex::default(), filled: Condvar::new(), life })
    }

    fn push(&self, job: Job) -> bool {
        let mut jobs = self.jobs.lock();
        let taken = jobs.0.len() < WAITING;
        if taken {
            jobs.0.push_back((job, self.life.vitals().entered()));
            drop(jobs);
            self.filled.notify_one();
        }
        taken
    }

    fn work(&self) {
        loop {
            let (job, sent) = {
                let mut jobs = self.jobs.lock();
                loop {
                    if let Some(job) = jobs.0.pop_front() {
                        break job;
                    }
                    if jobs.1 {
                        return;
                    }
                    self.filled.wait(&mut jobs);
                }
            };
            self.run(job, sent);
        }
    }

    fn run(&self, job: Job, sent: u64) {
        let vitals = self.life.vitals();
        vitals.left(sent);
        let begun = vitals.probe().now();
        let done = caught(job);
        vitals.handled::<Reading>(Reading::Read.index(), sent, begun);
        if let Err(panic) = done {
            vitals.broke("a read", &panic);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use futures_util::future::join_all;

    use super::*;

    fn block_on<T>(future: impl Future<Output = T>) -> T {
        tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(future)
    }

    #[test]
    fn reads_answer_and_a_panic_costs_no_thread() {
        let reads = Reads::new(1, &Probes::default()).unwrap();
        for _ in 0..3 {
            let lost = reads.run(|| -> Result<u8, ReadError> { panic!("on purpose") });
            assert!(matches!(block_on(lost), Err(ReadError::Unavailable(_))));
        }
        assert_eq!(block_on(reads.run(|| Ok(7))), Ok(7));
    }

    #[test]
    fn what_waits_is_bounded() {
        let reads = Reads::new(1, &Probes::default()).unwrap();
        let (let_go, held) = mpsc::channel::<()>();
        let (begun, running) = mpsc::channel();
        let first = reads.run(move || {
            begun.send(()).unwrap();
            held.recv().unwrap();
            Ok(0)
        });
        running.recv().unwrap();
        let waiting: Vec<_> = (0..WAITING).map(|_| reads.run(|| Ok(1))).collect();
        assert!(matches!(block_on(reads.run(|| Ok(2))), Err(ReadError::Unavailable(_))));
        let_go.send(()).unwrap();
        assert_eq!(block_on(first), Ok(0));
        assert!(block_on(join_all(waiting)).into_iter().all(|answer| answer == Ok(1)));
    }

    #[test]
    fn it_can_be_dropped_inside_a_runtime_and_by_its_own_thread() {
        block_on(async {
            let reads = Reads::new(2, &Probes::default()).unwrap();
            let own = reads.clone();
            reads
                .run(move || {
                    drop(own);
                    Ok(())
                })
                .await
                .unwrap();
        });
    }
}
