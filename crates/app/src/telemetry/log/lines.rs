//! Writes the lines of the log: those of one turn of an event loop by one system call.

use std::io::{self, Write};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use tokio::runtime::Handle;
use tracing::{Level, Metadata};
use tracing_subscriber::fmt::MakeWriter;

/// The bytes that wait to be written at most, but for a last line.
const MOST: usize = 64 * 1024;

thread_local! {
    /// Whether this thread has left it to a task to write what waits.
    static LEFT_TO_TASK: Arc<AtomicBool> = Arc::default();
}

/// Writes lines, those of one turn of an event loop together: each system call wakes whoever reads them, and costs more
/// than all else about a line.
///
/// A line waits no longer than its thread is busy with what has arrived already; only a process that is killed takes such
/// lines along. Warnings and errors, and what is told where there is no event loop, wait for nothing.
pub(super) struct Lines<W> {
    shared: Arc<Mutex<Waiting<W>>>,
}

struct Waiting<W> {
    lines: Vec<u8>,
    output: W,
}

impl<W: Write> Lines<W> {
    pub(super) fn new(output: W) -> Self {
        let lines = Vec::new();
        Self {
            shared: Arc::new(Mutex::new(Waiting { lines, output })),
        }
    }
}

impl<W: Write> Waiting<W> {
    fn write(&mut self) {
        // Whom should it be told? The log is gone.
        let _ = self.output.write_all(&self.lines);
        let _ = self.output.flush();
        self.lines.clear();
        self.lines.shrink_to(MOST);
    }
}

impl<'a, W: Write + Send + 'static> MakeWriter<'a> for Lines<W> {
    type Writer = Line<'a, W>;

    fn make_writer(&'a self) -> Self::Writer {
        Line {
            lines: self,
            may_wait: false,
        }
    }

    fn make_writer_for(&'a self, about: &Metadata<'_>) -> Self::Writer {
        Line {
            lines: self,
            may_wait: *about.level() >= Level::INFO,
        }
    }
}

/// Takes one line, whole.
pub(super) struct Line<'a, W> {
    lines: &'a Lines<W>,
    may_wait: bool,
}

impl<W: Write + Send + 'static> Write for Line<'_, W> {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        let shared = &self.lines.shared;
        {
            let mut waiting = shared.lock().unwrap_or_else(PoisonError::into_inner);
            waiting.lines.extend_from_slice(line);
            if !self.may_wait || waiting.lines.len() >= MOST {
                waiting.write();
                return Ok(line.len());
            }
        }
        // Without the lock: the task may be dropped at once, and writes then.
        leave_to_task(shared);
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Has what waits be written by a task, behind those that are ready by now.
fn leave_to_task<W: Write + Send + 'static>(shared: &Arc<Mutex<Waiting<W>>>) {
    let is_left = LEFT_TO_TASK.try_with(|flag| {
        let is_left = flag.swap(true, Ordering::AcqRel);
        (!is_left).then(|| flag.clone())
    });
    let flag = match is_left {
        Ok(None) => return,
        Ok(Some(flag)) => flag,
        // The thread is ending.
        Err(_) => Arc::default(),
    };
    let task = Task {
        shared: shared.clone(),
        flag,
    };
    // Where there is no event loop, the task is dropped here.
    if let Ok(event_loop) = Handle::try_current() {
        event_loop.spawn(async move { drop(task) });
    }
}

/// Writes what waits when it is dropped, be it that the event loop ends before its turn comes.
struct Task<W: Write> {
    shared: Arc<Mutex<Waiting<W>>>,
    flag: Arc<AtomicBool>,
}

impl<W: Write> Drop for Task<W> {
    fn drop(&mut self) {
        // First: a line that comes from now on needs a task of its own.
        self.flag.store(false, Ordering::Release);
        let mut waiting = self.shared.lock().unwrap_or_else(PoisonError::into_inner);
        if !waiting.lines.is_empty() {
            waiting.write();
        }
    }
}

#[cfg(test)]
mod tests {
    use tracing::subscriber::with_default;
    use tracing_subscriber::Registry;
    use tracing_subscriber::layer::SubscriberExt as _;

    use super::*;

    /// What was written, a text for each system call that it would have been.
    #[derive(Clone, Default)]
    struct Written(Arc<Mutex<Vec<String>>>);

