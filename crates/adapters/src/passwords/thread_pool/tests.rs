use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::sync::mpsc;
use std::sync::{Arc, Weak};
use std::task::Poll;
use std::time::Instant;

use super::*;

/// Longer than any test takes.
const LONG: Duration = Duration::from_mins(2);

fn threads(threads: usize, capacity: usize, max_wait: Duration) -> ThreadPool {
    ThreadPool::start(threads, capacity, max_wait, Gauge::noop()).unwrap()
}

/// A job whose start and end a test controls.
struct Blocked {
    started: mpsc::Receiver<()>,
    end: mpsc::Sender<()>,
}

fn blocked() -> (Blocked, impl FnOnce() + Send + 'static) {
    let (start_sender, started) = mpsc::channel();
    let (end, ended) = mpsc::channel();
    let work = move || {
        start_sender.send(()).unwrap();
        let _ = ended.recv();
    };
    (Blocked { started, end }, work)
}

/// Polls once, so that the job is queued.
async fn poll_once<F: Future>(mut future: Pin<&mut F>) -> Option<F::Output> {
    poll_fn(|context| match future.as_mut().poll(context) {
        Poll::Ready(output) => Poll::Ready(Some(output)),
        Poll::Pending => Poll::Ready(None),
    })
    .await
}

fn waiting(threads: &ThreadPool) -> usize {
    threads.shared.lock().jobs.len()
}

fn await_true(what: &str, mut is_true: impl FnMut() -> bool) {
    let started = Instant::now();
    while !is_true() {
        assert!(started.elapsed() < LONG, "{what}");
        thread::sleep(Duration::from_millis(1));
    }
}

#[tokio::test]
async fn named_threads_run_jobs_in_their_order() {
    let threads = threads(1, 8, LONG);
    let name = || thread::current().name().map(str::to_owned);
    assert_eq!(threads.run(name).await.unwrap().unwrap(), "hash-0");

    let (blocked, work) = blocked();
    let mut first = pin!(threads.run(work));
    assert!(poll_once(first.as_mut()).await.is_none());
    blocked.started.recv().unwrap();
    let (log, done) = mpsc::channel();
    let logged = |number| {
        let log = log.clone();
        threads.run(move || log.send(number).unwrap())
    };
    let (mut second, mut third) = (pin!(logged(2)), pin!(logged(3)));
    assert!(poll_once(second.as_mut()).await.is_none());
    assert!(poll_once(third.as_mut()).await.is_none());
    blocked.end.send(()).unwrap();
    third.await.unwrap();
    assert_eq!(done.try_iter().collect::<Vec<_>>(), [2, 3]);
}

#[tokio::test]
async fn a_job_is_refused_at_once_if_the_queue_is_full() {
    let threads = threads(1, 2, LONG);
    let (blocked, work) = blocked();
    let mut first = pin!(threads.run(work));
    assert!(poll_once(first.as_mut()).await.is_none());
    blocked.started.recv().unwrap();

    let (mut second, mut third) = (pin!(threads.run(|| 2)), pin!(threads.run(|| 3)));
    assert!(poll_once(second.as_mut()).await.is_none());
    assert!(poll_once(third.as_mut()).await.is_none());
    let mut fourth = pin!(threads.run(|| 4));
    assert_eq!(
        poll_once(fourth.as_mut()).await,
        Some(Err(HashingError::Busy))
    );

    blocked.end.send(()).unwrap();
    assert_eq!(second.await, Ok(2));
    assert_eq!(third.await, Ok(3));
    assert_eq!(threads.run(|| 5).await, Ok(5));
}

#[tokio::test(start_paused = true)]
async fn a_job_that_waits_too_long_is_refused_and_never_runs() {
    let threads = threads(1, 8, Duration::from_secs(1));
    let (blocked, work) = blocked();
    let mut first = pin!(threads.run(work));
    assert!(poll_once(first.as_mut()).await.is_none());
    blocked.started.recv().unwrap();

    let asked = tokio::time::Instant::now();
    let (done, was_done) = mpsc::channel();
    let too_late = threads.run(move || done.send(()).unwrap()).await;
    assert_eq!(too_late, Err(HashingError::Busy));
    assert_eq!(asked.elapsed(), Duration::from_secs(1));
    assert_eq!(waiting(&threads), 0);
    // A job that was started in time is awaited, however long it takes.
    blocked.end.send(()).unwrap();
    assert_eq!(first.await, Ok(()));
    // The sender was dropped with the job that never ran.
    assert_eq!(was_done.recv(), Err(mpsc::RecvError));
}

#[tokio::test]
async fn a_cancelled_caller_leaves_the_queue() {
    let threads = threads(1, 1, LONG);
    let (blocked, work) = blocked();
    let mut first = pin!(threads.run(work));
    assert!(poll_once(first.as_mut()).await.is_none());
    blocked.started.recv().unwrap();

    let mut second = Box::pin(threads.run(|| 2));
    assert!(poll_once(second.as_mut()).await.is_none());
    assert_eq!(waiting(&threads), 1);
    drop(second);
    assert_eq!(waiting(&threads), 0);
    let mut third = pin!(threads.run(|| 3));
    assert!(poll_once(third.as_mut()).await.is_none());
    blocked.end.send(()).unwrap();
    assert_eq!(third.await, Ok(3));
}

#[tokio::test]
async fn a_panicking_job_is_an_error_and_its_thread_survives() {
    let threads = threads(1, 8, LONG);
    let outcome = threads.run(|| panic!("as the test wants")).await;
    assert!(matches!(outcome, Err(HashingError::Internal(_))));
    assert_eq!(threads.run(|| 1).await, Ok(1));
}

#[tokio::test]
async fn dropping_the_pool_ends_the_threads_and_drops_waiting_jobs() {
    let threads = threads(3, 8, LONG);
    let shared: Weak<Shared> = Arc::downgrade(&threads.shared);
    assert_eq!(threads.run(|| 1).await, Ok(1));
    drop(threads);
    await_true("a thread keeps running", || shared.strong_count() == 0);
}

#[tokio::test]
async fn a_running_job_finishes_before_its_thread_ends() {
    let threads = threads(1, 8, LONG);
    let shared: Weak<Shared> = Arc::downgrade(&threads.shared);
    let (blocked, work) = blocked();
    {
        let mut first = pin!(threads.run(work));
        assert!(poll_once(first.as_mut()).await.is_none());
        blocked.started.recv().unwrap();
    }
    drop(threads);
    assert_eq!(shared.strong_count(), 1, "the thread at work");
    drop(blocked);
    await_true("the thread keeps running", || shared.strong_count() == 0);
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn the_threads_have_a_lower_priority() {
    use rustix::process::getpriority_process;
    let threads = threads(1, 8, LONG);
    let nice = || getpriority_process(Some(rustix::thread::gettid())).unwrap();
    let before = nice();
    assert!(threads.run(nice).await.unwrap() >= NICE);
    assert_eq!(
        nice(),
        before,
        "the priority of the test thread is unchanged"
    );
}
