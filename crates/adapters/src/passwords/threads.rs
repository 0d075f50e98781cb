//! Threads for work that takes long, with a queue that has an end.

use std::collections::VecDeque;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::pin;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use metrics::Gauge;
use tokio::sync::oneshot;
use tokio::time::timeout;
use user_domain::ports::HashingError;

/// A few threads that do what is queued, in its order. They end when this is dropped, and what waits is not done.
pub(super) struct Threads {
    shared: Arc<Shared>,
    patience: Duration,
}

/// What callers and threads have in common.
struct Shared {
    queue: Mutex<Queue>,
    /// Something has come, or the end has.
    changed: Condvar,
    places: usize,
    length: Gauge,
}

#[derive(Default)]
struct Queue {
    jobs: VecDeque<Job>,
    next_number: u64,
    is_closed: bool,
}

struct Job {
    number: u64,
    work: Box<dyn FnOnce() + Send>,
}

/// A place in the queue, given up by a caller that goes away.
struct Place<'a> {
    shared: &'a Shared,
    number: u64,
}

impl Threads {
    /// Starts the threads; so many jobs may wait, and none longer than the patience.
    pub(super) fn start(
        threads: usize,
        places: usize,
        patience: Duration,
        length: Gauge,
    ) -> io::Result<Self> {
        let started = Self {
            shared: Arc::new(Shared {
                queue: Mutex::default(),
                changed: Condvar::new(),
                places,
                length,
            }),
            patience,
        };
        for number in 0..threads {
            let shared = started.shared.clone();
            thread::Builder::new()
                .name(format!("hash-{number}"))
                .spawn(move || work_off(&shared))?;
        }
        Ok(started)
    }

    /// Has something done by a thread. Once begun it is finished, whether or not the caller still waits.
    ///
    /// # Errors
    /// [`HashingError::Busy`] at once if too much waits, and after the patience if no thread has come to it by then: it
    /// is not done.
    pub(super) async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, HashingError> {
        let (answer, answered) = oneshot::channel();
        let place = self.shared.enter(Box::new(move || {
            // Nobody may listen any more.
            let _ = answer.send(work());
        }))?;
        let mut answered = pin!(answered);
        let outcome = match timeout(self.patience, &mut answered).await {
            Ok(outcome) => outcome,
            Err(_) if place.leave() => return Err(HashingError::Busy),
            Err(_) => answered.await,
        };
        outcome.map_err(|_| HashingError::Internal("a thread gave up its work".to_owned()))
    }
}

impl Drop for Threads {
    fn drop(&mut self) {
        let mut queue = self.shared.lock();
        queue.is_closed = true;
        queue.jobs.clear();
        self.shared.measure(&queue);
        self.shared.changed.notify_all();
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn measure(&self, queue: &Queue) {
        let length = u32::try_from(queue.jobs.len()).unwrap_or(u32::MAX);
        self.length.set(length);
    }

    fn enter(&self, work: Box<dyn FnOnce() + Send>) -> Result<Place<'_>, HashingError> {
        let mut queue = self.lock();
        if queue.jobs.len() >= self.places {
            return Err(HashingError::Busy);
        }
        let number = queue.next_number;
        queue.next_number += 1;
        queue.jobs.push_back(Job { number, work });
        self.measure(&queue);
        self.changed.notify_one();
        Ok(Place {
            shared: self,
            number,
        })
    }

    /// Waits for something to do; `None` is the end.
    fn next(&self) -> Option<Job> {
        let mut queue = self
            .changed
            .wait_while(self.lock(), |queue| {
                queue.jobs.is_empty() && !queue.is_closed
            })
            .unwrap_or_else(PoisonError::into_inner);
        let job = queue.jobs.pop_front();
        self.measure(&queue);
        job
    }
}

impl Place<'_> {
    /// Takes the job out of the queue again, unless a thread has it.
    fn leave(&self) -> bool {
        let mut queue = self.shared.lock();
        let before = queue.jobs.len();
        queue.jobs.retain(|job| job.number != self.number);
        self.shared.measure(&queue);
        queue.jobs.len() < before
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        self.leave();
    }
}

fn work_off(shared: &Shared) {
    give_way();
    while let Some(job) = shared.next() {
        // Whoever waits for a job that panics is told, and the thread goes on.
        let _ = catch_unwind(AssertUnwindSafe(job.work));
    }
}

/// How nice the threads are to all others.
#[cfg(target_os = "linux")]
const NICE: i32 = 10;

/// Lets every other thread go before this one, so that requests which hash nothing are answered as fast as ever.
#[cfg(target_os = "linux")]
fn give_way() {
    use rustix::process::{getpriority_process, setpriority_process};
    // What POSIX calls a process here is a thread on Linux.
    let this = Some(rustix::thread::gettid());
    if getpriority_process(this).is_ok_and(|nice| nice >= NICE) {
        return;
    }
    if let Err(cause) = setpriority_process(this, NICE) {
        tracing::warn!(%cause, "a thread for hashing keeps the usual priority");
    }
}

/// Other systems have no priority of single threads that could be set so.
#[cfg(not(target_os = "linux"))]
fn give_way() {}

#[cfg(test)]
mod tests;
