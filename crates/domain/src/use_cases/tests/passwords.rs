use std::sync::{Arc, Mutex};
use std::time::Duration;

use mockall::predicate::always;

use super::*;
use crate::caller::{Caller, Scope, ServiceCaller};
use crate::input::{LoginInput, PasswordInput};
use crate::lockout::{Account, Lockout, LoginAttempt, LoginSource, Tries};
use crate::permissions::{Access, Denied};
use crate::ports::{
    HashingError, LoginTurn, MockClock, MockCredentials, MockDecoys, MockLoginAttempts,
    MockPasswordHasher, StoreError, StoredCredential, UserKey, Verdict,
};
use crate::secret::Secret;
use crate::test_support::fakes::FakeHasher;
use crate::test_support::mocks::untouched_ports;
use crate::test_support::samples::{
    administrator, person, registered, seconds, service, start, user_id,
};
use crate::use_cases::*;
use crate::user::Change;
use crate::values::StoredPassword;

const PASSWORD: &str = "correct horse battery staple";

fn secret(text: &str) -> Raw<Secret> {
    Raw::Value(text.into())
}

fn login(identifier: &str, password: &str) -> LoginInput {
    LoginInput {
        identifier: secret(identifier),
        password: secret(password),
        ..LoginInput::default()
    }
}

fn from(source: &str, login: LoginInput) -> LoginInput {
    LoginInput {
        source: secret(source),
        ..login
    }
}

fn chosen(password: &str) -> PasswordInput {
    PasswordInput {
        password: secret(password),
        ..PasswordInput::default()
    }
}

fn stored_with(fakes: &Fakes, name: &str, password: StoredPassword) -> Applied {
    let mut new = new_user(name);
    new.password = Some(password);
    stored(fakes, &new)
}

fn verifier() -> Caller {
    Caller::Service(ServiceCaller {
        name: "auth".to_owned(),
        scopes: [Scope::CredentialsVerify].into(),
    })
}

async fn verify(fakes: &Fakes, login: &LoginInput) -> Result<UserId, VerifyCredentialsError> {
    let use_case = fakes.use_cases().verify_credentials;
    let let_in = use_case.run(&verifier(), login).await?;
    if let Some(renewal) = let_in.renewal {
        use_case.renew(renewal).await;
    }
    Ok(let_in.view.public().id)
}

async fn set(
    use_cases: &UseCases,
    caller: &Caller,
    id: UserId,
    input: &PasswordInput,
) -> Result<PasswordChanged, ChangePasswordError> {
    let set = use_cases
        .set_password
        .run(caller, id, input, unconditional());
    set.await
}

#[tokio::test]
async fn the_right_password_lets_its_user_in_by_name_and_address() {
    let fakes = Fakes::default();
    let user = stored_with(&fakes, "alice", FakeHasher::stored(PASSWORD)).user;
    for identifier in ["alice", "ALICE", user.email.as_str()] {
        let verified = verify(&fakes, &login(identifier, PASSWORD)).await;
        assert_eq!(verified, Ok(user.id), "{identifier}");
    }
    let public = fakes.use_cases().verify_credentials;
    let view = public
        .run(&verifier(), &login("alice", PASSWORD))
        .await
        .unwrap();
    assert_eq!(view.view.access(), Access::Public);
    let view = public
        .run(&service("all"), &login("alice", PASSWORD))
        .await
        .unwrap();
    assert_eq!(view.view.access(), Access::Full);
}

#[tokio::test]
async fn whatever_is_wrong_is_one_error() {
    let fakes = Fakes::default();
    stored_with(&fakes, "alice", FakeHasher::stored(PASSWORD));
    stored_user(&fakes, "plain");
    for (name, change) in [("gone", Change::Delete), ("locked", Change::Suspend)] {
        let id = stored_with(&fakes, name, FakeHasher::stored(PASSWORD))
            .user
            .id;
        fakes.store.change(id, &change, &context()).await.unwrap();
    }
    for (identifier, password) in [
        ("alice", "another"),
        ("nobody", PASSWORD),
        ("plain", PASSWORD),
        // What nobody's is compared with lets nobody in.
        ("plain", "of nobody"),
        ("nobody", "of nobody"),
        ("gone", PASSWORD),
        ("locked", PASSWORD),
        ("\u{0}", PASSWORD),
        ("@", PASSWORD),
    ] {
        let refused = verify(&fakes, &login(identifier, password)).await;
        assert_eq!(
            refused,
            Err(VerifyCredentialsError::Wrong),
            "{identifier:?}"
        );
    }
}

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

#[tokio::test]
async fn the_sixth_failure_keeps_the_owner_out_for_a_while_and_nobody_else() {
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
        "a success clears"
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
    // The clock steps a second at each look.
    while fakes.clock.now() < report.blocked_until.unwrap() {}
    assert_eq!(verify(&fakes, &login("alice", PASSWORD)).await, Ok(alice));
}

