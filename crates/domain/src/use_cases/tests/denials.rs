//! Who may not is told so before anything else is looked at: neither the input, nor a store, nor the clock.

use std::collections::HashSet;

use super::*;
use crate::Freshness;
use crate::caller::{Caller, Scope, ServiceCaller};
use crate::directory::{DirectoryFilter, PageRequest, Sort};
use crate::permissions::Denied;
use crate::ports::UserKey;
use crate::test_support::mocks::untouched_ports;
use crate::test_support::samples::{email, external_id, person, service, user_id};
use crate::use_cases::*;
use crate::values::{EmailKey, Role, UserId};

fn use_cases() -> UseCases {
    UseCases::new(&untouched_ports())
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

/// What each use case answers to a caller, as far as it is a denial; all others would touch a port.
async fn denials(caller: &Caller, target: UserId) -> Vec<(&'static str, Option<Denied>)> {
    let on = use_cases();
    let conditions = WriteConditions::default;
    let everybody = DirectoryFilter::default();
    let create = on
        .create_user
        .run(caller, &input("alice"), conditions())
        .await;
    let update = on
        .update_user
        .run(caller, target, &called("A"), conditions())
        .await;
    let replace = on
        .replace_user
        .run(caller, target, &input("alice"), conditions())
        .await;
    let delete = on.delete_user.run(caller, target, conditions()).await;
    let erase = on.erase_user.run(caller, target, conditions()).await;
    let suspend = on
        .change_status
        .run(caller, target, StatusChange::Suspend, conditions())
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
            &Sought::ExternalId("1".to_owned()),
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
    let list = on.list_users.run(caller, &page_of(everybody.clone())).await;
    let count = on.count_users.run(caller, &everybody).await;
    let export = on.export_user.run(caller, target).await;
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
        ("suspend", status_denial(suspend)),
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
async fn a_person_is_denied_everything_about_others_without_touching_a_port() {
    for (use_case, denied) in denials(&person(user_id()), user_id()).await {
        assert_eq!(denied, Some(Denied::Forbidden), "{use_case}");
    }
}

#[tokio::test]
async fn a_service_without_scopes_is_told_the_scope_it_lacks_without_touching_a_port() {
    let lacking = denials(&service_with(&[]), user_id()).await;
    let scopes: Vec<(&str, Scope)> = lacking
        .into_iter()
        .map(|(use_case, denied)| match denied {
            Some(Denied::InsufficientScope(scope)) => (use_case, scope),
            other => panic!("{use_case} came to {other:?}"),
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
async fn a_forbidden_field_is_told_before_a_faulty_one() {
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
            panic!("the field was not forbidden");
        };
        let paths: Vec<_> = faults.iter().map(|fault| fault.path().join(".")).collect();
        assert_eq!(paths, ["status"]);
    }
}

#[tokio::test]
async fn a_faulty_input_never_reaches_a_store() {
    let id = user_id();
    let on = use_cases();
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
    let replaced = use_cases()
        .replace_user
        .run(&person(id), id, &input("alice"), WriteConditions::default())
        .await;
    assert_eq!(
        replaced,
        Err(EditUserError::PreconditionRequired(Vec::new()))
    );
}

#[tokio::test]
async fn a_service_that_may_only_read_does_not_seek_by_address_in_the_directory() {
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

#[tokio::test]
async fn nobody_but_a_user_is_me() {
    for caller in [service("auth"), Caller::Operator] {
        let found = use_cases()
            .find_user
            .run(&caller, &Sought::Me, Freshness::Bounded)
            .await;
        assert_eq!(found, Err(FindUserError::Denied(Denied::Forbidden)));
    }
}

#[tokio::test]
async fn a_key_that_can_be_nobodys_is_not_sought() {
    let caller = service("auth");
    for sought in [
        Sought::Id("42".to_owned()),
        Sought::Id("{019b76da-a800-7000-8000-000000000040}".to_owned()),
        Sought::Username("a@b".to_owned()),
        Sought::ExternalId("a b".to_owned()),
    ] {
        assert_eq!(
            use_cases()
                .find_user
                .run(&caller, &sought, Freshness::Bounded)
                .await,
            Err(FindUserError::NotFound),
            "{sought:?}"
        );
    }
    let nobodys = BatchKeys::Ids(vec!["x".to_owned(); MAX_BATCH]);
    let found = use_cases()
        .batch_users
        .run(&caller, &nobodys, Freshness::Bounded)
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
async fn a_batch_of_more_than_500_keys_is_not_sought() {
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
