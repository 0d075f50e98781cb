use super::*;

/// Records the port calls of a verification with a given credential, verdict and lockout.
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
    let (mut hasher, mut dummy_hashes, mut clock) = (
        MockPasswordHasher::new(),
        MockDummyHashes::new(),
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
    let noted = note("lock");
    attempts.expect_lock().returning(move |_| {
        noted();
        Ok(LoginLock::new(()))
    });
    let noted = note("lockout");
    attempts.expect_lockout().returning(move |_| {
        noted();
        Ok(lockout)
    });
    dummy_hashes
        .expect_for_identifier()
        .returning(|_| FakeHasher::stored("dummy"));
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
        dummy_hashes: Arc::new(dummy_hashes),
        clock: Arc::new(clock),
        ..untouched_ports()
    };
    let use_case = UseCases::new(&ports).verify_credentials;
    let verified = use_case.run(&verifier(), &login("alice", PASSWORD)).await;
    let calls = calls.lock().unwrap().clone();
    (calls, verified.map(|verified| verified.view.public().id))
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
async fn every_wrong_login_takes_the_same_work() {
    let free = Lockout::default();
    let locked = (0..6).fold(free, |lockout, _| lockout.failed(start()));
    for (found, matches, lockout) in [
        (None, false, free),
        (None, true, free),
        (None, true, locked),
        (Some(credential(None, true)), false, free),
        (Some(credential(None, true)), true, locked),
        (Some(credential(None, false)), true, free),
        (Some(credential(Some(Change::suspend()), true)), true, free),
    ] {
        let (calls, refused) = calls(found, matches, lockout).await;
        assert_eq!(calls, ["find", "lock", "lockout", "verify", "fail"]);
        assert_eq!(refused, Err(VerifyCredentialsError::Wrong));
    }
}

#[tokio::test]
async fn a_login_fails_if_the_attempt_cannot_be_recorded() {
    let (calls, refused) = calls(Some(credential(None, true)), true, Lockout::default()).await;
    assert_eq!(calls, ["find", "lock", "lockout", "verify"]);
    assert!(
        matches!(refused, Err(VerifyCredentialsError::Store(_))),
        "{refused:?}"
    );
}
