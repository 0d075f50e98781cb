//! Tests with a store that fails, hangs or panics.

use tokio::time::Instant;

use super::*;

fn unavailable() -> StoreError {
    StoreError::Unavailable("down".to_owned())
}

fn broken() -> StoreError {
    StoreError::Internal("broken".to_owned())
}

/// Starts two reads, and returns the batch query for both.
async fn two_together(
    store: &mut Fixture,
) -> ([UserKey; 2], [JoinHandle<Answer>; 2], PendingQuery) {
    let mut running = store.saturate().await;
    let keys = [id(), id()];
    let reads = [
        store.start_read(keys[0].clone()).await,
        store.start_read(keys[1].clone()).await,
    ];
    running.remove(0).answer(&[]).await;
    let together = store.next_query();
    // The running queries are leaked, so that the store stays busy; the test ends before they time out.
    std::mem::forget(running);
    (keys, reads, together)
}

#[tokio::test(start_paused = true)]
async fn an_error_fails_every_read_of_the_batch() {
    let mut store = fixture();
    let (_, reads, together) = two_together(&mut store).await;
    together.fail(unavailable()).await;
    for read in reads {
        assert_eq!(read.await.unwrap(), Err(unavailable()));
    }
    store.assert_idle();
}

#[tokio::test(start_paused = true)]
async fn a_failed_single_query_is_not_repeated() {
    let mut store = fixture();
    for error in [unavailable(), broken()] {
        let read = store.start_read(id()).await;
        store.next_query().fail(error.clone()).await;
        assert_eq!(read.await.unwrap(), Err(error));
        store.assert_idle();
    }
}

#[tokio::test(start_paused = true)]
async fn in_a_broken_batch_only_the_broken_key_fails() {
    let mut store = fixture();
    let (keys, reads, together) = two_together(&mut store).await;
    together.fail(broken()).await;
    for _ in 0..2 {
        let alone = store.next_query();
        assert!(matches!(alone.request, Request::One(_)));
        if alone.keys() == [keys[0].clone()] {
            alone.fail(broken()).await;
        } else {
            alone.answer(&[]).await;
        }
    }
    let [first, second] = reads;
    assert_eq!(first.await.unwrap(), Err(broken()));
    assert_eq!(second.await.unwrap(), Ok(None));
    store.assert_idle();
}

#[tokio::test(start_paused = true)]
async fn a_read_aborted_during_single_queries_is_skipped() {
    let mut store = fixture();
    let (keys, reads, together) = two_together(&mut store).await;
    together.fail(broken()).await;
    let alone = store.next_query();
    let place = keys.iter().position(|key| alone.keys() == [key.clone()]);
    let [first, second] = reads;
    let (read, other) = if place == Some(0) {
        (first, second)
    } else {
        (second, first)
    };
    other.abort();
    run_ready_tasks().await;
    alone.answer(&[]).await;
    assert_eq!(read.await.unwrap(), Ok(None));
    store.assert_idle();
}

#[tokio::test(start_paused = true)]
async fn single_queries_stop_at_the_first_timeout() {
    let mut store = fixture();
    let mut running = store.saturate().await;
    let mut reads = Vec::new();
    for _ in 0..10 {
        reads.push(store.start_read(id()).await);
    }
    running.remove(0).answer(&[]).await;
    store.next_query().fail(broken()).await;
    let started = Instant::now();
    let _silent = store.next_query();
    for read in reads {
        let answer = read.await.unwrap();
        assert!(
            matches!(answer, Err(StoreError::Unavailable(_))),
            "{answer:?}"
        );
    }
    assert!(
        started.elapsed() < 2 * QUERY_TIMEOUT,
        "{:?}",
        started.elapsed()
    );
}

#[tokio::test(start_paused = true)]
async fn a_key_missing_from_the_batch_result_is_an_error() {
    let mut store = fixture();
    let (_, reads, together) = two_together(&mut store).await;
    together.reply.send(Ok(vec![None])).unwrap();
    let mut answers = Vec::new();
    for read in reads {
        answers.push(read.await.unwrap());
    }
    assert!(answers.contains(&Ok(None)), "{answers:?}");
    let is_unavailable = |answer: &Answer| matches!(answer, Err(StoreError::Unavailable(_)));
    assert!(answers.iter().any(is_unavailable), "{answers:?}");
}

#[tokio::test(start_paused = true)]
async fn a_query_times_out_after_two_seconds() {
    let mut store = fixture();
    let started = Instant::now();
    let read = store.start_read(id()).await;
    let _silent = store.next_query();
    let answer = read.await.unwrap();
    assert!(
        matches!(answer, Err(StoreError::Unavailable(_))),
        "{answer:?}"
    );
    let took = started.elapsed();
    let expected = QUERY_TIMEOUT..QUERY_TIMEOUT + Duration::from_millis(10);
    assert!(expected.contains(&took), "{took:?}");
}

#[tokio::test(start_paused = true)]
async fn waiting_reads_are_queried_after_a_timeout() {
    let mut store = fixture();
    let silent = store.saturate().await;
    let (alice, key) = user_and_key("alice");
    let read = store.start_read(key.clone()).await;
    store.assert_idle();
    sleep(QUERY_TIMEOUT).await;
    let query = store.next_query();
    assert_eq!(query.request, Request::One(key));
    query.answer(std::slice::from_ref(&alice)).await;
    assert_eq!(read.await.unwrap(), Ok(Some(alice)));
    drop(silent);
}

#[tokio::test(start_paused = true)]
async fn a_batch_timeout_fails_every_read() {
    let mut store = fixture();
    let (_, reads, _together) = two_together(&mut store).await;
    for read in reads {
        let answer = read.await.unwrap();
        assert!(
            matches!(answer, Err(StoreError::Unavailable(_))),
            "{answer:?}"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn a_panic_in_the_store_releases_the_permit() {
    let mut store = fixture();
    for _ in 0..3 {
        let mut reads = Vec::new();
        for _ in 0..MAX_CONCURRENT_QUERIES {
            reads.push(store.start_read(id()).await);
            store.next_query().panic().await;
        }
        for read in reads {
            let answer = read.await.unwrap();
            assert!(
                matches!(answer, Err(StoreError::Unavailable(_))),
                "{answer:?}"
            );
        }
    }
    let read = store.start_read(id()).await;
    store.next_query().answer(&[]).await;
    assert_eq!(read.await.unwrap(), Ok(None));
}

#[tokio::test(start_paused = true)]
async fn waiting_reads_end_if_all_queries_panic() {
    let mut store = fixture();
    let running = store.saturate().await;
    let waiting = store.start_read(id()).await;
    store.assert_idle();
    for query in running {
        query.panic().await;
    }
    if let Ok(query) = store.queries.try_recv() {
        query.answer(&[]).await;
    }
    let answer = timeout(2 * QUERY_TIMEOUT, waiting).await;
    assert!(answer.is_ok(), "still waiting");
}
