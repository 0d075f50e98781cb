use std::sync::Arc;

use super::*;
use crate::directory::{DirectoryFilter, PageRequest, Sort};
use crate::permissions::Access;
use crate::ports::{FreshnessSource, MissReason, MockUserReader, Tier, UserEvent};
use crate::test_support::fakes::Fakes;
use crate::test_support::mocks::untouched_ports;
use crate::test_support::samples::{awkward_user, external_id, person, service, set_name, user_id};
use crate::use_cases::*;
use crate::user::{Change, Edit, EventKind, Status};
use crate::values::UserId;
use crate::{Freshness, Source};

fn seen(result: Result<FoundView, FindUserError>) -> Option<(UserId, Access)> {
    match result {
        Ok(found) => Some((found.view.public().id, found.view.access())),
        Err(FindUserError::NotFound) => None,
        Err(other) => panic!("{other}"),
    }
}

#[tokio::test]
async fn a_lookup_by_each_key_shows_the_callers_view() {
    let fakes = Fakes::default();
    let mut new = new_user("Alice");
    new.rest.external_id = Edit::Set(external_id("42"));
    let id = stored(&fakes, &new).user.id;
    let find = fakes.use_cases().find_user;
    let by_id = UserSelector::Id(id.to_string().to_uppercase());
    assert_eq!(
        seen(
            find.run(&person(id), &UserSelector::Me, Freshness::Bounded)
                .await
        ),
        Some((id, Access::Own))
    );
    assert_eq!(
        seen(find.run(&person(id), &by_id, Freshness::Bounded).await),
        Some((id, Access::Own))
    );
    assert_eq!(
        seen(
            find.run(&person(user_id()), &by_id, Freshness::Bounded)
                .await
        ),
        Some((id, Access::Public))
    );
    let by_name = UserSelector::Username("aLICE".to_owned());
    assert_eq!(
        seen(
            find.run(&person(user_id()), &by_name, Freshness::Bounded)
                .await
        ),
        Some((id, Access::Public))
    );
    let by_external_id = UserSelector::ExternalId("42".to_owned());
    assert_eq!(
        seen(
            find.run(&service("auth"), &by_external_id, Freshness::Bounded)
                .await
        ),
        Some((id, Access::Full))
    );
}

#[tokio::test]
async fn a_deleted_user_is_not_found_by_any_caller() {
    let (fakes, on, id) = with_alice();
    change_user(&fakes, id, &Change::Delete).await;
    for caller in [person(id), service("auth"), crate::caller::Caller::Operator] {
        let by_id = UserSelector::Id(id.to_string());
        assert_eq!(
            seen(on.find_user.run(&caller, &by_id, Freshness::Bounded).await),
            None,
            "{caller:?}"
        );
        let batch = on
            .batch_users
            .run(
                &caller,
                &BatchKeys::Ids(vec![id.to_string()]),
                Freshness::Bounded,
            )
            .await;
        assert_eq!(batch.unwrap().views, [None], "{caller:?}");
        assert_eq!(
            on.export_user
                .run(&caller, id, &ExportPositions::default())
                .await,
            Err(FindUserError::NotFound),
            "{caller:?}"
        );
    }
}

#[tokio::test]
async fn a_suspended_user_is_shown_as_such() {
    let (fakes, on, id) = with_alice();
    change_user(&fakes, id, &Change::suspend()).await;
    let found = on
        .find_user
        .run(
            &person(user_id()),
            &UserSelector::Id(id.to_string()),
            Freshness::Bounded,
        )
        .await
        .unwrap();
    assert_eq!(found.view.public().status, Status::Suspended);
}

#[tokio::test]
async fn a_batch_returns_users_in_key_order_and_null_for_unknown_keys() {
    let fakes = Fakes::default();
    let alice = stored_user(&fakes, "alice").user.id;
    let bob = stored_user(&fakes, "bob").user.id;
    let names = ["BOB", "a@b", "alice", "", "carol", "bob", "bob"]
        .map(str::to_owned)
        .to_vec();
    let found = fakes
        .use_cases()
        .batch_users
        .run(
            &person(bob),
            &BatchKeys::Usernames(names),
            Freshness::Bounded,
        )
        .await
        .unwrap()
        .views;
    let ids: Vec<_> = found
        .iter()
        .map(|view| view.as_ref().map(|view| view.public().id))
        .collect();
    assert_eq!(
        ids,
        [
            Some(bob),
            None,
            Some(alice),
            None,
            None,
            Some(bob),
            Some(bob)
        ]
    );
    let access: Vec<_> = found
        .iter()
        .flatten()
        .map(crate::view::UserView::access)
        .collect();
    assert_eq!(
        access,
        [Access::Own, Access::Public, Access::Own, Access::Own]
    );
}

#[tokio::test]
async fn a_full_batch_is_answered() {
    let (_, on, id) = with_alice();
    let keys = BatchKeys::Ids(vec![id.to_string(); MAX_BATCH]);
    let found = on
        .batch_users
        .run(&person(id), &keys, Freshness::Bounded)
        .await
        .unwrap();
    assert_eq!(found.views.iter().flatten().count(), MAX_BATCH);
}

