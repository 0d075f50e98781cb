use std::time::Duration;

use super::CredentialsUnderTest;
use crate::lockout::{
    Account, AccountAttempts, AttemptCounter, Lockout, LoginAttempt, LoginSource,
};
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

fn unknown_account(identifier: &str) -> LoginAttempt {
    LoginAttempt {
        identifier: identifier.into(),
        account: Account::Unknown,
        source: None,
    }
}

impl CredentialsUnderTest {
    async fn lockout(&self, attempt: &LoginAttempt) -> Lockout {
        self.attempts.lockout(attempt).await.expect("a result")
    }

    async fn fail(&self, attempt: &LoginAttempt, times: u64, at: Timestamp) -> Lockout {
        for _ in 0..times {
            self.attempts.fail(attempt, at).await.expect("a result");
        }
        self.lockout(attempt).await
    }
}

/// The stored state after each failure and success is the one that the domain computes.
pub async fn login_failures_are_counted_by_the_domain_rule(store: &CredentialsUnderTest) {
    let user = store.added(&new_user("alice")).await.id;
    for attempt in [
        at(user, None),
        at(user, Some("source")),
        unknown_account("x"),
    ] {
        let mut expected = store.lockout(&attempt).await;
        for step in 0..9 {
            let moment = seconds(step * 3);
            expected = expected.failed(moment);
            let stored = store.attempts.fail(&attempt, moment).await;
            assert_eq!(stored, Ok(expected), "{attempt:?} {step}");
            assert_eq!(
                store.lockout(&attempt).await,
                expected,
                "{attempt:?} {step}"
            );
        }
        assert!(!expected.admits(seconds(24)));
        let late = store.attempts.succeed(&attempt, seconds(24)).await;
        assert_eq!(late, Ok(false), "a locked out attempt succeeded");
        assert_eq!(store.lockout(&attempt).await, expected);
        let succeeded = store.attempts.succeed(&attempt, seconds(100)).await;
        assert_eq!(succeeded, Ok(true));
        assert_eq!(
            store.lockout(&attempt).await,
            expected.succeeded(seconds(100))
        );
    }
}

/// A lockout affects only its own account and source.
pub async fn login_failures_are_counted_per_account_and_source(store: &CredentialsUnderTest) {
    let [alice, bob] = [user_id(), user_id()];
    store.fail(&at(alice, Some("source")), 6, start()).await;
    let admitted = [
        (at(alice, Some("source")), false),
        (at(alice, Some("Source")), true),
        (at(alice, None), true),
        (at(bob, Some("source")), true),
        (unknown_account(&alice.to_string()), true),
    ];
    for (attempt, admits) in admitted {
        let lockout = store.lockout(&attempt).await;
        assert_eq!(lockout.admits(start()), admits, "{attempt:?}");
    }
    store.fail(&at(bob, None), 6, start()).await;
    assert!(!store.lockout(&at(bob, None)).await.admits(start()));
    assert!(!store.lockout(&at(bob, Some("new"))).await.admits(start()));
}

/// No concurrent failure is lost, and failures during a lockout do not count.
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
        Some(start().plus(AttemptCounter::FIRST_DELAY))
    );
}