#[tokio::test]
async fn an_attacker_elsewhere_does_not_keep_the_owner_out() {
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
    let stranger = from("new", login("alice", PASSWORD));
    assert_eq!(
        verify(&fakes, &stranger).await,
        Err(VerifyCredentialsError::Wrong)
    );
    let home = from("home", login("alice", PASSWORD));
    assert_eq!(verify(&fakes, &home).await, Ok(alice));
}

#[tokio::test]
async fn an_operator_and_a_new_password_end_a_lockout() {
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
        &chosen("another long one"),
        unconditional(),
    )
    .await
    .unwrap();
    assert!(fakes.store.lockout(&attempt).await.unwrap().admits(start()));
    for unknown in [user_id()] {
        let missing = use_cases.show_lockout.run(&administrator(), unknown).await;
        assert_eq!(missing, Err(FindUserError::NotFound));
        let missing = use_cases.clear_lockout.run(&administrator(), unknown).await;
        assert_eq!(missing, Err(FindUserError::NotFound));
    }
}

#[tokio::test]
async fn an_outdated_hash_is_renewed_by_the_right_password_only() {
    let fakes = Fakes::default();
    let id = stored_with(&fakes, "alice", FakeHasher::imported(PASSWORD))
        .user
        .id;
    let kept = async || {
        let found = fakes.store.find_credential(&UserKey::Id(id)).await.unwrap();
        found.unwrap().password.unwrap()
    };
    verify(&fakes, &login("alice", "wrong")).await.unwrap_err();
    assert_eq!(kept().await, FakeHasher::imported(PASSWORD));
    verify(&fakes, &login("alice", PASSWORD)).await.unwrap();
    assert_eq!(kept().await, FakeHasher::stored(PASSWORD));
    assert_eq!(kinds(&fakes, id).await, [crate::user::EventKind::Created]);
}

#[tokio::test]
async fn passwords_are_for_services_with_their_scope() {
    let fakes = Fakes::default();
    let id = stored_user(&fakes, "alice").user.id;
    let use_cases = fakes.use_cases();
    for caller in [administrator(), person(id)] {
        let refused = use_cases
            .verify_credentials
            .run(&caller, &login("alice", "x"))
            .await;
        assert_eq!(
            refused.map(drop),
            Err(VerifyCredentialsError::Denied(Denied::Forbidden))
        );
        assert_eq!(
            set(&use_cases, &caller, id, &chosen(PASSWORD)).await,
            Err(ChangePasswordError::Denied(Denied::Forbidden))
        );
    }
    let lacking = Denied::InsufficientScope(Scope::CredentialsWrite);
    let remove = use_cases
        .remove_password
        .run(&verifier(), id, unconditional())
        .await;
    assert_eq!(remove, Err(ChangePasswordError::Denied(lacking.clone())));
    let show = use_cases.show_lockout.run(&verifier(), id).await;
    assert_eq!(show, Err(FindUserError::Denied(lacking)));
}

#[tokio::test]
async fn a_password_is_set_hashed_and_removed() {
    let fakes = Fakes::default();
    let id = stored_user(&fakes, "alice").user.id;
    let use_cases = fakes.use_cases();
    let auth = service("auth");
    let set = async |input: PasswordInput| set(&use_cases, &auth, id, &input).await;
    set(chosen(PASSWORD)).await.unwrap();
    assert_eq!(verify(&fakes, &login("alice", PASSWORD)).await, Ok(id));
    let hash =
        "pbkdf2:sha256:1000$salt$0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";
    let hashed = PasswordInput {
        password_hash: secret(hash),
        ..PasswordInput::default()
    };
    set(hashed).await.unwrap();
    let found = fakes
        .store
        .find_credential(&UserKey::Id(id))
        .await
        .unwrap()
        .unwrap();
    let stored = found.password.unwrap();
    assert_eq!(
        (stored.hash.expose(), stored.origin.as_str()),
        (hash, "given")
    );
    use_cases
        .remove_password
        .run(&service("auth"), id, unconditional())
        .await
        .unwrap();
    use_cases
        .remove_password
        .run(&service("auth"), id, unconditional())
        .await
        .unwrap();
    assert_eq!(
        verify(&fakes, &login("alice", PASSWORD)).await,
        Err(VerifyCredentialsError::Wrong)
    );
    let Err(ChangePasswordError::Invalid(faults)) = set(chosen("Alice")).await else {
        panic!("a short password was set");
    };
    assert_eq!(faults[0].code(), "too_short");
}