#[tokio::test]
async fn the_directory_is_listed_and_counted_by_one_filter() {
    let fakes = Fakes::default();
    for name in ["carol", "alice", "bob"] {
        stored_user(&fakes, name);
    }
    let deleted_user = stored_user(&fakes, "deleted.user").user.id;
    change_user(&fakes, deleted_user, &Change::Delete).await;
    let on = fakes.use_cases();
    let caller = service("auth");
    let mut request = PageRequest {
        filter: DirectoryFilter::default(),
        sort: Sort::Username,
        after: None,
        limit: 2,
    };
    let first = on.list_users.run(&caller, &request).await.unwrap();
    request.after = first.next;
    let second = on.list_users.run(&caller, &request).await.unwrap();
    assert_eq!(second.next, None);
    let names: Vec<_> = first
        .users
        .iter()
        .chain(&second.users)
        .map(|view| view.public().username.as_str())
        .collect();
    assert_eq!(names, ["alice", "bob", "carol"]);
    assert_eq!(on.count_users.run(&caller, &request.filter).await, Ok(3));

    let deleted = DirectoryFilter {
        statuses: [Status::Deleted].into(),
        ..DirectoryFilter::default()
    };
    assert_eq!(on.count_users.run(&caller, &deleted).await, Ok(1));
}

#[tokio::test]
async fn an_export_contains_the_callers_view_and_the_events() {
    let fakes = Fakes::default();
    let id = stored(&fakes, &awkward_user("alice")).user.id;
    change_user(&fakes, id, &Change::Activate).await;
    let on = fakes.use_cases();
    let whole = ExportPositions::default();
    let own = on.export_user.run(&person(id), id, &whole).await.unwrap();
    assert_eq!(own.user.access(), Access::Own);
    let kinds = own.events.iter().flat_map(|page| &page.events);
    let kinds: Vec<EventKind> = kinds
        .map(|event| match event {
            UserEvent::User(event) => event.kind,
            UserEvent::Relationship(event) => panic!("{event:?}"),
        })
        .collect();
    assert_eq!(kinds, [EventKind::Activated, EventKind::Created]);
    assert_eq!(
        on.export_user
            .run(&service("auth"), id, &whole)
            .await
            .unwrap()
            .user
            .access(),
        Access::Full
    );
}

#[tokio::test]
async fn a_read_reports_its_source_and_can_bypass_the_cache() {
    let (_, on, id) = with_alice();
    let find = on.find_user;
    let (caller, selector) = (person(id), UserSelector::Me);
    let hit = Source::Cache(Tier::Process, FreshnessSource::Store);
    for (freshness, source) in [
        (Freshness::Bounded, Source::Store(MissReason::Unknown)),
        (Freshness::Bounded, hit),
        (Freshness::Current, Source::Bypassed),
        (Freshness::default(), hit),
    ] {
        let found = find.run(&caller, &selector, freshness).await.unwrap();
        assert_eq!(found.source, source);
    }
}

#[tokio::test]
async fn a_batch_reports_each_source_once() {
    let fakes = Fakes::default();
    let [alice, bob, carol] = ["alice", "bob", "carol"].map(|name| stored_user(&fakes, name));
    let batch = fakes.use_cases().batch_users;
    let caller = person(alice.user.id);
    let ids = |users: &[&Applied]| {
        let text = |user: &&Applied| user.user.id.to_string();
        BatchKeys::Ids(users.iter().map(text).collect())
    };
    let hit = Source::Cache(Tier::Process, FreshnessSource::Store);
    let missed = Source::Store(MissReason::Unknown);
    for (keys, freshness, sources) in [
        (ids(&[&alice, &bob]), Freshness::Bounded, vec![missed]),
        (ids(&[&alice, &bob]), Freshness::Bounded, vec![hit]),
        (
            ids(&[&alice, &carol]),
            Freshness::Bounded,
            vec![hit, missed],
        ),
        (
            ids(&[&alice, &carol]),
            Freshness::Current,
            vec![Source::Bypassed],
        ),
    ] {
        let found = batch.run(&caller, &keys, freshness).await.unwrap();
        assert_eq!(found.sources, sources.into_iter().collect());
        assert_eq!(found.views.iter().flatten().count(), 2);
    }
}

/// An export must contain the current data, not cached data.
#[tokio::test]
async fn an_export_is_read_from_the_store() {
    let (fakes, on, id) = with_alice();
    on.find_user
        .run(&person(id), &UserSelector::Me, Freshness::Bounded)
        .await
        .unwrap();
    change_user(&fakes, id, &set_name("Elsewhere")).await;
    let whole = ExportPositions::default();
    let export = on.export_user.run(&person(id), id, &whole).await.unwrap();
    assert_eq!(export.user.public().version.get(), 2);
}

#[tokio::test]
async fn a_batch_looks_up_a_repeated_key_once() {
    let mut reader = MockUserReader::new();
    reader
        .expect_find_many()
        .withf(|keys| keys.each().len() == 2)
        .times(1)
        .returning(|keys| Ok(vec![None; keys.each().len()]));
    let on = UseCases::new(&Ports {
        reader: Arc::new(reader),
        ..untouched_ports()
    });
    let mut names = vec!["alice".to_owned(); 400];
    names.extend(["ALICE", "bob", "a", "bob"].map(str::to_owned));
    let keys = BatchKeys::Usernames(names);
    let caller = service("posts");
    let batch = on.batch_users.run(&caller, &keys, Freshness::Bounded);
    assert_eq!(batch.await.unwrap().views, vec![None; 404]);
}
