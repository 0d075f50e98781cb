use super::*;
use crate::directory::{DirectoryFilter, PageRequest, Sort};
use crate::permissions::Access;
use crate::ports::{Missed, Tier, Voucher};
use crate::test_support::fakes::Fakes;
use crate::test_support::samples::{awkward_user, call, external_id, person, service, user_id};
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
async fn a_user_is_shown_by_each_key_as_far_as_the_caller_may_see() {
    let fakes = Fakes::default();
    let mut new = new_user("Alice");
    new.rest.external_id = Edit::Set(external_id("42"));
    let id = stored(&fakes, &new).user.id;
    let find = fakes.use_cases().find_user;
    let by_id = Sought::Id(id.to_string().to_uppercase());
    assert_eq!(
        seen(find.run(&person(id), &Sought::Me, Freshness::Bounded).await),
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
    let by_name = Sought::Username("aLICE".to_owned());
    assert_eq!(
        seen(
            find.run(&person(user_id()), &by_name, Freshness::Bounded)
                .await
        ),
        Some((id, Access::Public))
    );
    let by_external_id = Sought::ExternalId("42".to_owned());
    assert_eq!(
        seen(
            find.run(&service("auth"), &by_external_id, Freshness::Bounded)
                .await
        ),
        Some((id, Access::Full))
    );
}

#[tokio::test]
async fn a_deleted_user_is_shown_to_nobody() {
    let fakes = Fakes::default();
    let id = stored_user(&fakes, "alice").user.id;
    fakes
        .store
        .change(id, &Change::Delete, &context())
        .await
        .unwrap();
    let on = fakes.use_cases();
    for caller in [person(id), service("auth"), crate::caller::Caller::Operator] {
        let by_id = Sought::Id(id.to_string());
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
            on.export_user.run(&caller, id).await,
            Err(FindUserError::NotFound),
            "{caller:?}"
        );
    }
}

#[tokio::test]
async fn a_suspended_user_is_shown_as_such() {
    let fakes = Fakes::default();
    let id = stored_user(&fakes, "alice").user.id;
    fakes
        .store
        .change(id, &Change::Suspend, &context())
        .await
        .unwrap();
    let found = fakes
        .use_cases()
        .find_user
        .run(
            &person(user_id()),
            &Sought::Id(id.to_string()),
            Freshness::Bounded,
        )
        .await
        .unwrap();
    assert_eq!(found.view.public().status, Status::Suspended);
}

#[tokio::test]
async fn a_batch_answers_each_key_in_order_and_null_for_what_is_nobodys() {
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
    let fakes = Fakes::default();
    let id = stored_user(&fakes, "alice").user.id;
    let keys = BatchKeys::Ids(vec![id.to_string(); MAX_BATCH]);
    let found = fakes
        .use_cases()
        .batch_users
        .run(&person(id), &keys, Freshness::Bounded)
        .await
        .unwrap();
    assert_eq!(found.views.iter().flatten().count(), MAX_BATCH);
}

#[tokio::test]
async fn the_directory_is_walked_and_counted_under_one_filter() {
    let fakes = Fakes::default();
    for name in ["carol", "alice", "bob"] {
        stored_user(&fakes, name);
    }
    let gone = stored_user(&fakes, "gone.user").user.id;
    fakes
        .store
        .change(gone, &Change::Delete, &context())
        .await
        .unwrap();
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
        statuses: vec![Status::Deleted],
        ..DirectoryFilter::default()
    };
    assert_eq!(on.count_users.run(&caller, &deleted).await, Ok(1));
}

#[tokio::test]
async fn an_export_is_the_user_as_the_caller_sees_it_and_what_happened_to_it() {
    let fakes = Fakes::default();
    let id = stored(&fakes, &awkward_user("alice")).user.id;
    fakes
        .store
        .change(id, &Change::Activate, &context())
        .await
        .unwrap();
    let on = fakes.use_cases();
    let own = on.export_user.run(&person(id), id).await.unwrap();
    assert_eq!(own.user.access(), Access::Own);
    let kinds: Vec<EventKind> = own.events.iter().map(|event| event.kind).collect();
    assert_eq!(kinds, [EventKind::Created, EventKind::Activated]);
    assert_eq!(
        on.export_user
            .run(&service("auth"), id)
            .await
            .unwrap()
            .user
            .access(),
        Access::Full
    );
}

#[tokio::test]
async fn a_read_tells_where_it_was_answered_and_asks_the_store_when_told_to() {
    let fakes = Fakes::default();
    let id = stored_user(&fakes, "alice").user.id;
    let find = fakes.use_cases().find_user;
    let (caller, sought) = (person(id), Sought::Me);
    let hit = Source::Cache(Tier::Process, Voucher::Store);
    for (freshness, source) in [
        (Freshness::Bounded, Source::Store(Missed::Unknown)),
        (Freshness::Bounded, hit),
        (Freshness::Current, Source::Asked),
        (Freshness::default(), hit),
    ] {
        let found = find.run(&caller, &sought, freshness).await.unwrap();
        assert_eq!(found.source, source);
    }
}

#[tokio::test]
async fn a_batch_tells_each_place_where_it_was_answered_once() {
    let fakes = Fakes::default();
    let [alice, bob, carol] = ["alice", "bob", "carol"].map(|name| stored_user(&fakes, name));
    let batch = fakes.use_cases().batch_users;
    let caller = person(alice.user.id);
    let ids = |users: &[&Applied]| {
        let text = |user: &&Applied| user.user.id.to_string();
        BatchKeys::Ids(users.iter().map(text).collect())
    };
    let hit = Source::Cache(Tier::Process, Voucher::Store);
    let missed = Source::Store(Missed::Unknown);
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
            vec![Source::Asked],
        ),
    ] {
        let found = batch.run(&caller, &keys, freshness).await.unwrap();
        assert_eq!(found.sources, sources.into_iter().collect());
        assert_eq!(found.views.iter().flatten().count(), 2);
    }
}

/// An export is what is kept, not what was kept a second ago.
#[tokio::test]
async fn an_export_is_read_from_the_store() {
    let fakes = Fakes::default();
    let id = stored_user(&fakes, "alice").user.id;
    let on = fakes.use_cases();
    on.find_user
        .run(&person(id), &Sought::Me, Freshness::Bounded)
        .await
        .unwrap();
    fakes
        .store
        .change(id, &call("Elsewhere"), &context())
        .await
        .unwrap();
    let export = on.export_user.run(&person(id), id).await.unwrap();
    assert_eq!(export.user.public().version.get(), 2);
}
