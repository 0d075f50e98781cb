//! Permissions are checked before the input, a store or the clock is used.

use std::collections::HashSet;
use std::sync::Arc;

use super::*;
use crate::Freshness;
use crate::caller::{Caller, Scope};
use crate::directory::{DirectoryFilter, MetadataKey, MetadataValue, PageRequest, Sort};
use crate::permissions::Denied;
use crate::ports::{FeedStart, MockClock, UserKey};
use crate::test_support::mocks::untouched_ports;
use crate::test_support::samples::{email, external_id, person, seconds, service, user_id};
use crate::use_cases::*;
use crate::user::SuspensionInput;
use crate::values::{EmailKey, Role};

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

fn page_of(filter: DirectoryFilter) -> PageRequest {
    PageRequest {
        filter,
        sort: Sort::default(),
        after: None,
        limit: 50,
    }
}

/// Asserts that each use case denies a caller what needs a scope. Any other result would call a port.
async fn assert_each_denied(caller: &Caller, denial: impl Fn(Scope) -> Denied) {
    macro_rules! assert_denied {
        ($scope:ident, $call:expr) => {
            let expected = denial(Scope::$scope).into();
            assert_eq!($call.await.err(), Some(expected), stringify!($call));
        };
    }

    let (on, id, when) = (use_cases(), user_id(), unconditional);
    let new = input("alice");
    let edit = name_update("A");
    assert_denied!(UsersWrite, on.create_user.run(caller, &new, when()));
    assert_denied!(UsersWrite, on.update_user.run(caller, id, &edit, when()));
    assert_denied!(UsersWrite, on.replace_user.run(caller, id, &new, when()));
    assert_denied!(UsersDelete, on.delete_user.run(caller, id, when()));
    assert_denied!(UsersDelete, on.erase_user.run(caller, id, when()));
    let (key, admin) = (UserKey::Id(id), Role::admin());
    assert_denied!(RolesWrite, on.grant_role.run(caller, &key, admin));

    let status = &on.change_status;
    let (activate, restore) = (StatusChange::Activate, StatusChange::Restore);
    assert_denied!(UsersWrite, status.run(caller, id, activate, when()));
    assert_denied!(UsersDelete, status.run(caller, id, restore, when()));
    let suspension = SuspensionInput::default();
    let suspended = on.suspend_user.run(caller, id, &suspension, when()).await;
    let expected = ChangeStatusError::Denied(denial(Scope::UsersWrite));
    assert_eq!(suspended.err(), Some(expected.into()));

    let external_id = UserSelector::ExternalId("1".to_owned());
    let external_ids = BatchKeys::ExternalIds(vec!["1".to_owned()]);
    let emails = BatchKeys::Emails(vec!["a@b.example".to_owned()]);
    let (find, batch, current) = (&on.find_user, &on.batch_users, Freshness::Current);
    assert_denied!(UsersRead, find.run(caller, &external_id, current));
    assert_denied!(UsersRead, batch.run(caller, &external_ids, current));
    assert_denied!(UsersReadPrivate, batch.run(caller, &emails, current));
    let all = DirectoryFilter::default();
    assert_denied!(UsersRead, on.list_users.run(caller, &page_of(all.clone())));
    assert_denied!(UsersRead, on.count_users.run(caller, &all));
    let events = EventsQuery {
        start: FeedStart::Oldest,
        types: EventTypes::default(),
        subject: None,
        includes_users: false,
        limit: 1,
    };
    assert_denied!(EventsRead, on.read_events.run(caller, &events));
    let (erasures, consumers) = (&on.confirm_erasures, &on.manage_erasure_consumers);
    assert_denied!(EventsRead, erasures.pending(caller, "!", None, 1));
    assert_denied!(EventsRead, erasures.report(caller, id));
    assert_denied!(EventsRead, erasures.acknowledge(caller, id, "!", None));
    assert_denied!(EventsRead, erasures.summarize(caller));
    assert_denied!(EventsAdmin, consumers.list(caller));
    assert_denied!(EventsAdmin, consumers.register(caller, "!", None));
    assert_denied!(EventsAdmin, consumers.remove(caller, "!", None));
    let history = on.export_user.history(caller, id, None, 1);
    assert_denied!(UsersReadPrivate, history);
    let positions = ExportPositions::default();
    assert_denied!(UsersReadPrivate, on.export_user.run(caller, id, &positions));
}

