//! Permissions are checked before the input, a store or the clock is used.

use std::collections::HashSet;
use std::sync::Arc;

use super::*;
use crate::Freshness;
use crate::caller::{Caller, Scope, ServiceCaller};
use crate::directory::{DirectoryFilter, MetadataKey, MetadataValue, PageRequest, Sort};
use crate::permissions::Denied;
use crate::ports::{MockClock, UserKey};
use crate::test_support::mocks::untouched_ports;
use crate::test_support::samples::{email, external_id, person, seconds, service, user_id};
use crate::use_cases::*;
use crate::user::SuspensionInput;
use crate::values::{EmailKey, Role, UserId};

fn use_cases() -> UseCases {
    UseCases::new(&untouched_ports())
}

/// Use cases with a clock, because dates of an input are compared with the current time.
fn use_cases_with_a_clock() -> UseCases {
    let mut clock = MockClock::new();
    clock.expect_now().return_const(seconds(0));
    UseCases::new(&Ports {
        clock: Arc::new(clock),
        ..untouched_ports()
    })
}

fn service_with(scopes: &[Scope]) -> Caller {
    Caller::Service(ServiceCaller {
        name: "posts".to_owned(),
        scopes: scopes.iter().copied().collect(),
    })
}

fn page_of(filter: DirectoryFilter) -> PageRequest {
    PageRequest {
        filter,
        sort: Sort::default(),
        after: None,
        limit: 50,
    }
}

/// Returns the denial of each use case for a caller. Any other result would call a port.
async fn denials(caller: &Caller, target: UserId) -> Vec<(&'static str, Option<Denied>)> {
    let on = use_cases();
    let conditions = WriteConditions::default;
    let no_filter = DirectoryFilter::default();
    let create = on
        .create_user
        .run(caller, &input("alice"), conditions())
        .await;
    let update = on
        .update_user
        .run(caller, target, &name_update("A"), conditions())
        .await;
    let replace = on
        .replace_user
        .run(caller, target, &input("alice"), conditions())
        .await;
    let delete = on.delete_user.run(caller, target, conditions()).await;
    let erase = on.erase_user.run(caller, target, conditions()).await;
    let suspend = on
        .suspend_user
        .run(caller, target, &SuspensionInput::default(), conditions())
        .await;
    let activate = on
        .change_status
        .run(caller, target, StatusChange::Activate, conditions())
        .await;
    let restore = on
        .change_status
        .run(caller, target, StatusChange::Restore, conditions())
        .await;
    let grant = on
        .grant_role
        .run(caller, &UserKey::Id(target), Role::admin())
        .await;
    let by_external_id = on
        .find_user
        .run(
            caller,
            &UserSelector::ExternalId("1".to_owned()),
            Freshness::Current,
        )
        .await;
    let by_emails = on
        .batch_users
        .run(
            caller,
            &BatchKeys::Emails(vec!["a@b.example".to_owned()]),
            Freshness::Current,
        )
        .await;
    let by_external_ids = on
        .batch_users
        .run(
            caller,
            &BatchKeys::ExternalIds(vec!["1".to_owned()]),
            Freshness::Bounded,
        )
        .await;
    let list = on.list_users.run(caller, &page_of(no_filter.clone())).await;
    let count = on.count_users.run(caller, &no_filter).await;
    let export = on
        .export_user
        .run(caller, target, &ExportPositions::default())
        .await;
    vec![
        (
            "create",
            match create {
                Err(CreateUserError::Denied(denied)) => Some(denied),
                _ => None,
            },
        ),
        ("update", edit_denial(update)),
        ("replace", edit_denial(replace)),
        ("delete", status_denial(delete)),
        ("erase", status_denial(erase)),
        ("suspend", suspension_denial(suspend)),
        ("activate", status_denial(activate)),
        ("restore", status_denial(restore)),
        (
            "grant",
            match grant {
                Err(GrantRoleError::Denied(denied)) => Some(denied),
                _ => None,
            },
        ),
        ("find by external id", find_denial(by_external_id)),
        ("batch by emails", batch_denial(by_emails)),
        ("batch by external ids", batch_denial(by_external_ids)),
        ("list", list_denial(list)),
        ("count", list_denial(count)),
        ("export", find_denial(export)),
    ]
}

fn edit_denial<T>(result: Result<T, EditUserError>) -> Option<Denied> {
    if let Err(EditUserError::Denied(denied)) = result {
        Some(denied)
    } else {
        None
    }
}

