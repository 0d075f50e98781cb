use std::time::Instant;

use tracing::Dispatch;
use tracing::dispatcher::with_default;
use tracing_subscriber::Registry;
use tracing_subscriber::layer::SubscriberExt as _;

use super::*;

/// A wait that ends much earlier unless a test fails.
const LONG: Duration = Duration::from_secs(20);

/// An output that blocks while a test holds the lock of `reader`.
#[derive(Clone, Default)]
struct Output {
    reader: Arc<Mutex<()>>,
    is_full: Arc<Mutex<bool>>,
    writes: Arc<Mutex<Vec<String>>>,
    reports: Arc<Mutex<Vec<u64>>>,
}

impl Write for Output {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let _reader = self.reader.lock().unwrap();
        if *self.is_full.lock().unwrap() {
            return Err(io::ErrorKind::StorageFull.into());
        }
        let text = String::from_utf8(bytes.to_vec()).unwrap();
        self.writes.lock().unwrap().push(text);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Output {
    fn start(&self) -> LogQueue {
        let reports = self.reports.clone();
        LogQueue::start(self.clone(), move |dropped| {
            reports.lock().unwrap().push(dropped);
        })
    }

    fn writes(&self) -> Vec<String> {
        self.writes.lock().unwrap().clone()
    }

    /// The reports, once there is one.
    fn reports(&self) -> Vec<u64> {
        eventually(|| !self.reports.lock().unwrap().is_empty());
        self.reports.lock().unwrap().clone()
    }
}

fn eventually(mut is_true: impl FnMut() -> bool) {
    let deadline = Instant::now() + LONG;
    while !is_true() {
        assert!(Instant::now() < deadline, "it did not become true");
        thread::sleep(Duration::from_millis(1));
    }
}

/// A subscriber that logs short lines to a queue.
fn dispatch(queue: &LogQueue) -> Dispatch {
    let layer = tracing_subscriber::fmt::layer()
        .without_time()
        .with_ansi(false)
        .with_target(false)
        .with_writer(queue.clone());
    Dispatch::new(Registry::default().with(layer))
}

/// Waits until the writer thread has taken all lines.
fn wait_until_taken(queue: &LogQueue) {
    eventually(|| queue.0.lock().lines.is_empty());
}

#[test]
fn lines_are_written_without_a_flush() {
    let output = Output::default();
    let queue = output.start();
    with_default(&dispatch(&queue), || tracing::info!("one"));
    eventually(|| output.writes() == [" INFO one\n"]);
    with_default(&dispatch(&queue), || tracing::warn!("two"));
    eventually(|| output.writes() == [" INFO one\n", " WARN two\n"]);
}

#[test]
fn lines_that_wait_are_written_together() {
    let output = Output::default();
    let queue = output.start();
    let stopped = output.reader.lock().unwrap();
    with_default(&dispatch(&queue), || {
        tracing::info!("one");
        wait_until_taken(&queue);
        tracing::info!("two");
        tracing::warn!("three");
        tracing::info!("four");
    });
    drop(stopped);
    queue.flush(LONG);
    assert_eq!(
        output.writes(),
        [" INFO one\n", " INFO two\n WARN three\n INFO four\n"]
    );
}

#[test]
fn a_reader_that_stops_blocks_no_line_and_dropped_lines_are_reported() {
    let output = Output::default();
    let queue = output.start();
    let stopped = output.reader.lock().unwrap();
    let line = [[b'x'; 1023].as_slice(), b"\n"].concat();
    let fitting = (CAPACITY - RESERVED_FOR_WARNINGS) / line.len();
    for _ in 0..fitting + 5 {
        queue.push(&line, false);
    }
    assert_eq!(queue.dropped(), 5);
    assert_eq!(output.writes(), [""; 0]);
    drop(stopped);
    queue.flush(LONG);
    assert_eq!(output.writes().concat().len(), fitting * line.len());
    assert_eq!(output.reports().iter().sum::<u64>(), 5);
    queue.push(&line, false);
    queue.flush(LONG);
    assert_eq!(queue.dropped(), 5);
    assert_eq!(output.writes().concat().len(), (fitting + 1) * line.len());
}

#[test]
fn warnings_are_kept_when_other_lines_are_dropped() {
    let output = Output::default();
    let queue = output.start();
    let stopped = output.reader.lock().unwrap();
    let line = [[b'x'; 1023].as_slice(), b"\n"].concat();
    while queue.dropped() == 0 {
        queue.push(&line, false);
    }
    let reserved = RESERVED_FOR_WARNINGS / line.len();
    for _ in 0..reserved {
        queue.push(&line, true);
    }
    assert_eq!(queue.dropped(), 1);
    queue.push(&line, true);
    queue.push(&line, false);
    assert_eq!(queue.dropped(), 3);
    drop(stopped);
    queue.flush(LONG);
    assert_eq!(output.writes().concat().len(), CAPACITY);
}

#[test]
fn a_flush_does_not_wait_longer_than_its_limit() {
    let output = Output::default();
    let queue = output.start();
    let _stopped = output.reader.lock().unwrap();
    queue.push(b"one\n", false);
    let started = Instant::now();
    queue.flush(Duration::from_millis(50));
    assert!(started.elapsed() >= Duration::from_millis(50));
    assert!(started.elapsed() < LONG);
}

#[test]
fn lines_that_cannot_be_written_are_dropped_and_reported_later() {
    let output = Output::default();
    let queue = output.start();
    *output.is_full.lock().unwrap() = true;
    queue.push(b"one\ntwo\n", true);
    queue.flush(LONG);
    assert_eq!(queue.dropped(), 2);
    *output.is_full.lock().unwrap() = false;
    queue.push(b"three\n", false);
    queue.flush(LONG);
    assert_eq!(output.writes(), ["three\n"]);
    assert_eq!(output.reports(), [2]);
}

#[test]
fn lines_of_many_threads_are_whole_and_in_the_order_of_each_thread() {
    const THREADS: usize = 8;
    const LINES: usize = 1_000;
    let output = Output::default();
    let queue = output.start();
    let dispatch = dispatch(&queue);
    thread::scope(|scope| {
        for thread in 0..THREADS {
            let dispatch = dispatch.clone();
            scope.spawn(move || {
                with_default(&dispatch, || {
                    for line in 0..LINES {
                        tracing::info!(thread, line);
                    }
                });
            });
        }
    });
    queue.flush(LONG);
    let whole = output.writes().concat();
    assert_eq!(whole.lines().count(), THREADS * LINES);
    for thread in 0..THREADS {
        let prefix = format!(" INFO thread={thread} line=");
        let lines = whole.lines().filter_map(|line| line.strip_prefix(&prefix));
        let lines: Vec<usize> = lines.map(|line| line.parse().unwrap()).collect();
        assert_eq!(lines, (0..LINES).collect::<Vec<_>>());
    }
}
