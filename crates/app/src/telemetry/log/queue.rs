//! The queue between the threads that log and the thread that writes the log.

use std::io::{self, Write};
use std::mem;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use tracing::{Level, Metadata};
use tracing_subscriber::fmt::MakeWriter;

/// The maximum number of bytes that wait for the reader of the log.
const CAPACITY: usize = 4 * 1024 * 1024;
/// The part of the capacity that only warnings and errors may use.
const RESERVED_FOR_WARNINGS: usize = CAPACITY / 4;
/// How long the writer thread collects lines after a write. One system call then writes all of them.
const COLLECTION_TIME: Duration = Duration::from_millis(2);
/// The size to which an empty buffer shrinks after a burst of lines.
const RETAINED_BUFFER: usize = 64 * 1024;

/// Takes lines without waiting for the output. A separate thread writes them in order.
///
/// The output may block: a pipe whose reader has stopped accepts 64 KiB. If the queue is full, new lines are dropped
/// and counted. Warnings and errors are dropped only when the reserved part is full too.
#[derive(Clone, Default)]
pub(super) struct LogQueue(Arc<Shared>);

#[derive(Default)]
struct Shared {
    state: Mutex<State>,
    /// Wakes the writer thread.
    queued: Condvar,
    /// Wakes the threads that flush.
    written: Condvar,
}

#[derive(Default)]
struct State {
    lines: Vec<u8>,
    /// The number of bytes that the queue has ever accepted.
    accepted: usize,
    /// The number of these bytes that were written, or could not be written.
    completed: usize,
    /// Whether the writer thread waits for the first line.
    is_idle: bool,
    /// Whether the writer thread must not collect further lines.
    is_urgent: bool,
    dropped: u64,
    /// The number of dropped lines that were reported.
    reported: u64,
}

impl LogQueue {
    /// Starts the writer thread. It calls `report_dropped` with the number of dropped lines when the output accepts
    /// lines again.
    ///
    /// # Panics
    /// If the system refuses the thread.
    pub(super) fn start(
        mut output: impl Write + Send + 'static,
        report_dropped: impl Fn(u64) + Send + 'static,
    ) -> Self {
        let queue = Self::default();
        let shared = queue.0.clone();
        thread::spawn(move || {
            let mut batch = Vec::new();
            loop {
                shared.take(&mut batch);
                let is_written = output.write_all(&batch).and_then(|()| output.flush());
                let unreported = shared.complete(&batch, is_written.is_ok());
                if unreported > 0 {
                    report_dropped(unreported);
                }
            }
        });
        queue
    }

    /// Waits until the lines that are queued now are written, for at most this time.
    pub(super) fn flush(&self, max_wait: Duration) {
        let mut state = self.0.lock();
        state.is_urgent = true;
        self.0.queued.notify_one();
        let target = state.accepted;
        let is_unwritten = |state: &mut State| state.completed < target;
        let written = &self.0.written;
        drop(written.wait_timeout_while(state, max_wait, is_unwritten));
    }

    /// Returns the number of lines that were dropped since the start.
    pub(super) fn dropped(&self) -> u64 {
        self.0.lock().dropped
    }

    fn push(&self, line: &[u8], is_warning: bool) {
        let limit = if is_warning {
            CAPACITY
        } else {
            CAPACITY - RESERVED_FOR_WARNINGS
        };
        let mut state = self.0.lock();
        if state.accepted - state.completed + line.len() > limit {
            state.dropped += 1;
            return;
        }
        state.accepted += line.len();
        state.lines.extend_from_slice(line);
        state.is_urgent |= is_warning;
        // A notification is a system call even if no thread waits for it.
        if mem::take(&mut state.is_idle) || is_warning {
            self.0.queued.notify_one();
        }
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits for lines, and moves them into an empty batch.
    fn take(&self, batch: &mut Vec<u8>) {
        batch.clear();
        batch.shrink_to(RETAINED_BUFFER);
        let collected = self
            .queued
            .wait_timeout_while(self.lock(), COLLECTION_TIME, |state| !state.is_urgent);
        let (mut state, _) = collected.unwrap_or_else(PoisonError::into_inner);
        while state.lines.is_empty() {
            state.is_idle = true;
            let woken = self.queued.wait(state);
            state = woken.unwrap_or_else(PoisonError::into_inner);
        }
        state.is_idle = false;
        state.is_urgent = false;
        mem::swap(&mut state.lines, batch);
    }

    /// Ends the write of a batch. Returns the number of dropped lines to report, which is 0 if the write failed: the
    /// lines of the batch then count as dropped.
    fn complete(&self, batch: &[u8], is_written: bool) -> u64 {
        let mut state = self.lock();
        state.completed += batch.len();
        self.written.notify_all();
        if !is_written {
            state.dropped += batch.split_inclusive(|byte| *byte == b'\n').count() as u64;
            return 0;
        }
        let dropped = state.dropped;
        dropped - mem::replace(&mut state.reported, dropped)
    }
}

impl<'a> MakeWriter<'a> for LogQueue {
    type Writer = LineWriter<'a>;

    fn make_writer(&'a self) -> Self::Writer {
        LineWriter {
            queue: self,
            is_warning: true,
        }
    }

    fn make_writer_for(&'a self, about: &Metadata<'_>) -> Self::Writer {
        LineWriter {
            queue: self,
            is_warning: *about.level() <= Level::WARN,
        }
    }
}

/// Receives one complete line.
pub(super) struct LineWriter<'a> {
    queue: &'a LogQueue,
    is_warning: bool,
}

impl Write for LineWriter<'_> {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        self.queue.push(line, self.is_warning);
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests;
