use std::time::Duration;

use super::CredentialsUnderTest;
use crate::lockout::{Account, Lockout, LoginAttempt, LoginSource, Tries};
use crate::ports::{Purged, Records};
use crate::test_support::contracts::race;
use crate::test_support::samples::{new_user, seconds, start, user_id};
use crate::values::{Timestamp, UserId};

fn at(user: UserId, source: Option<&str>) -> LoginAttempt {
    LoginAttempt {
        identifier: user.to_string().as_str().into(),
        account: Account::User(user),
        source: source.map(|source| LoginSource::parse(source).expect("a source")),
    }
}

fn nobody(identifier: &str) -> LoginAttempt {
    LoginAttempt {
        identifier: identifier.into(),
        account: Account::Nobody,
        source: None,
    }
}

impl CredentialsUnderTest {
    async fn lockout(&self, attempt: &LoginAttempt) -> Lockout {
        self.attempts.lockout(attempt).await.expect("an answer")
    }

    async fn fail(&self, attempt: &LoginAttempt, times: u64, at: Timestamp) -> Lockout {
        for _ in 0..times {
            self.attempts.fail(attempt, at).await.expect("an answer");
        }
        self.lockout(attempt).await
    }
}

/// What is remembered is what the domain makes of each failure and success.
pub async fn failures_are_counted_as_the_domain_counts_them(store: &CredentialsUnderTest) {
    let user = store.added(&new_user("alice")).await.id;
    for attempt in [at(user, None), at(user, Some("there")), nobody("x")] {
        let mut expected = store.lockout(&attempt).await;
        for step in 0..9 {
            let moment = seconds(step * 3);
            expected = expected.failed(moment);
            let told = store.attempts.fail(&attempt, moment).await;
            assert_eq!(told, Ok(expected), "{attempt:?} {step}");
            assert_eq!(
                store.lockout(&attempt).await,
                expected,
                "{attempt:?} {step}"
            );
        }
        assert!(!expected.admits(seconds(24)));
        let late = store.attempts.succeed(&attempt, seconds(24)).await;
        assert_eq!(late, Ok(false), "somebody is let in who is kept out");
        assert_eq!(store.lockout(&attempt).await, expected);
        let succeeded = store.attempts.succeed(&attempt, seconds(100)).await;
        assert_eq!(succeeded, Ok(true));
        assert_eq!(
            store.lockout(&attempt).await,
            expected.succeeded(seconds(100))
        );
    }
}

/// Who is held says nothing about anybody else.
pub async fn the_failures_of_accounts_and_sources_do_not_meet(store: &CredentialsUnderTest) {
    let [alice, bob] = [user_id(), user_id()];
    store.fail(&at(alice, Some("there")), 6, start()).await;
    let admitted = [
        (at(alice, Some("there")), false),
        (at(alice, Some("There")), true),
        (at(alice, None), true),
        (at(bob, Some("there")), true),
        (nobody(&alice.to_string()), true),
    ];
    for (attempt, admits) in admitted {
        let lockout = store.lockout(&attempt).await;
        assert_eq!(lockout.admits(start()), admits, "{attempt:?}");
    }
    store.fail(&at(bob, None), 6, start()).await;
    assert!(!store.lockout(&at(bob, None)).await.admits(start()));
    assert!(!store.lockout(&at(bob, Some("new"))).await.admits(start()));
}

/// No failure of many at once is lost, and none that comes too late counts.
pub async fn racing_failures_are_all_counted(store: &CredentialsUnderTest) {
    let user = user_id();
    let fail = |_: CredentialsUnderTest, _| {
        let attempts = store.attempts.clone();
        async move { attempts.fail(&at(user, None), start()).await }
    };
    race(store, 5, fail).await;
    assert_eq!(store.lockout(&at(user, None)).await.account.failures, 5);
    race(store, 16, fail).await;
    let lockout = store.lockout(&at(user, None)).await;
    assert_eq!(lockout.account.failures, 6);
    assert_eq!(
        lockout.account.blocked_until,
        Some(start().plus(Tries::FIRST_DELAY))
    );
}

