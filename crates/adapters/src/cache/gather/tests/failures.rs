//! A store that fails, is silent, or worse.

use tokio::time::Instant;

use super::*;

fn away() -> StoreError {
    StoreError::Unavailable("away".to_owned())
}

fn broken() -> StoreError {
    StoreError::Internal("broken".to_owned())
}

/// Lets two wait, and has the store asked for both.
async fn two_together(store: &mut Store) -> ([UserKey; 2], [JoinHandle<Answer>; 2], Question) {
    let mut under_way = store.busy().await;
    let keys = [id(), id()];
    let askers = [
        store.asker(keys[0].clone()).await,
        store.asker(keys[1].clone()).await,
    ];
    under_way.remove(0).answer(&[]).await;
    let together = store.question();
    // Held, so that the store stays busy; the test ends before their time does.
    std::mem::forget(under_way);
    (keys, askers, together)
}

#[tokio::test(start_paused = true)]
async fn an_error_reaches_everybody_who_asked() {
    let mut store = store();
    let (_, askers, together) = two_together(&mut store).await;
    together.fail(away()).await;
    for asker in askers {
        assert_eq!(asker.await.unwrap(), Err(away()));
    }
    store.is_not_asked();
}

#[tokio::test(start_paused = true)]
async fn the_errors_of_a_question_for_one_are_not_asked_again() {
    let mut store = store();
    for error in [away(), broken()] {
        let asker = store.asker(id()).await;
        store.question().fail(error.clone()).await;
        assert_eq!(asker.await.unwrap(), Err(error));
        store.is_not_asked();
    }
}

#[tokio::test(start_paused = true)]
async fn of_many_only_the_one_that_is_broken_fails() {
    let mut store = store();
    let (keys, askers, together) = two_together(&mut store).await;
    together.fail(broken()).await;
    for _ in 0..2 {
        let alone = store.question();
        assert!(matches!(alone.asked, Asked::One(_)));
        if alone.keys() == [keys[0].clone()] {
            alone.fail(broken()).await;
        } else {
            alone.answer(&[]).await;
        }
    }
    let [first, second] = askers;
    assert_eq!(first.await.unwrap(), Err(broken()));
    assert_eq!(second.await.unwrap(), Ok(None));
    store.is_not_asked();
}

#[tokio::test(start_paused = true)]
async fn who_goes_away_while_many_are_asked_for_one_by_one_is_left_out() {
    let mut store = store();
    let (keys, askers, together) = two_together(&mut store).await;
    together.fail(broken()).await;
    let alone = store.question();
    let place = keys.iter().position(|key| alone.keys() == [key.clone()]);
    let [first, second] = askers;
    let (asker, other) = if place == Some(0) {
        (first, second)
    } else {
        (second, first)
    };
    other.abort();
    settled().await;
    alone.answer(&[]).await;
    assert_eq!(asker.await.unwrap(), Ok(None));
    store.is_not_asked();
}

#[tokio::test(start_paused = true)]
async fn a_store_that_falls_silent_meanwhile_is_not_waited_for_by_each() {
    let mut store = store();
    let mut under_way = store.busy().await;
    let mut askers = Vec::new();
    for _ in 0..10 {
        askers.push(store.asker(id()).await);
    }
    under_way.remove(0).answer(&[]).await;
    store.question().fail(broken()).await;
    let begun = Instant::now();
    let _silent = store.question();
    for asker in askers {
        let answer = asker.await.unwrap();
        assert!(
            matches!(answer, Err(StoreError::Unavailable(_))),
            "{answer:?}"
        );
    }
    assert!(begun.elapsed() < 2 * PATIENCE, "{:?}", begun.elapsed());
}

#[tokio::test(start_paused = true)]
async fn who_was_given_no_answer_among_many_is_told_so() {
    let mut store = store();
    let (_, askers, together) = two_together(&mut store).await;
    together.reply.send(Ok(vec![None])).unwrap();
    let mut answers = Vec::new();
    for asker in askers {
        answers.push(asker.await.unwrap());
    }
    assert!(answers.contains(&Ok(None)), "{answers:?}");
    let is_told = |answer: &Answer| matches!(answer, Err(StoreError::Unavailable(_)));
    assert!(answers.iter().any(is_told), "{answers:?}");
}

#[tokio::test(start_paused = true)]
async fn a_silent_store_is_given_up_after_two_seconds() {
    let mut store = store();
    let begun = Instant::now();
    let asker = store.asker(id()).await;
    let _silent = store.question();
    let answer = asker.await.unwrap();
    assert!(
        matches!(answer, Err(StoreError::Unavailable(_))),
        "{answer:?}"
    );
    let took = begun.elapsed();
    let expected = PATIENCE..PATIENCE + Duration::from_millis(10);
    assert!(expected.contains(&took), "{took:?}");
}

#[tokio::test(start_paused = true)]
async fn those_who_wait_behind_silent_questions_are_asked_for_then() {
    let mut store = store();
    let silent = store.busy().await;
    let (alice, key) = somebody();
    let asker = store.asker(key.clone()).await;
    store.is_not_asked();
    sleep(PATIENCE).await;
    let question = store.question();
    assert_eq!(question.asked, Asked::One(key));
    question.answer(std::slice::from_ref(&alice)).await;
    assert_eq!(asker.await.unwrap(), Ok(Some(alice)));
    drop(silent);
}

#[tokio::test(start_paused = true)]
async fn a_silent_question_for_many_fails_for_all() {
    let mut store = store();
    let (_, askers, _together) = two_together(&mut store).await;
    for asker in askers {
        let answer = asker.await.unwrap();
        assert!(
            matches!(answer, Err(StoreError::Unavailable(_))),
            "{answer:?}"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn a_store_that_panics_gives_its_turn_back() {
    let mut store = store();
    for _ in 0..3 {
        let mut askers = Vec::new();
        for _ in 0..AT_ONCE {
            askers.push(store.asker(id()).await);
            store.question().panic().await;
        }
        for asker in askers {
            let answer = asker.await.unwrap();
            assert!(
                matches!(answer, Err(StoreError::Unavailable(_))),
                "{answer:?}"
            );
        }
    }
    let asker = store.asker(id()).await;
    store.question().answer(&[]).await;
    assert_eq!(asker.await.unwrap(), Ok(None));
}

#[tokio::test(start_paused = true)]
async fn nobody_waits_for_ever_behind_questions_that_panic() {
    let mut store = store();
    let under_way = store.busy().await;
    let waiting = store.asker(id()).await;
    store.is_not_asked();
    for question in under_way {
        question.panic().await;
    }
    if let Ok(question) = store.questions.try_recv() {
        question.answer(&[]).await;
    }
    let answer = timeout(2 * PATIENCE, waiting).await;
    assert!(answer.is_ok(), "still waiting");
}