#[tokio::test]
async fn a_user_is_denied_operations_on_others_before_any_port_call() {
    assert_each_denied(&person(user_id()), |_| Denied::Forbidden).await;
}

#[tokio::test]
async fn a_denied_service_learns_the_missing_scope_before_any_port_call() {
    assert_each_denied(&service_with(&[]), Denied::InsufficientScope).await;
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
            .run(&person(id), id, &both, unconditional())
            .await,
        on.replace_user
            .run(&person(id), id, &both, unconditional())
            .await,
    ] {
        let Err(EditUserError::Denied(Denied::ForbiddenFields(faults))) = result else {
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
        .run(&service("auth"), &wrong, unconditional())
        .await;
    assert!(matches!(created, Err(CreateUserError::Invalid(faults)) if faults.len() == 1));
    let updated = on
        .update_user
        .run(&person(id), id, &wrong, unconditional())
        .await;
    assert!(matches!(updated, Err(EditUserError::Invalid(faults)) if faults.len() == 1));
    let replaced = on
        .replace_user
        .run(&person(id), id, &wrong, unconditional())
        .await;
    assert!(matches!(replaced, Err(EditUserError::Invalid(faults)) if faults.len() == 1));
}

#[tokio::test]
async fn a_replacement_without_a_version_never_reaches_a_store() {
    let id = user_id();
    let replaced = use_cases_with_a_clock()
        .replace_user
        .run(&person(id), id, &input("alice"), unconditional())
        .await;
    assert_eq!(
        replaced,
        Err(EditUserError::PreconditionRequired(Vec::new()))
    );
}

#[tokio::test]
async fn an_email_filter_needs_the_private_read_context() {
    let by_email = DirectoryFilter {
        email: Some(EmailKey::from(&email("a@b.example"))),
        ..DirectoryFilter::default()
    };
    assert_needs_the_private_read_context(&by_email).await;
}

/// Asserts that a service that may read public data may not list or count by this filter.
async fn assert_needs_the_private_read_context(filter: &DirectoryFilter) {
    let (on, caller) = (use_cases(), service_with(&[Scope::UsersRead]));
    let denied = ListUsersError::Denied(Denied::InsufficientScope(Scope::UsersReadPrivate));
    let listed = on.list_users.run(&caller, &page_of(filter.clone())).await;
    assert_eq!(listed, Err(denied.clone()), "{filter:?}");
    let counted = on.count_users.run(&caller, filter).await;
    assert_eq!(counted, Err(denied), "{filter:?}");
}

fn by_metadata(key: &str) -> DirectoryFilter {
    let value = MetadataValue::parse("7").unwrap();
    DirectoryFilter {
        metadata: [(MetadataKey::parse(key).unwrap(), [value].into())].into(),
        ..DirectoryFilter::default()
    }
}

#[tokio::test]
async fn filters_and_sorts_by_hidden_fields_need_the_private_read_context() {
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
        assert_needs_the_private_read_context(&hidden).await;
    }
    let caller = service_with(&[Scope::UsersRead]);
    let shown = by_metadata("public.plan");
    assert_eq!(list_users::permit_filter(&caller, &shown), Ok(()));
    let sorted = PageRequest {
        sort: Sort::Updated,
        ..page_of(DirectoryFilter::default())
    };
    let listed = use_cases().list_users.run(&caller, &sorted).await;
    let denied = Denied::InsufficientScope(Scope::UsersReadPrivate);
    assert_eq!(listed, Err(ListUsersError::Denied(denied)));
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