fn status_denial<T>(result: Result<T, ChangeStatusError>) -> Option<Denied> {
    if let Err(ChangeStatusError::Denied(denied)) = result {
        Some(denied)
    } else {
        None
    }
}

fn suspension_denial<T>(result: Result<T, SuspendUserError>) -> Option<Denied> {
    match result {
        Err(SuspendUserError::Status(error)) => status_denial::<()>(Err(error)),
        _ => None,
    }
}

fn find_denial<T>(result: Result<T, FindUserError>) -> Option<Denied> {
    if let Err(FindUserError::Denied(denied)) = result {
        Some(denied)
    } else {
        None
    }
}

fn batch_denial<T>(result: Result<T, BatchUsersError>) -> Option<Denied> {
    if let Err(BatchUsersError::Denied(denied)) = result {
        Some(denied)
    } else {
        None
    }
}

fn list_denial<T>(result: Result<T, ListUsersError>) -> Option<Denied> {
    if let Err(ListUsersError::Denied(denied)) = result {
        Some(denied)
    } else {
        None
    }
}

#[tokio::test]
async fn a_user_is_denied_operations_on_others_before_any_port_call() {
    for (use_case, denied) in denials(&person(user_id()), user_id()).await {
        assert_eq!(denied, Some(Denied::Forbidden), "{use_case}");
    }
}

#[tokio::test]
async fn a_denied_service_learns_the_missing_scope_before_any_port_call() {
    let lacking = denials(&service_with(&[]), user_id()).await;
    let scopes: Vec<(&str, Scope)> = lacking
        .into_iter()
        .map(|(use_case, denied)| match denied {
            Some(Denied::InsufficientScope(scope)) => (use_case, scope),
            other => panic!("{use_case} returned {other:?}"),
        })
        .collect();
    let expected = [
        ("create", Scope::UsersWrite),
        ("update", Scope::UsersWrite),
        ("replace", Scope::UsersWrite),
        ("delete", Scope::UsersDelete),
        ("erase", Scope::UsersDelete),
        ("suspend", Scope::UsersWrite),
        ("activate", Scope::UsersWrite),
        ("restore", Scope::UsersDelete),
        ("grant", Scope::RolesWrite),
        ("find by external id", Scope::UsersRead),
        ("batch by emails", Scope::UsersReadPrivate),
        ("batch by external ids", Scope::UsersRead),
        ("list", Scope::UsersRead),
        ("count", Scope::UsersRead),
        ("export", Scope::UsersReadPrivate),
    ];
    assert_eq!(scopes, expected);
}

#[tokio::test]
async fn a_forbidden_field_is_reported_before_an_invalid_one() {
    let id = user_id();
    let both = UserInput {
        username: text("!"),
        status: text("nonsense"),
        ..input("alice")
    };
    let on = use_cases();
    for result in [
        on.update_user
            .run(&person(id), id, &both, WriteConditions::default())
            .await,
        on.replace_user
            .run(&person(id), id, &both, WriteConditions::default())
            .await,
    ] {
        let Some(Denied::ForbiddenFields(faults)) = edit_denial(result) else {
            panic!("the field is not forbidden");
        };
        let paths: Vec<_> = faults.iter().map(|fault| fault.path().join(".")).collect();
        assert_eq!(paths, ["status"]);
    }
}

#[tokio::test]
async fn an_invalid_input_never_reaches_a_store() {
    let id = user_id();
    let on = use_cases_with_a_clock();
    let wrong = UserInput {
        email: text("nowhere"),
        ..input("alice")
    };
    let created = on
        .create_user
        .run(&service("auth"), &wrong, WriteConditions::default())
        .await;
    assert!(matches!(created, Err(CreateUserError::Invalid(faults)) if faults.len() == 1));
    let updated = on
        .update_user
        .run(&person(id), id, &wrong, WriteConditions::default())
        .await;
    assert!(matches!(updated, Err(EditUserError::Invalid(faults)) if faults.len() == 1));
    let replaced = on
        .replace_user
        .run(&person(id), id, &wrong, WriteConditions::default())
        .await;
    assert!(matches!(replaced, Err(EditUserError::Invalid(faults)) if faults.len() == 1));
}

#[tokio::test]
async fn a_replacement_without_a_version_never_reaches_a_store() {
    let id = user_id();
    let replaced = use_cases_with_a_clock()
        .replace_user
        .run(&person(id), id, &input("alice"), WriteConditions::default())
        .await;
    assert_eq!(
        replaced,
        Err(EditUserError::PreconditionRequired(Vec::new()))
    );
}

