//! Errors of ports reach the caller unchanged.

use std::sync::Arc;

use super::*;
use crate::directory::{DirectoryFilter, PageRequest, Sort};
use crate::ports::{UserKey, VerifyTokenError};
use crate::test_support::fakes::Fakes;
use crate::test_support::mocks::{
    MockChangeLog, MockServiceTokenVerifier, MockTokenVerifier, MockUserDirectory, MockUserReader,
    MockUserWriter, untouched_ports,
};
use crate::test_support::samples::{service, set_name, user, user_id, username};
use crate::use_cases::*;
use crate::user::{Change, ChangeRefused, SuspensionInput};
use crate::values::{Role, UsernameKey};
use crate::write::{UniqueField, WriteError};
use crate::{Freshness, Rejection, StoreError};

/// Asserts that a use case fails with an error of the store.
macro_rules! assert_fails {
    ($call:expr, $error:expr) => {
        assert_eq!($call.await.err(), Some($error.clone().into()));
    };
}

fn unknown_outcome() -> StoreError {
    StoreError::OutcomeUnknown("the link broke at the commit".to_owned())
}

/// Use cases on a writer that fails every write, a clock and ids.
fn with_writer(error: &WriteError) -> UseCases {
    let mut writer = MockUserWriter::new();
    let (added, changed, erased) = (error.clone(), error.clone(), error.clone());
    writer
        .expect_add()
        .returning(move |_, _| Err(added.clone()));
    writer
        .expect_change()
        .returning(move |_, _, _| Err(changed.clone()));
    writer
        .expect_erase()
        .returning(move |_, _| Err(erased.clone()));
    let fakes = Fakes::default();
    let ports = Ports {
        writer: Arc::new(writer),
        clock: fakes.clock,
        ids: fakes.ids,
        ..untouched_ports()
    };
    UseCases::new(&ports)
}

fn with_reader(reader: MockUserReader) -> UseCases {
    UseCases::new(&Ports {
        reader: Arc::new(reader),
        ..untouched_ports()
    })
}

#[tokio::test]
async fn a_store_error_of_a_write_reaches_the_caller() {
    let (caller, id) = (service("auth"), user_id());
    let (new, edit, when) = (input("alice"), name_update("A"), unconditional);
    let any_version = || WriteConditions {
        precondition: Precondition::Exists,
        idempotency: None,
    };
    for error in [
        away(),
        unknown_outcome(),
        StoreError::Internal("a row is broken".to_owned()),
    ] {
        let on = with_writer(&WriteError::Store(error.clone()));
        assert_fails!(on.create_user.run(&caller, &new, when()), error);
        assert_fails!(on.update_user.run(&caller, id, &edit, when()), error);
        let replace = &on.replace_user;
        assert_fails!(replace.run(&caller, id, &new, any_version()), error);
        assert_fails!(on.delete_user.run(&caller, id, when()), error);
        assert_fails!(on.erase_user.run(&caller, id, when()), error);
        let (key, admin) = (UserKey::Id(id), Role::admin());
        assert_fails!(on.grant_role.run(&caller, &key, admin), error);
        let suspension = SuspensionInput::default();
        let suspended = on.suspend_user.run(&caller, id, &suspension, when());
        let expected = ChangeStatusError::Store(error);
        assert_eq!(suspended.await, Err(expected.into()));
    }
}

#[tokio::test]
async fn a_store_error_of_a_read_reaches_the_caller() {
    let caller = service("auth");
    let mut reader = MockUserReader::new();
    reader.expect_find().returning(|_| Err(away()));
    reader.expect_find_many().returning(|_| Err(away()));
    let (on, id) = (with_reader(reader), user_id());
    let (one, fresh) = (UserSelector::Id(id.to_string()), Freshness::Bounded);
    assert_fails!(on.find_user.run(&caller, &one, fresh), away());
    let many = BatchKeys::Ids(vec![id.to_string()]);
    assert_fails!(on.batch_users.run(&caller, &many, fresh), away());
    let positions = ExportPositions::default();
    assert_fails!(on.export_user.run(&caller, id, &positions), away());
    let by_name = UserKey::Username(UsernameKey::from(&username("alice")));
    let grant = &on.grant_role;
    assert_fails!(grant.run(&caller, &by_name, Role::admin()), away());
}

#[tokio::test]
async fn a_directory_error_reaches_the_caller() {
    let mut directory = MockUserDirectory::new();
    directory.expect_page().returning(|_| Err(away()));
    directory.expect_count().returning(|_| Err(away()));
    let on = UseCases::new(&Ports {
        directory: Arc::new(directory),
        ..untouched_ports()
    });
    let filter = DirectoryFilter::default();
    let request = PageRequest {
        filter: filter.clone(),
        sort: Sort::default(),
        after: None,
        limit: 1,
    };
    let caller = service("auth");
    assert_fails!(on.list_users.run(&caller, &request), away());
    assert_fails!(on.count_users.run(&caller, &filter), away());
}

