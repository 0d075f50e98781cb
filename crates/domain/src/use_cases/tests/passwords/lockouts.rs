use super::*;

#[tokio::test]
async fn the_sixth_failure_locks_only_this_account_for_a_while() {
    let fakes = Fakes::default();
    let alice = stored_with(&fakes, "alice", FakeHasher::stored(PASSWORD))
        .user
        .id;
    let bob = stored_with(&fakes, "bob", FakeHasher::stored(PASSWORD))
        .user
        .id;
    for _ in 0..5 {
        verify(&fakes, &login("alice", "wrong")).await.unwrap_err();
    }
    assert_eq!(
        verify(&fakes, &login("alice", PASSWORD)).await,
        Ok(alice),
        "a success clears the failures"
    );
    for _ in 0..6 {
        verify(&fakes, &login("alice", "wrong")).await.unwrap_err();
    }
    let refused = verify(&fakes, &login("alice", PASSWORD)).await;
    assert_eq!(refused, Err(VerifyCredentialsError::Wrong));
    assert_eq!(verify(&fakes, &login("bob", PASSWORD)).await, Ok(bob));
    let report = fakes
        .use_cases()
        .show_lockout
        .run(&administrator(), alice)
        .await
        .unwrap();
    assert_eq!((report.failures, report.blocked_sources), (6, 0));
    assert!(report.blocked_until.is_some());
    // The clock advances one second per reading.
    while fakes.clock.now() < report.blocked_until.unwrap() {}
    assert_eq!(verify(&fakes, &login("alice", PASSWORD)).await, Ok(alice));
}

#[tokio::test]
async fn an_attacker_does_not_lock_out_a_known_source() {
    let fakes = Fakes::default();
    let alice = stored_with(&fakes, "alice", FakeHasher::stored(PASSWORD))
        .user
        .id;
    for number in 0..300 {
        let source = format!("attacker {}", number % 40);
        let wrong = from(&source, login("alice", "wrong"));
        verify(&fakes, &wrong).await.unwrap_err();
        if number == 0 {
            let home = from("home", login("alice", PASSWORD));
            assert_eq!(verify(&fakes, &home).await, Ok(alice));
        }
    }
    let new_source = from("new", login("alice", PASSWORD));
    assert_eq!(
        verify(&fakes, &new_source).await,
        Err(VerifyCredentialsError::Wrong)
    );
    let home = from("home", login("alice", PASSWORD));
    assert_eq!(verify(&fakes, &home).await, Ok(alice));
}

#[tokio::test]
async fn an_operator_or_a_new_password_ends_a_lockout() {
    let fakes = Fakes::default();
    let alice = stored_with(&fakes, "alice", FakeHasher::stored(PASSWORD))
        .user
        .id;
    let attempt = LoginAttempt {
        identifier: "alice".into(),
        account: Account::User(alice),
        source: LoginSource::parse("there").ok(),
    };
    let lock = async || {
        for _ in 0..6 {
            fakes.store.fail(&attempt, start()).await.unwrap();
        }
        assert!(!fakes.store.lockout(&attempt).await.unwrap().admits(start()));
    };
    lock().await;
    let use_cases = fakes.use_cases();
    use_cases
        .clear_lockout
        .run(&Caller::Operator, alice)
        .await
        .unwrap();
    assert!(fakes.store.lockout(&attempt).await.unwrap().admits(start()));
    lock().await;
    let set = use_cases.set_password;
    set.run(
        &service("auth"),
        alice,
        &new_password("another long one"),
        unconditional(),
    )
    .await
    .unwrap();
    assert!(fakes.store.lockout(&attempt).await.unwrap().admits(start()));
    let unknown = user_id();
    let missing = use_cases.show_lockout.run(&administrator(), unknown).await;
    assert_eq!(missing, Err(FindUserError::NotFound));
    let missing = use_cases.clear_lockout.run(&administrator(), unknown).await;
    assert_eq!(missing, Err(FindUserError::NotFound));
}