#[tokio::test]
async fn an_email_filter_needs_the_private_read_scope() {
    let caller = service_with(&[Scope::UsersRead]);
    let by_email = DirectoryFilter {
        email: Some(EmailKey::from(&email("a@b.example"))),
        ..DirectoryFilter::default()
    };
    let denied = Some(Denied::InsufficientScope(Scope::UsersReadPrivate));
    assert_eq!(
        list_denial(
            use_cases()
                .list_users
                .run(&caller, &page_of(by_email.clone()))
                .await
        ),
        denied
    );
    assert_eq!(
        list_denial(use_cases().count_users.run(&caller, &by_email).await),
        denied
    );
}

fn by_metadata(key: &str) -> DirectoryFilter {
    let value = MetadataValue::parse("7").unwrap();
    DirectoryFilter {
        metadata: [(MetadataKey::parse(key).unwrap(), [value].into())].into(),
        ..DirectoryFilter::default()
    }
}

#[tokio::test]
async fn filters_and_sorts_by_hidden_fields_need_the_private_read_scope() {
    let caller = service_with(&[Scope::UsersRead]);
    let denied = Some(Denied::InsufficientScope(Scope::UsersReadPrivate));
    for hidden in [
        DirectoryFilter {
            updated_since: Some(seconds(0)),
            ..DirectoryFilter::default()
        },
        DirectoryFilter {
            updated_until: Some(seconds(0)),
            ..DirectoryFilter::default()
        },
        DirectoryFilter {
            roles: [Role::admin()].into(),
            ..DirectoryFilter::default()
        },
        by_metadata("private.crm_id"),
    ] {
        let page = page_of(hidden.clone());
        let listed = use_cases().list_users.run(&caller, &page).await;
        assert_eq!(list_denial(listed), denied, "{hidden:?}");
        let counted = use_cases().count_users.run(&caller, &hidden).await;
        assert_eq!(list_denial(counted), denied, "{hidden:?}");
    }
    let shown = by_metadata("public.plan");
    assert_eq!(list_users::permit_filter(&caller, &shown), Ok(()));
    let sorted = PageRequest {
        sort: Sort::Updated,
        ..page_of(DirectoryFilter::default())
    };
    let listed = use_cases().list_users.run(&caller, &sorted).await;
    assert_eq!(list_denial(listed), denied);
}

#[tokio::test]
async fn only_a_user_can_request_me() {
    for caller in [service("auth"), Caller::Operator] {
        let found = use_cases()
            .find_user
            .run(&caller, &UserSelector::Me, Freshness::Bounded)
            .await;
        assert_eq!(found, Err(FindUserError::Denied(Denied::Forbidden)));
    }
}

#[tokio::test]
async fn an_invalid_key_is_not_looked_up() {
    let caller = service("auth");
    for selector in [
        UserSelector::Id("42".to_owned()),
        UserSelector::Id("{019b76da-a800-7000-8000-000000000040}".to_owned()),
        UserSelector::Username("a@b".to_owned()),
        UserSelector::ExternalId("a b".to_owned()),
    ] {
        assert_eq!(
            use_cases()
                .find_user
                .run(&caller, &selector, Freshness::Bounded)
                .await,
            Err(FindUserError::NotFound),
            "{selector:?}"
        );
    }
    let invalid_ids = BatchKeys::Ids(vec!["x".to_owned(); MAX_BATCH]);
    let found = use_cases()
        .batch_users
        .run(&caller, &invalid_ids, Freshness::Bounded)
        .await
        .unwrap();
    assert_eq!(found.views.len(), MAX_BATCH);
    assert!(found.views.iter().all(Option::is_none));
    assert!(found.sources.is_empty());
    assert_eq!(
        use_cases()
            .batch_users
            .run(&caller, &BatchKeys::Emails(Vec::new()), Freshness::Bounded)
            .await,
        Ok(BatchViews {
            views: Vec::new(),
            sources: HashSet::new(),
        })
    );
}

#[tokio::test]
async fn a_batch_of_more_than_500_keys_is_rejected() {
    let id = external_id("1").to_string();
    let keys = BatchKeys::ExternalIds(vec![id; MAX_BATCH + 1]);
    assert_eq!(
        use_cases()
            .batch_users
            .run(&service("auth"), &keys, Freshness::Bounded)
            .await,
        Err(BatchUsersError::TooMany)
    );
}