/// An operator can read and clear the failures of a user from all sources. Other users are not affected.
pub async fn the_login_failures_of_a_user_can_be_read_and_cleared(store: &CredentialsUnderTest) {
    let [alice, bob] = [user_id(), user_id()];
    for source in ["one", "two"] {
        store.fail(&at(alice, Some(source)), 6, start()).await;
    }
    store.fail(&at(alice, Some("three")), 1, start()).await;
    store.fail(&at(bob, None), 6, start()).await;
    let of_user = async |user, at| store.attempts.of_user(user, at).await.expect("a result");
    let remembered = of_user(alice, start()).await;
    assert_eq!(
        (remembered.account.failures, remembered.account.failed_at),
        (13, Some(start()))
    );
    assert_eq!((remembered.sources, remembered.blocked_sources), (3, 2));
    assert_eq!(remembered.succeeded_at, None);
    let later = start().plus(AttemptCounter::FIRST_DELAY);
    assert_eq!(of_user(alice, later).await.blocked_sources, 0);
    let three = at(alice, Some("three"));
    assert_eq!(store.attempts.succeed(&three, start()).await, Ok(true));
    assert_eq!(of_user(alice, start()).await.succeeded_at, Some(start()));
    assert_eq!(
        of_user(user_id(), start()).await,
        AccountAttempts::default()
    );
    assert_eq!(store.attempts.clear(alice).await, Ok(()));
    for attempt in [
        at(alice, None),
        at(alice, Some("one")),
        at(alice, Some("two")),
    ] {
        let lockout = store.lockout(&attempt).await;
        assert!(lockout.admits(start()), "{attempt:?}");
        assert_eq!(lockout.account, AttemptCounter::default());
    }
    assert!(!store.lockout(&at(bob, None)).await.admits(start()));
    assert_eq!(store.attempts.clear(user_id()).await, Ok(()));
}

/// Clearing the failures of a user keeps the sources that logged in successfully.
pub async fn a_known_source_stays_known_after_clearing(store: &CredentialsUnderTest) {
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

/// The erasure of a user removes its login attempts.
pub async fn an_erased_user_leaves_no_failures(store: &CredentialsUnderTest) {
    let user = store.added(&new_user("alice")).await.id;
    store.fail(&at(user, Some("source")), 6, start()).await;
    store.erased(user).await;
    let left = store.lockout(&at(user, Some("source"))).await;
    let none = Lockout {
        source: Some(AttemptCounter::default()),
        ..Lockout::default()
    };
    assert_eq!(left, none);
}

/// Logins with one identifier from one source are serialized. Other logins do not wait.
pub async fn logins_of_one_identifier_and_source_take_turns(store: &CredentialsUnderTest) {
    let [alice, bob] = [at(user_id(), None), at(user_id(), None)];
    let elsewhere = LoginAttempt {
        source: LoginSource::parse("elsewhere").ok(),
        ..alice.clone()
    };
    let by_another_name = LoginAttempt {
        identifier: "another".into(),
        ..alice.clone()
    };
    let first = store.attempts.lock(&alice).await;
    assert!(first.is_ok());
    for other in [&bob, &elsewhere, &by_another_name] {
        assert!(store.attempts.lock(other).await.is_ok(), "{other:?}");
    }
    drop(first);
    assert!(store.attempts.lock(&alice).await.is_ok());
}

/// Failures are kept for one day after the last. Sources with a successful login are kept for 30 days.
pub async fn expired_login_attempts_are_purged(store: &CredentialsUnderTest) {
    let user = user_id();
    store.fail(&at(user, None), 3, start()).await;
    let known = at(user_id(), Some("home"));
    assert_eq!(store.attempts.succeed(&known, start()).await, Ok(true));
    let microsecond = Duration::from_micros(1);
    let purge = async |at| {
        let purged = store
            .store
            .store
            .retention
            .purge(Records::LoginAttempts, at)
            .await;
        let Purged { removed, .. } = purged.expect("a result");
        removed
    };
    // The account of the known source has no failures, so its row is removed immediately.
    purge(start()).await;
    let day = start().plus(AttemptCounter::FAILURE_RETENTION);
    assert_eq!(purge(day.minus(microsecond)).await, 0);
    assert_eq!(store.lockout(&at(user, None)).await.account.failures, 3);
    assert_eq!(purge(day).await, 1);
    assert_eq!(store.lockout(&at(user, None)).await, Lockout::default());
    let month = start().plus(AttemptCounter::KNOWN_SOURCE_RETENTION);
    assert_eq!(purge(month.minus(microsecond)).await, 0);
    assert!(
        store
            .lockout(&known)
            .await
            .source
            .is_some_and(|tries| tries.succeeded_at.is_some())
    );
    assert_eq!(purge(month).await, 1);
}