/// An operator sees what is remembered of a user, and clears it: from everywhere, and of nobody else.
pub async fn what_is_remembered_of_a_user_is_seen_and_cleared(store: &CredentialsUnderTest) {
    let [alice, bob] = [user_id(), user_id()];
    for source in ["one", "two"] {
        store.fail(&at(alice, Some(source)), 6, start()).await;
    }
    store.fail(&at(alice, Some("three")), 1, start()).await;
    store.fail(&at(bob, None), 6, start()).await;
    let (tries, blocked) = store
        .attempts
        .of_user(alice, start())
        .await
        .expect("an answer");
    assert_eq!(
        (tries.failures, tries.failed_at, blocked),
        (13, Some(start()), 2)
    );
    let later = start().plus(Tries::FIRST_DELAY);
    let (_, blocked) = store
        .attempts
        .of_user(alice, later)
        .await
        .expect("an answer");
    assert_eq!(blocked, 0);
    assert_eq!(store.attempts.clear(alice).await, Ok(()));
    for attempt in [
        at(alice, None),
        at(alice, Some("one")),
        at(alice, Some("two")),
    ] {
        let lockout = store.lockout(&attempt).await;
        assert!(lockout.admits(start()), "{attempt:?}");
        assert_eq!(lockout.account, Tries::default());
    }
    assert!(!store.lockout(&at(bob, None)).await.admits(start()));
    assert_eq!(store.attempts.clear(user_id()).await, Ok(()));
}

/// A source that was let in stays known when its user's failures are cleared.
pub async fn a_known_source_outlives_a_clearing(store: &CredentialsUnderTest) {
    let user = user_id();
    let known = at(user, Some("home"));
    assert_eq!(store.attempts.succeed(&known, start()).await, Ok(true));
    assert_eq!(store.attempts.clear(user).await, Ok(()));
    let lockout = store.lockout(&known).await;
    assert_eq!(
        lockout.source.and_then(|tries| tries.succeeded_at),
        Some(start())
    );
}

/// What is remembered of a user goes with it.
pub async fn an_erased_user_leaves_no_failures(store: &CredentialsUnderTest) {
    let user = store.added(&new_user("alice")).await.id;
    store.fail(&at(user, Some("there")), 6, start()).await;
    store.erased(user).await;
    let left = store.lockout(&at(user, Some("there"))).await;
    let none = Lockout {
        source: Some(Tries::default()),
        ..Lockout::default()
    };
    assert_eq!(left, none);
}

/// Turns of one identifier from one source follow one another; others do not wait.
pub async fn turns_are_given_and_given_back(store: &CredentialsUnderTest) {
    let [alice, bob] = [at(user_id(), None), at(user_id(), None)];
    let elsewhere = LoginAttempt {
        source: LoginSource::parse("elsewhere").ok(),
        ..alice.clone()
    };
    let by_another_name = LoginAttempt {
        identifier: "another".into(),
        ..alice.clone()
    };
    let first = store.attempts.enter(&alice).await;
    assert!(first.is_ok());
    for other in [&bob, &elsewhere, &by_another_name] {
        assert!(store.attempts.enter(other).await.is_ok(), "{other:?}");
    }
    drop(first);
    assert!(store.attempts.enter(&alice).await.is_ok());
}

/// Failures are kept for a day after the last, and sources that were let in for 30 days.
pub async fn what_is_over_its_time_is_purged(store: &CredentialsUnderTest) {
    let user = user_id();
    store.fail(&at(user, None), 3, start()).await;
    let known = at(user_id(), Some("home"));
    assert_eq!(store.attempts.succeed(&known, start()).await, Ok(true));
    let moment = Duration::from_micros(1);
    let purge = async |at| {
        let purged = store
            .store
            .store
            .retention
            .purge(Records::LoginAttempts, at)
            .await;
        let Purged { removed, .. } = purged.expect("an answer");
        removed
    };
    // Of the known source's account nothing is worth being kept.
    purge(start()).await;
    let day = start().plus(Tries::REMEMBERED);
    assert_eq!(purge(day.minus(moment)).await, 0);
    assert_eq!(store.lockout(&at(user, None)).await.account.failures, 3);
    assert_eq!(purge(day).await, 1);
    assert_eq!(store.lockout(&at(user, None)).await, Lockout::default());
    let month = start().plus(Tries::KNOWN);
    assert_eq!(purge(month.minus(moment)).await, 0);
    assert!(
        store
            .lockout(&known)
            .await
            .source
            .is_some_and(|tries| tries.succeeded_at.is_some())
    );
    assert_eq!(purge(month).await, 1);
}