    impl Write for Written {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            let text = String::from_utf8(bytes.to_vec()).unwrap();
            self.0.lock().unwrap().push(text);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    impl Written {
        /// Runs something whose lines come here.
        fn of<T>(run: impl FnOnce(&Self) -> T) -> (T, Vec<String>) {
            let written = Self::default();
            let layer = tracing_subscriber::fmt::layer()
                .without_time()
                .with_ansi(false)
                .with_target(false)
                .with_writer(Lines::new(written.clone()));
            let done = with_default(Registry::default().with(layer), || run(&written));
            let texts = written.now();
            (done, texts)
        }

        fn now(&self) -> Vec<String> {
            self.0.lock().unwrap().clone()
        }
    }

    fn event_loop() -> tokio::runtime::Runtime {
        tokio::runtime::Builder::new_current_thread()
            .build()
            .unwrap()
    }

    #[test]
    fn lines_of_one_turn_are_written_together() {
        let ((), texts) = Written::of(|written| {
            event_loop().block_on(async {
                let first = tokio::spawn(async { tracing::info!("one") });
                let second = tokio::spawn(async { tracing::info!("two") });
                first.await.unwrap();
                second.await.unwrap();
                tokio::task::yield_now().await;
                assert_eq!(written.now().len(), 1);
                tracing::info!("three");
                tokio::task::yield_now().await;
                assert_eq!(written.now().len(), 2);
            });
        });
        assert_eq!(texts, [" INFO one\n INFO two\n", " INFO three\n"]);
    }

    #[test]
    fn a_warning_waits_for_nothing_and_takes_along_what_was_told_before() {
        Written::of(|written| {
            event_loop().block_on(async {
                tracing::info!("one");
                assert_eq!(written.now(), [""; 0]);
                tracing::warn!("two");
                assert_eq!(written.now(), [" INFO one\n WARN two\n"]);
            });
        });
    }

    #[test]
    fn what_is_told_without_an_event_loop_is_written_at_once() {
        Written::of(|written| {
            tracing::info!("one");
            assert_eq!(written.now(), [" INFO one\n"]);
            tracing::info!("two");
            assert_eq!(written.now().len(), 2);
        });
    }

    #[test]
    fn an_event_loop_that_ends_takes_no_line_along() {
        let ((), texts) = Written::of(|written| {
            event_loop().block_on(async { tracing::info!("last words") });
            assert_eq!(written.now(), [" INFO last words\n"]);
            tracing::info!("and more");
        });
        assert_eq!(texts.len(), 2);
    }

    #[test]
    fn what_waits_is_bounded() {
        let line = "x".repeat(MOST / 4);
        Written::of(|written| {
            event_loop().block_on(async {
                for _ in 0..4 {
                    tracing::info!(line);
                }
                assert_eq!(written.now().len(), 1);
            });
        });
    }

    #[test]
    fn each_line_of_many_threads_is_written_once_and_whole() {
        const THREADS: usize = 8;
        const LINES: usize = 1_000;
        let written = Written::default();
        let layer = tracing_subscriber::fmt::layer()
            .without_time()
            .with_ansi(false)
            .with_target(false)
            .with_writer(Lines::new(written.clone()));
        let dispatch = tracing::Dispatch::new(Registry::default().with(layer));
        let threads: Vec<_> = (0..THREADS)
            .map(|thread| {
                let dispatch = dispatch.clone();
                std::thread::spawn(move || {
                    let tell = async {
                        for line in 0..LINES {
                            tracing::dispatcher::with_default(&dispatch, || {
                                tracing::info!("{thread}.{line}");
                            });
                            if line % 7 == 0 {
                                tokio::task::yield_now().await;
                            }
                        }
                    };
                    event_loop().block_on(tell);
                })
            })
            .collect();
        for thread in threads {
            thread.join().unwrap();
        }
        let whole = written.now().concat();
        let mut lines: Vec<&str> = whole.lines().collect();
        assert_eq!(lines.len(), THREADS * LINES);
        lines.sort_unstable();
        lines.dedup();
        assert_eq!(lines.len(), THREADS * LINES);
        assert!(lines.iter().all(|line| line.starts_with(" INFO ")));
    }
}
