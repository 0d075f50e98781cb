mod lockouts;
mod work;

use std::sync::{Arc, Mutex};
use std::time::Duration;

use mockall::predicate::always;

use super::*;
use crate::caller::{Caller, Scope, ServiceCaller};
use crate::input::{LoginInput, PasswordInput};
use crate::lockout::{Account, AttemptCounter, Lockout, LoginAttempt, LoginSource};
use crate::permissions::{Access, Denied};
use crate::ports::{
    HashingError, LoginLock, MockClock, MockCredentials, MockDummyHashes, MockLoginAttempts,
    MockPasswordHasher, StoreError, StoredCredential, UserKey, Verdict,
};
use crate::secret::Secret;
use crate::test_support::fakes::FakeHasher;
use crate::test_support::mocks::untouched_ports;
use crate::test_support::samples::{
    administrator, person, registered, seconds, service, start, user_id,
};
use crate::use_cases::*;
use crate::user::{Change, User};
use crate::values::StoredPassword;

const PASSWORD: &str = "correct horse battery staple";

fn secret(text: &str) -> FieldInput<Secret> {
    FieldInput::Value(text.into())
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

fn new_password(password: &str) -> PasswordInput {
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
    let verified = use_case.run(&verifier(), login).await?;
    if let Some(pending) = verified.pending_rehash {
        use_case.rehash(pending).await;
    }
    Ok(verified.view.public().id)
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
async fn the_right_password_is_accepted_with_username_and_email() {
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
async fn every_wrong_login_has_the_same_error() {
    let fakes = Fakes::default();
    stored_with(&fakes, "alice", FakeHasher::stored(PASSWORD));
    stored_user(&fakes, "plain");
    for (name, change) in [("former", Change::Delete), ("suspended", Change::suspend())] {
        let id = stored_with(&fakes, name, FakeHasher::stored(PASSWORD))
            .user
            .id;
        change_user(&fakes, id, &change).await;
    }
    for (identifier, password) in [
        ("alice", "another"),
        ("absent", PASSWORD),
        ("plain", PASSWORD),
        // The password of the dummy hash is accepted for no account.
        ("plain", "dummy"),
        ("absent", "dummy"),
        ("former", PASSWORD),
        ("suspended", PASSWORD),
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

#[tokio::test]
async fn only_the_right_password_renews_an_outdated_hash() {
    let fakes = Fakes::default();
    let id = stored_with(&fakes, "alice", FakeHasher::imported(PASSWORD))
        .user
        .id;
    let stored_password = async || {
        let found = fakes
            .store
            .find_credential(Some(UserKey::Id(id)))
            .await
            .unwrap();
        found.unwrap().password.unwrap()
    };
    verify(&fakes, &login("alice", "wrong")).await.unwrap_err();
    assert_eq!(stored_password().await, FakeHasher::imported(PASSWORD));
    verify(&fakes, &login("alice", PASSWORD)).await.unwrap();
    assert_eq!(stored_password().await, FakeHasher::stored(PASSWORD));
    assert_eq!(kinds(&fakes, id).await, [crate::user::EventKind::Created]);
}

#[tokio::test]
async fn password_operations_need_a_service_with_the_scope() {
    let (_, on, id) = with_alice();
    for caller in [administrator(), person(id)] {
        let refused = on
            .verify_credentials
            .run(&caller, &login("alice", "x"))
            .await;
        assert_eq!(
            refused.map(drop),
            Err(VerifyCredentialsError::Denied(Denied::Forbidden))
        );
        assert_eq!(
            set(&on, &caller, id, &new_password(PASSWORD)).await,
            Err(ChangePasswordError::Denied(Denied::Forbidden))
        );
    }
    let lacking = Denied::InsufficientScope(Scope::CredentialsWrite);
    let remove = on
        .remove_password
        .run(&verifier(), id, unconditional())
        .await;
    assert_eq!(remove, Err(ChangePasswordError::Denied(lacking.clone())));
    let show = on.show_lockout.run(&verifier(), id).await;
    assert_eq!(show, Err(FindUserError::Denied(lacking)));
}

#[tokio::test]
async fn a_password_is_set_hashed_and_removed() {
    let (fakes, on, id) = with_alice();
    let auth = service("auth");
    let set = async |input: PasswordInput| set(&on, &auth, id, &input).await;
    set(new_password(PASSWORD)).await.unwrap();
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
        .find_credential(Some(UserKey::Id(id)))
        .await
        .unwrap()
        .unwrap();
    let stored = found.password.unwrap();
    assert_eq!(
        (stored.hash.expose(), stored.origin.as_str()),
        (hash, "given")
    );
    on.remove_password
        .run(&service("auth"), id, unconditional())
        .await
        .unwrap();
    on.remove_password
        .run(&service("auth"), id, unconditional())
        .await
        .unwrap();
    assert_eq!(
        verify(&fakes, &login("alice", PASSWORD)).await,
        Err(VerifyCredentialsError::Wrong)
    );
    let Err(ChangePasswordError::Invalid(faults)) = set(new_password("Alice")).await else {
        panic!("a short password was set");
    };
    assert_eq!(faults[0].code(), "too_short");
}

#[tokio::test]
async fn a_password_equal_to_username_or_email_is_rejected() {
    let fakes = Fakes::default();
    let user = stored_user(&fakes, "alice.smith").user;
    let use_cases = fakes.use_cases();
    for password in ["Alice.Smith", user.email.as_str()] {
        let refused = set(
            &use_cases,
            &service("auth"),
            user.id,
            &new_password(password),
        )
        .await;
        let Err(ChangePasswordError::Invalid(faults)) = refused else {
            panic!("{password} was set");
        };
        assert_eq!(faults[0].code(), "common");
        let mut new = input("bob.smith");
        new.email = text("bob@example.com");
        new.password = new_password("BOB.smith");
        let made = use_cases
            .create_user
            .run(&service("auth"), &new, unconditional())
            .await;
        assert!(matches!(made, Err(CreateUserError::Invalid(_))), "{made:?}");
    }
}

#[tokio::test]
async fn a_user_with_an_invalid_password_is_not_created() {
    let fakes = Fakes::default();
    let use_cases = fakes.use_cases();
    let mut new = input("alice");
    new.password = new_password(PASSWORD);
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
    other.password = new_password("short");
    other.email = FieldInput::Null;
    let Err(CreateUserError::Invalid(faults)) = use_cases
        .create_user
        .run(&service("auth"), &other, unconditional())
        .await
    else {
        panic!("a user was created");
    };
    let codes: Vec<_> = faults.iter().map(crate::Fault::code).collect();
    assert_eq!(codes, ["required", "too_short"]);
    let unexpected = new.check_merge(seconds(0)).unwrap_err();
    assert_eq!(
        (unexpected[0].path()[0].as_str(), unexpected[0].code()),
        ("password", "unknown_field")
    );
}

#[tokio::test]
async fn a_busy_hasher_changes_nothing() {
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
        set(
            &use_cases,
            &service("auth"),
            id,
            &new_password("another one")
        )
        .await,
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
    new.password = new_password(PASSWORD);
    let made = use_cases
        .create_user
        .run(&service("auth"), &new, unconditional())
        .await;
    assert_eq!(made, Err(CreateUserError::Hashing(HashingError::Busy)));
    let attempts = fakes.store.of_user(id, start()).await.unwrap();
    assert_eq!(
        attempts.account,
        AttemptCounter::default(),
        "an unverified password is not a failed attempt"
    );
    assert_eq!(verify(&fakes, &login("alice", PASSWORD)).await, Ok(id));
}

#[tokio::test]
async fn a_sign_out_invalidates_tokens_issued_before_it() {
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
        let stored_before = fakes.store.find_by_id(user.id);
        let signed_out = use_cases
            .sign_out
            .run(&caller, user.id, unconditional())
            .await
            .unwrap();
        assert!(signed_out.wait <= Duration::from_secs(1));
        let stored = fakes.store.find_by_id(user.id);
        assert!(stored.admits_token_of(Some(before)).is_err());
        assert_eq!(stored.revision, stored_before.revision.next());
        let shown = |user: &User| (user.version, user.updated_at);
        assert_eq!(
            shown(&stored),
            shown(&stored_before),
            "no view shows a sign-out"
        );
        let limit = stored.tokens_valid_after.unwrap();
        assert!(stored.admits_token_of(Some(limit)).is_err());
        assert_eq!(stored.admits_token_of(Some(limit.next_second())), Ok(()));
    }
    assert_eq!(kinds(&fakes, user.id).await.len(), 4);
    let back = fakes.store.find_by_id(user.id);
    let earlier = crate::test_support::samples::context_at(seconds(0));
    assert_eq!(
        back.apply(&Change::SignOut, &earlier),
        Ok(None),
        "a clock that was set back"
    );
}
