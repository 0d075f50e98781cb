//! A thread pool for CPU-bound jobs, with a bounded queue.

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

/// A fixed number of threads that run jobs in their order. Dropping the pool ends them and drops the waiting jobs.
pub(super) struct ThreadPool {
    shared: Arc<Shared>,
    max_wait: Duration,
}

/// The state that callers and threads share.
struct Shared {
    queue: Mutex<Queue>,
    /// Signals a new job or the end of the pool.
    changed: Condvar,
    capacity: usize,
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

/// The queue entry of a job. Dropping it removes a job that has not started.
struct QueueEntry<'a> {
    shared: &'a Shared,
    number: u64,
}

impl ThreadPool {
    /// Starts the threads. At most `capacity` jobs wait, and none longer than `max_wait`.
    pub(super) fn start(
        threads: usize,
        capacity: usize,
        max_wait: Duration,
        length: Gauge,
    ) -> io::Result<Self> {
        let started = Self {
            shared: Arc::new(Shared {
                queue: Mutex::default(),
                changed: Condvar::new(),
                capacity,
                length,
            }),
            max_wait,
        };
        for number in 0..threads {
            let shared = started.shared.clone();
            thread::Builder::new()
                .name(format!("hash-{number}"))
                .spawn(move || run_jobs(&shared))?;
        }
        Ok(started)
    }

    /// Runs a job on a thread. A job that has started is finished, even if the caller stops waiting.
    ///
    /// # Errors
    /// [`HashingError::Busy`] at once if the queue is full, or after `max_wait` if no thread has started the job. The
    /// job then never runs.
    pub(super) async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, HashingError> {
        let (answer, answered) = oneshot::channel();
        let entry = self.shared.enqueue(Box::new(move || {
            // The caller may have stopped waiting.
            let _ = answer.send(work());
        }))?;
        let mut answered = pin!(answered);
        let outcome = match timeout(self.max_wait, &mut answered).await {
            Ok(outcome) => outcome,
            Err(_) if entry.remove() => return Err(HashingError::Busy),
            Err(_) => answered.await,
        };
        outcome.map_err(|_| HashingError::Internal("the job panicked or was dropped".to_owned()))
    }
}

impl Drop for ThreadPool {
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

    fn enqueue(&self, work: Box<dyn FnOnce() + Send>) -> Result<QueueEntry<'_>, HashingError> {
        let mut queue = self.lock();
        if queue.jobs.len() >= self.capacity {
            return Err(HashingError::Busy);
        }
        let number = queue.next_number;
        queue.next_number += 1;
        queue.jobs.push_back(Job { number, work });
        self.measure(&queue);
        self.changed.notify_one();
        Ok(QueueEntry {
            shared: self,
            number,
        })
    }

    /// Waits for the next job; `None` once the pool is closed.
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

impl QueueEntry<'_> {
    /// Removes the job from the queue. Returns `false` if a thread has already taken it.
    fn remove(&self) -> bool {
        let mut queue = self.shared.lock();
        let before = queue.jobs.len();
        queue.jobs.retain(|job| job.number != self.number);
        self.shared.measure(&queue);
        queue.jobs.len() < before
    }
}

impl Drop for QueueEntry<'_> {
    fn drop(&mut self) {
        self.remove();
    }
}

fn run_jobs(shared: &Shared) {
    lower_priority();
    while let Some(job) = shared.next() {
        // A panic drops the sender, so the caller gets an error. The thread continues.
        let _ = catch_unwind(AssertUnwindSafe(job.work));
    }
}

/// The nice value of the threads.
#[cfg(target_os = "linux")]
const NICE: i32 = 10;

/// Lowers the priority of this thread, so that requests without hashing are not slowed down.
#[cfg(target_os = "linux")]
fn lower_priority() {
    use rustix::process::{getpriority_process, setpriority_process};
    // On Linux, this call applies to a single thread.
    let this = Some(rustix::thread::gettid());
    if getpriority_process(this).is_ok_and(|nice| nice >= NICE) {
        return;
    }
    if let Err(cause) = setpriority_process(this, NICE) {
        tracing::warn!(%cause, "priority of a hashing thread could not be lowered");
    }
}

/// Does nothing: other systems do not offer this call for a single thread.
#[cfg(not(target_os = "linux"))]
fn lower_priority() {}

#[cfg(test)]
mod tests;