#[tokio::test]
async fn an_export_fails_if_its_events_cannot_be_read() {
    let mut reader = MockUserReader::new();
    reader
        .expect_find()
        .returning(|_| Ok(Some(Arc::new(user("alice")))));
    let mut change_log = MockChangeLog::new();
    change_log.expect_about().returning(|_| Err(away()));
    let ports = Ports {
        reader: Arc::new(reader),
        change_log: Arc::new(change_log),
        ..Fakes::default().ports()
    };
    let exported = UseCases::new(&ports)
        .export_user
        .run(&service("auth"), user_id(), &ExportPositions::default())
        .await;
    assert_eq!(exported, Err(FindUserError::Store(away())));
}

/// Rejecting tokens during a store outage would sign out all users.
#[tokio::test]
async fn an_unavailable_store_does_not_reject_a_credential() {
    let credential = Credential::Bearer("token".to_owned());
    let mut service_tokens = MockServiceTokenVerifier::new();
    service_tokens
        .expect_find()
        .returning(|_| Err(away().into()));
    let mut tokens = MockTokenVerifier::new();
    tokens.expect_verify_cached().returning(|_| None);
    let ports = Ports {
        service_tokens: Arc::new(service_tokens),
        tokens: Arc::new(tokens),
        ..untouched_ports()
    };
    let answer = UseCases::new(&ports).authenticate.run(&credential).await;
    assert_eq!(answer, Err(AuthenticateError::Store(away())));

    let mut service_tokens = MockServiceTokenVerifier::new();
    service_tokens.expect_find().returning(|_| Ok(None));
    let fakes = Fakes::default();
    fakes.tokens.admit_user("token", user_id());
    let mut reader = MockUserReader::new();
    reader.expect_find().returning(|_| Err(away()));
    let ports = Ports {
        service_tokens: Arc::new(service_tokens),
        tokens: fakes.tokens,
        reader: Arc::new(reader),
        ..untouched_ports()
    };
    let answer = UseCases::new(&ports).authenticate.run(&credential).await;
    assert_eq!(answer, Err(AuthenticateError::Store(away())));
}

#[tokio::test]
async fn unavailable_keys_do_not_reject_a_credential() {
    let mut service_tokens = MockServiceTokenVerifier::new();
    service_tokens.expect_find().returning(|_| Ok(None));
    let mut tokens = MockTokenVerifier::new();
    tokens.expect_verify_cached().returning(|_| None);
    tokens
        .expect_verify()
        .returning(|_| Err(VerifyTokenError::Unavailable("away".to_owned())));
    let ports = Ports {
        service_tokens: Arc::new(service_tokens),
        tokens: Arc::new(tokens),
        ..untouched_ports()
    };
    let credential = Credential::Bearer("token".to_owned());
    let answer = UseCases::new(&ports).authenticate.run(&credential).await;
    let expected = AuthenticateError::KeysUnavailable("away".to_owned());
    assert_eq!(answer, Err(expected));
}

#[tokio::test]
async fn a_service_token_is_never_verified_as_a_user_token() {
    let mut service_tokens = MockServiceTokenVerifier::new();
    service_tokens.expect_find().returning(|_| Ok(None));
    let mut tokens = MockTokenVerifier::new();
    tokens.expect_verify().never();
    let ports = Ports {
        service_tokens: Arc::new(service_tokens),
        tokens: Arc::new(tokens),
        ..untouched_ports()
    };
    let answer = UseCases::new(&ports)
        .authenticate
        .run(&Credential::ServiceToken("token".to_owned()))
        .await;
    assert_eq!(answer, Err(Rejection::UnknownServiceToken.into()));
}

#[tokio::test]
async fn an_impossible_refusal_is_an_internal_store_error() {
    let (caller, id) = (service("auth"), user_id());
    let impossible = [
        WriteError::Taken(UniqueField::Email.into()),
        WriteError::Refused(ChangeRefused::Invalid(Vec::new())),
        WriteError::Refused(ChangeRefused::PreconditionRequired(Vec::new())),
    ];
    for error in impossible {
        let on = with_writer(&error);
        let suspended = on
            .change_status
            .run(&caller, id, StatusChange::Activate, unconditional())
            .await;
        assert!(
            matches!(
                suspended,
                Err(ChangeStatusError::Store(StoreError::Internal(_)))
            ),
            "{error:?}"
        );
    }
    let on = with_writer(&WriteError::Refused(ChangeRefused::NotFound));
    let created = on
        .create_user
        .run(&caller, &input("alice"), unconditional())
        .await;
    assert!(matches!(
        created,
        Err(CreateUserError::Store(StoreError::Internal(_)))
    ));
}

#[tokio::test]
async fn a_write_is_sent_once_and_never_retried() {
    let mut writer = MockUserWriter::new();
    writer
        .expect_change()
        .withf(|_, change: &Change, context| {
            *change == set_name("Alice")
                && context.actor.as_str() == "service:auth"
                && context.idempotency.is_none()
        })
        .times(1)
        .returning(|_, _, _| Err(WriteError::Store(unknown_outcome())));
    let fakes = Fakes::default();
    let ports = Ports {
        writer: Arc::new(writer),
        clock: fakes.clock,
        ids: fakes.ids,
        ..untouched_ports()
    };
    let caller = service("auth");
    let on = UseCases::new(&ports);
    let updated = on
        .update_user
        .run(&caller, user_id(), &name_update("Alice"), unconditional())
        .await;
    assert_eq!(updated, Err(EditUserError::Store(unknown_outcome())));
}
