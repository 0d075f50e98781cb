use super::*;

/// Takes down the calls of a verification, for a found credential, a verdict and a lockout.
async fn calls(
    found: Option<StoredCredential>,
    matches: bool,
    lockout: Lockout,
) -> (Vec<&'static str>, Result<UserId, VerifyCredentialsError>) {
    let calls = Arc::new(Mutex::new(Vec::new()));
    let note = |call: &'static str| {
        let calls = calls.clone();
        move || calls.lock().unwrap().push(call)
    };
    let (mut credentials, mut attempts) = (MockCredentials::new(), MockLoginAttempts::new());
    let (mut hasher, mut decoys, mut clock) = (
        MockPasswordHasher::new(),
        MockDecoys::new(),
        MockClock::new(),
    );
    let noted = note("find");
    credentials
        .expect_find_credential()
        .with(always())
        .returning(move |_| {
            noted();
            Ok(found.clone())
        });
    let noted = note("enter");
    attempts.expect_enter().returning(move |_| {
        noted();
        Ok(LoginTurn::holding(()))
    });
    let noted = note("lockout");
    attempts.expect_lockout().returning(move |_| {
        noted();
        Ok(lockout)
    });
    decoys
        .expect_stand_in()
        .returning(|_| FakeHasher::stored("of nobody"));
    let noted = note("verify");
    hasher.expect_verify().returning(move |_, _| {
        noted();
        Ok(Verdict {
            matches,
            is_outdated: true,
        })
    });
    let noted = note("fail");
    attempts.expect_fail().returning(move |_, at| {
        noted();
        Ok(Lockout::default().failed(at))
    });
    attempts
        .expect_succeed()
        .returning(|_, _| Err(StoreError::Unavailable("away".to_owned())));
    clock.expect_now().returning(start);
    let ports = Ports {
        credentials: Arc::new(credentials),
        login_attempts: Arc::new(attempts),
        hasher: Arc::new(hasher),
        decoys: Arc::new(decoys),
        clock: Arc::new(clock),
        ..untouched_ports()
    };
    let use_case = UseCases::new(&ports).verify_credentials;
    let verified = use_case.run(&verifier(), &login("alice", PASSWORD)).await;
    let calls = calls.lock().unwrap().clone();
    (calls, verified.map(|let_in| let_in.view.public().id))
}

fn credential(change: Option<Change>, password: bool) -> StoredCredential {
    let user = registered(&new_user("alice"), &context()).user;
    let user = match change {
        Some(change) => user.apply(&change, &context()).unwrap().unwrap().user,
        None => user,
    };
    StoredCredential {
        user: Arc::new(user),
        password: password.then(|| FakeHasher::stored(PASSWORD)),
    }
}

#[tokio::test]
async fn whatever_is_wrong_takes_the_same_work() {
    let free = Lockout::default();
    let locked = (0..6).fold(free, |lockout, _| lockout.failed(start()));
    for (found, matches, lockout) in [
        (None, false, free),
        (None, true, free),
        (None, true, locked),
        (Some(credential(None, true)), false, free),
        (Some(credential(None, true)), true, locked),
        (Some(credential(None, false)), true, free),
        (Some(credential(Some(Change::Suspend), true)), true, free),
    ] {
        let (calls, refused) = calls(found, matches, lockout).await;
        assert_eq!(calls, ["find", "enter", "lockout", "verify", "fail"]);
        assert_eq!(refused, Err(VerifyCredentialsError::Wrong));
    }
}

#[tokio::test]
async fn nobody_is_let_in_by_a_store_that_cannot_count() {
    let (calls, refused) = calls(Some(credential(None, true)), true, Lockout::default()).await;
    assert_eq!(calls, ["find", "enter", "lockout", "verify"]);
    assert!(
        matches!(refused, Err(VerifyCredentialsError::Store(_))),
        "{refused:?}"
    );
}