#[tokio::test]
async fn nobody_is_protected_by_its_own_name() {
    let fakes = Fakes::default();
    let user = stored_user(&fakes, "alice.smith").user;
    let use_cases = fakes.use_cases();
    for password in ["Alice.Smith", user.email.as_str()] {
        let refused = set(&use_cases, &service("auth"), user.id, &chosen(password)).await;
        let Err(ChangePasswordError::Invalid(faults)) = refused else {
            panic!("{password} was set");
        };
        assert_eq!(faults[0].code(), "common");
        let mut new = input("bob.smith");
        new.email = text("bob@example.com");
        new.password = chosen("BOB.smith");
        let made = use_cases
            .create_user
            .run(&service("auth"), &new, unconditional())
            .await;
        assert!(matches!(made, Err(CreateUserError::Invalid(_))), "{made:?}");
    }
}

#[tokio::test]
async fn a_user_is_made_with_a_password_or_not_at_all() {
    let fakes = Fakes::default();
    let use_cases = fakes.use_cases();
    let mut new = input("alice");
    new.password = chosen(PASSWORD);
    let made = use_cases
        .create_user
        .run(&service("auth"), &new, unconditional())
        .await
        .unwrap();
    assert_eq!(
        verify(&fakes, &login("alice", PASSWORD)).await,
        Ok(made.view.public().id)
    );
    let mut other = input("bob");
    other.password = chosen("short");
    other.email = Raw::Null;
    let Err(CreateUserError::Invalid(faults)) = use_cases
        .create_user
        .run(&service("auth"), &other, unconditional())
        .await
    else {
        panic!("a user was made");
    };
    let codes: Vec<_> = faults.iter().map(crate::Fault::code).collect();
    assert_eq!(codes, ["required", "too_short"]);
    let misplaced = new.check_merge().unwrap_err();
    assert_eq!(
        (misplaced[0].path()[0].as_str(), misplaced[0].code()),
        ("password", "unknown_field")
    );
}

#[tokio::test]
async fn a_busy_hasher_leaves_everything_as_it_was() {
    let fakes = Fakes::default();
    let id = stored_with(&fakes, "alice", FakeHasher::stored(PASSWORD))
        .user
        .id;
    let mut hasher = MockPasswordHasher::new();
    hasher.expect_hash().returning(|_| Err(HashingError::Busy));
    hasher
        .expect_verify()
        .returning(|_, _| Err(HashingError::Busy));
    let use_cases = UseCases::new(&Ports {
        hasher: Arc::new(hasher),
        ..fakes.ports()
    });
    assert_eq!(
        set(&use_cases, &service("auth"), id, &chosen("another one")).await,
        Err(ChangePasswordError::Hashing(HashingError::Busy))
    );
    let verified = use_cases
        .verify_credentials
        .run(&verifier(), &login("alice", PASSWORD))
        .await;
    assert_eq!(
        verified.map(drop),
        Err(VerifyCredentialsError::Hashing(HashingError::Busy))
    );
    let mut new = input("bob");
    new.password = chosen(PASSWORD);
    let made = use_cases
        .create_user
        .run(&service("auth"), &new, unconditional())
        .await;
    assert_eq!(made, Err(CreateUserError::Hashing(HashingError::Busy)));
    let (tries, _) = fakes.store.of_user(id, start()).await.unwrap();
    assert_eq!(
        tries,
        Tries::default(),
        "who was not looked at has not failed"
    );
    assert_eq!(verify(&fakes, &login("alice", PASSWORD)).await, Ok(id));
}

#[tokio::test]
async fn a_sign_out_voids_what_was_issued_before_it() {
    let fakes = Fakes::default();
    let user = stored_user(&fakes, "alice").user;
    let use_cases = fakes.use_cases();
    let refused = use_cases
        .sign_out
        .run(&person(user_id()), user.id, unconditional())
        .await;
    assert_eq!(refused, Err(ChangeStatusError::Denied(Denied::Forbidden)));
    for caller in [person(user.id), administrator(), service("auth")] {
        let before = fakes.clock.now();
        let signed_out = use_cases
            .sign_out
            .run(&caller, user.id, unconditional())
            .await
            .unwrap();
        assert!(signed_out.wait <= Duration::from_secs(1));
        let stored = fakes.store.find_by_id(user.id);
        assert!(!stored.admits_token_of(Some(before)));
        let limit = stored.tokens_valid_after.unwrap();
        assert!(!stored.admits_token_of(Some(limit)));
        assert!(stored.admits_token_of(Some(limit.next_second())));
    }
    assert_eq!(kinds(&fakes, user.id).await.len(), 4);
    let back = fakes.store.find_by_id(user.id);
    let earlier = crate::test_support::samples::context_at(seconds(0));
    assert_eq!(
        back.apply(&Change::SignOut, &earlier),
        Ok(None),
        "a clock that went back"
    );
}
