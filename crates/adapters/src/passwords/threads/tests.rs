use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::sync::mpsc;
use std::sync::{Arc, Weak};
use std::task::Poll;
use std::time::Instant;

use super::*;

/// Longer than any test may take.
const LONG: Duration = Duration::from_mins(2);

fn threads(threads: usize, places: usize, patience: Duration) -> Threads {
    Threads::start(threads, places, patience, Gauge::noop()).unwrap()
}

/// Work that a test lets begin and end.
struct Blocked {
    begun: mpsc::Receiver<()>,
    end: mpsc::Sender<()>,
}

fn blocked() -> (Blocked, impl FnOnce() + Send + 'static) {
    let (tell, begun) = mpsc::channel();
    let (end, ended) = mpsc::channel();
    let work = move || {
        tell.send(()).unwrap();
        let _ = ended.recv();
    };
    (Blocked { begun, end }, work)
}

/// Polls once, so that what is to be queued is.
async fn begin<F: Future>(mut future: Pin<&mut F>) -> Option<F::Output> {
    poll_fn(|context| match future.as_mut().poll(context) {
        Poll::Ready(output) => Poll::Ready(Some(output)),
        Poll::Pending => Poll::Ready(None),
    })
    .await
}

fn waiting(threads: &Threads) -> usize {
    threads.shared.lock().jobs.len()
}

fn await_true(what: &str, mut is_true: impl FnMut() -> bool) {
    let begun = Instant::now();
    while !is_true() {
        assert!(begun.elapsed() < LONG, "{what}");
        thread::sleep(Duration::from_millis(1));
    }
}

#[tokio::test]
async fn work_is_done_by_threads_of_that_name_in_its_order() {
    let threads = threads(1, 8, LONG);
    let name = || thread::current().name().map(str::to_owned);
    assert_eq!(threads.run(name).await.unwrap().unwrap(), "hash-0");

    let (blocked, work) = blocked();
    let mut first = pin!(threads.run(work));
    assert!(begin(first.as_mut()).await.is_none());
    blocked.begun.recv().unwrap();
    let (log, done) = mpsc::channel();
    let logged = |number| {
        let log = log.clone();
        threads.run(move || log.send(number).unwrap())
    };
    let (mut second, mut third) = (pin!(logged(2)), pin!(logged(3)));
    assert!(begin(second.as_mut()).await.is_none());
    assert!(begin(third.as_mut()).await.is_none());
    blocked.end.send(()).unwrap();
    third.await.unwrap();
    assert_eq!(done.try_iter().collect::<Vec<_>>(), [2, 3]);
}

#[tokio::test]
async fn whoever_finds_the_queue_full_is_refused_at_once() {
    let threads = threads(1, 2, LONG);
    let (blocked, work) = blocked();
    let mut first = pin!(threads.run(work));
    assert!(begin(first.as_mut()).await.is_none());
    blocked.begun.recv().unwrap();

    let (mut second, mut third) = (pin!(threads.run(|| 2)), pin!(threads.run(|| 3)));
    assert!(begin(second.as_mut()).await.is_none());
    assert!(begin(third.as_mut()).await.is_none());
    let mut fourth = pin!(threads.run(|| 4));
    assert_eq!(begin(fourth.as_mut()).await, Some(Err(HashingError::Busy)));

    blocked.end.send(()).unwrap();
    assert_eq!(second.await, Ok(2));
    assert_eq!(third.await, Ok(3));
    assert_eq!(threads.run(|| 5).await, Ok(5));
}

#[tokio::test(start_paused = true)]
async fn whoever_has_waited_too_long_is_refused_and_its_work_is_not_done() {
    let threads = threads(1, 8, Duration::from_secs(1));
    let (blocked, work) = blocked();
    let mut first = pin!(threads.run(work));
    assert!(begin(first.as_mut()).await.is_none());
    blocked.begun.recv().unwrap();

    let asked = tokio::time::Instant::now();
    let (done, was_done) = mpsc::channel();
    let too_late = threads.run(move || done.send(()).unwrap()).await;
    assert_eq!(too_late, Err(HashingError::Busy));
    assert_eq!(asked.elapsed(), Duration::from_secs(1));
    assert_eq!(waiting(&threads), 0);
    // What was begun in time is waited for, however long it takes.
    blocked.end.send(()).unwrap();
    assert_eq!(first.await, Ok(()));
    // The channel's end went with the work that nobody has done.
    assert_eq!(was_done.recv(), Err(mpsc::RecvError));
}

#[tokio::test]
async fn a_caller_that_goes_away_gives_up_its_place() {
    let threads = threads(1, 1, LONG);
    let (blocked, work) = blocked();
    let mut first = pin!(threads.run(work));
    assert!(begin(first.as_mut()).await.is_none());
    blocked.begun.recv().unwrap();

    let mut second = Box::pin(threads.run(|| 2));
    assert!(begin(second.as_mut()).await.is_none());
    assert_eq!(waiting(&threads), 1);
    drop(second);
    assert_eq!(waiting(&threads), 0);
    let mut third = pin!(threads.run(|| 3));
    assert!(begin(third.as_mut()).await.is_none());
    blocked.end.send(()).unwrap();
    assert_eq!(third.await, Ok(3));
}

#[tokio::test]
async fn work_that_panics_is_an_error_and_the_thread_goes_on() {
    let threads = threads(1, 8, LONG);
    let outcome = threads.run(|| panic!("as the test wants")).await;
    assert!(matches!(outcome, Err(HashingError::Internal(_))));
    assert_eq!(threads.run(|| 1).await, Ok(1));
}

#[tokio::test]
async fn the_threads_end_with_their_owner_and_what_waits_is_not_done() {
    let threads = threads(3, 8, LONG);
    let shared: Weak<Shared> = Arc::downgrade(&threads.shared);
    assert_eq!(threads.run(|| 1).await, Ok(1));
    drop(threads);
    await_true("a thread goes on", || shared.strong_count() == 0);
}

#[tokio::test]
async fn a_thread_at_work_ends_its_work_first() {
    let threads = threads(1, 8, LONG);
    let shared: Weak<Shared> = Arc::downgrade(&threads.shared);
    let (blocked, work) = blocked();
    {
        let mut first = pin!(threads.run(work));
        assert!(begin(first.as_mut()).await.is_none());
        blocked.begun.recv().unwrap();
    }
    drop(threads);
    assert_eq!(shared.strong_count(), 1, "the thread at work");
    drop(blocked);
    await_true("the thread goes on", || shared.strong_count() == 0);
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn the_threads_give_way_to_all_others() {
    use rustix::process::getpriority_process;
    let threads = threads(1, 8, LONG);
    let nice = || getpriority_process(Some(rustix::thread::gettid())).unwrap();
    let before = nice();
    assert!(threads.run(nice).await.unwrap() >= NICE);
    assert_eq!(nice(), before, "the thread of the test is as it was");
}
