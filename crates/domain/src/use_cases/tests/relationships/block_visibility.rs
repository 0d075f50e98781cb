//! Visibility under blocks: blocker and blocked user are hidden from each other.

use std::collections::HashSet;

use super::*;
use crate::caller::UserCaller;
use crate::ports::UserEvent;
use crate::test_support::samples::{context, user_id};
use crate::user::Change;

/// A store that expects one block check of exactly these users and reports some of them as hidden.
fn store_hiding(viewer: UserId, requested: &[UserId], hidden: &[UserId]) -> MockRelationships {
    let mut store = MockRelationships::new();
    let mut requested = requested.to_vec();
    requested.sort_unstable();
    let hidden: HashSet<UserId> = hidden.iter().copied().collect();
    store
        .expect_hidden_from()
        .withf(move |from, others| {
            let mut others = others.to_vec();
            others.sort_unstable();
            *from == viewer && others == requested
        })
        .times(1)
        .return_once(|_, _| Ok(hidden));
    store
}

fn on_store(fakes: &Fakes, relationships: MockRelationships) -> UseCases {
    UseCases::new(&Ports {
        relationships: Arc::new(relationships),
        ..fakes.ports()
    })
}

fn asking(id: UserId, has_blocks: bool) -> Caller {
    Caller::User(UserCaller {
        id,
        is_admin: false,
        has_blocks,
    })
}

fn batch(ids: &[UserId]) -> BatchKeys {
    BatchKeys::Ids(ids.iter().map(ToString::to_string).collect())
}

fn shown(batch: BatchViews) -> Vec<Option<UserId>> {
    let views = batch.views.into_iter();
    views
        .map(|view| view.map(|view| view.public().id))
        .collect()
}

#[tokio::test]
async fn a_read_without_blocks_does_not_query_blocks() {
    let fakes = Fakes::default();
    let [alice, bob, carol] = people(&fakes);
    let on = on_store(&fakes, MockRelationships::new());
    let asking = asking(alice, false);
    for selector in [
        UserSelector::Me,
        UserSelector::Id(bob.to_string()),
        UserSelector::Username("person1".to_owned()),
    ] {
        let found = on
            .find_user
            .run(&asking, &selector, Freshness::Bounded)
            .await;
        assert!(found.is_ok(), "{selector:?}: {found:?}");
    }
    let keys = batch(&[alice, bob, carol]);
    let found = on.batch_users.run(&asking, &keys, Freshness::Bounded).await;
    assert_eq!(shown(found.unwrap()), [Some(alice), Some(bob), Some(carol)]);
}

#[tokio::test]
async fn only_users_with_blocks_are_checked_for_a_viewer_without_blocks() {
    let fakes = Fakes::default();
    let [alice, bob, carol, dave] = people(&fakes);
    relate(&fakes, bob, Block, dave).await;
    relate(&fakes, carol, Block, dave).await;
    let on = on_store(&fakes, store_hiding(alice, &[bob, carol], &[carol]));
    let keys = batch(&[dave, bob, carol, alice, bob]);
    let found = on
        .batch_users
        .run(&asking(alice, false), &keys, Freshness::Bounded)
        .await;
    assert_eq!(
        shown(found.unwrap()),
        [Some(dave), Some(bob), None, Some(alice), Some(bob)]
    );
}

#[tokio::test]
async fn all_users_are_checked_for_a_viewer_with_blocks() {
    let fakes = Fakes::default();
    let [alice, bob, carol] = people(&fakes);
    let on = on_store(&fakes, store_hiding(alice, &[bob, carol], &[bob]));
    let keys = batch(&[alice, bob, carol, bob]);
    let found = on
        .batch_users
        .run(&asking(alice, true), &keys, Freshness::Bounded)
        .await;
    assert_eq!(
        shown(found.unwrap()),
        [Some(alice), None, Some(carol), None]
    );

    let on = on_store(&fakes, MockRelationships::new());
    let asking = asking(alice, true);
    let me = on
        .find_user
        .run(&asking, &UserSelector::Me, Freshness::Bounded);
    assert_eq!(me.await.unwrap().view.public().id, alice);
}

#[tokio::test]
async fn absent_users_are_checked_too_to_hide_timing_differences() {
    let fakes = Fakes::default();
    let [alice, bob] = people(&fakes);
    let deleted = fakes.store.change(bob, &Change::Delete, &context()).await;
    deleted.unwrap();
    for absent in [bob, user_id()] {
        let on = on_store(&fakes, store_hiding(alice, &[absent], &[]));
        let selector = UserSelector::Id(absent.to_string());
        let asking = asking(alice, false);
        let found = on
            .find_user
            .run(&asking, &selector, Freshness::Bounded)
            .await;
        assert_eq!(found, Err(FindUserError::NotFound));
        let on = on_store(&fakes, store_hiding(alice, &[absent], &[]));
        let keys = batch(&[absent, alice]);
        let found = on.batch_users.run(&asking, &keys, Freshness::Bounded).await;
        assert_eq!(shown(found.unwrap()), [None, Some(alice)]);
    }
}

#[tokio::test]
async fn a_failed_block_check_fails_the_read() {
    let fakes = Fakes::default();
    let [alice, bob] = people(&fakes);
    let failing = || {
        let mut store = MockRelationships::new();
        store.expect_hidden_from().return_once(|_, _| Err(away()));
        on_store(&fakes, store)
    };
    let selector = UserSelector::Id(bob.to_string());
    let asking = asking(alice, true);
    let found = failing()
        .find_user
        .run(&asking, &selector, Freshness::Bounded)
        .await;
    assert_eq!(found, Err(FindUserError::Store(away())));
    let found = failing()
        .batch_users
        .run(&asking, &batch(&[bob]), Freshness::Bounded)
        .await;
    assert_eq!(found, Err(BatchUsersError::Store(away())));
}

/// For each way of finding another user: whether it finds the user.
async fn finds(fakes: &Fakes, asking: &Caller, other: UserId, friend: UserId) -> Vec<bool> {
    let on = fakes.use_cases();
    let fresh = Freshness::Bounded;
    let user = fakes.store.find_by_id(other);
    let name = user.username.as_str().to_owned();
    let mut finds = Vec::new();
    for selector in [
        UserSelector::Id(other.to_string()),
        UserSelector::Username(name.clone()),
    ] {
        let found = on.find_user.run(asking, &selector, fresh).await;
        assert!(matches!(found, Ok(_) | Err(FindUserError::NotFound)));
        finds.push(found.is_ok());
    }
    for keys in [
        batch(&[friend, other]),
        BatchKeys::Usernames(vec!["person2".to_owned(), name]),
    ] {
        let found = on.batch_users.run(asking, &keys, fresh).await.unwrap();
        let found = shown(found);
        assert_eq!(found.first(), Some(&Some(friend)));
        finds.push(found.last() == Some(&Some(other)));
    }
    for list in [FollowList::Followers, FollowList::Following] {
        let listed = on
            .list_related
            .run(asking, (friend, list), None, 10, fresh)
            .await;
        let listed = listed.unwrap().users;
        finds.push(listed.iter().any(|view| view.public().id == other));
        let own = on
            .list_related
            .run(asking, (other, list), None, 10, fresh)
            .await;
        assert!(matches!(own, Ok(_) | Err(FindUserError::NotFound)));
        finds.push(own.is_ok());
    }
    let shown = on
        .find_user
        .run(asking, &UserSelector::Id(friend.to_string()), fresh)
        .await
        .unwrap();
    let counts = on.count_relationships.run(asking, [&shown.view]).await;
    let counts = counts.unwrap();
    finds.push(
        counts
            .iter()
            .all(|counts| counts.followers == 2 && counts.following == 2),
    );
    finds
}

#[tokio::test]
async fn a_block_hides_two_users_only_from_each_other() {
    let fakes = Fakes::default();
    let [alice, bob, friend, other_user] = people(&fakes);
    for other in [alice, bob] {
        relate(&fakes, other, Follow, friend).await;
        relate(&fakes, friend, Follow, other).await;
    }
    let everything = async |asking: Caller, other: UserId, wanted: bool| {
        let found = finds(&fakes, &asking, other, friend).await;
        assert!(
            found.len() > 8 && found.iter().all(|found| *found == wanted),
            "{found:?}"
        );
    };
    everything(caller(&fakes, alice), bob, true).await;
    relate(&fakes, alice, Block, bob).await;
    everything(caller(&fakes, alice), bob, false).await;
    everything(caller(&fakes, bob), alice, false).await;
    for asking in [
        caller(&fakes, other_user),
        service("feed"),
        administrator(),
        Caller::Operator,
    ] {
        everything(asking.clone(), alice, true).await;
        everything(asking, bob, true).await;
    }
    for blocker in [alice, bob] {
        let me = fakes.use_cases().find_user;
        let me = me
            .run(
                &caller(&fakes, blocker),
                &UserSelector::Me,
                Freshness::Bounded,
            )
            .await;
        assert_eq!(me.unwrap().view.public().id, blocker);
    }
    let blocks = fakes.use_cases().list_related;
    let own = caller(&fakes, alice);
    let blocks = blocks.blocks(&own, alice, None, 10, Freshness::Bounded);
    let blocks = blocks.await.unwrap().names;
    let blocks: Vec<_> = blocks
        .iter()
        .map(|one| (one.id, one.username.as_deref()))
        .collect();
    assert_eq!(blocks, [(bob, Some("person1"))]);
    relate(&fakes, alice, Unblock, bob).await;
    for (asking, other) in [(alice, bob), (bob, alice)] {
        everything(caller(&fakes, asking), other, true).await;
    }
}

#[tokio::test]
async fn a_blocked_administrator_sees_the_blocker_but_cannot_follow() {
    let fakes = Fakes::default();
    let [alice] = people(&fakes);
    let mut new = new_user("overseer");
    new.rest.roles = Some(Roles::parse_all([Ok("admin")]).unwrap());
    new.email = email("overseer@example.com");
    let root = stored(&fakes, &new).user.id;
    relate(&fakes, alice, Block, root).await;
    let asking = caller(&fakes, root);
    let selector = UserSelector::Id(alice.to_string());
    let on = fakes.use_cases();
    let found = on
        .find_user
        .run(&asking, &selector, Freshness::Bounded)
        .await;
    assert!(found.is_ok());
    let refused = on
        .change_relationship
        .run(&asking, (root, alice), Follow, None);
    assert_eq!(refused.await, Err(ChangeRelationshipError::NotFound));
}

#[tokio::test]
async fn a_block_reveals_nothing_about_the_blocked_user() {
    let fakes = Fakes::default();
    let [alice, foe, deleted] = people(&fakes);
    for other in [foe, deleted] {
        relate(&fakes, alice, Follow, other).await;
    }
    relate(&fakes, foe, Block, alice).await;
    let change = fakes
        .store
        .change(deleted, &Change::Delete, &context())
        .await;
    change.unwrap();
    let on = fakes.use_cases();
    let mut visible = Vec::new();
    for target in [foe, deleted, user_id()] {
        let own = caller(&fakes, alice);
        let change = &on.change_relationship;
        let blocked = change.run(&own, (alice, target), Block, None).await;
        assert!(blocked.is_ok(), "{blocked:?}");
        let own = caller(&fakes, alice);
        let fresh = Freshness::Bounded;
        let list = on.list_related.blocks(&own, alice, None, 10, fresh);
        let mut listed = list.await.unwrap().names.into_iter();
        let name = listed.find(|one| one.id == target).map(|one| one.username);
        let others = [target.to_string()];
        let ties = on.show_relationships.run(&own, alice, &others, fresh);
        let ties = ties.await.unwrap().pop().flatten().map(|one| one.flags);
        let events = exported(&fakes, &own, alice).await.into_iter();
        let events: Vec<&str> = events
            .filter(|(_, other)| *other == target)
            .map(|(kind, _)| kind)
            .collect();
        visible.push((name, ties, events));
    }
    let expected = (
        Some(None),
        Some(RelationshipFlags::BLOCKING),
        vec!["user.blocked"],
    );
    assert_eq!(visible, [expected.clone(), expected.clone(), expected]);
}

#[tokio::test]
async fn lists_and_counts_are_queried_for_the_viewer() {
    let fakes = Fakes::default();
    let [alice, bob] = people(&fakes);
    let own = Some(alice);
    for (asking, list, viewer) in [
        (person(alice), FollowList::Followers, own),
        (person(alice), FollowList::Following, own),
        (service("feed"), FollowList::Followers, None),
        (administrator(), FollowList::Following, None),
    ] {
        let request = list.request(&asking, bob, None, 10);
        let wanted = RelatedRequest {
            user: bob,
            list,
            viewer,
            after: None,
            limit: 10,
        };
        assert_eq!(request, wanted);
        let mut store = MockRelationships::new();
        store
            .expect_counts()
            .withf(move |users, by| users == [bob] && *by == viewer)
            .times(1)
            .return_once(|_, _| Ok(vec![Counts::default()]));
        let on = on_store(&fakes, store);
        let key = UserKey::Id(bob);
        let view = on
            .find_user
            .find_permitted(&asking, &key, Freshness::Bounded)
            .await;
        let counted = on
            .count_relationships
            .run(&asking, [&view.unwrap().view])
            .await;
        assert_eq!(counted, Ok(vec![Counts::default()]));
    }
    let own_blocks = RelatedList::Blocks.request(&person(alice), alice, None, 10);
    assert_eq!(own_blocks.viewer, None);
}

/// The kind and other user of each relationship event in an export, oldest first.
async fn exported(fakes: &Fakes, asking: &Caller, id: UserId) -> Vec<(&'static str, UserId)> {
    let whole = ExportPositions::default();
    let export = fakes.use_cases().export_user.run(asking, id, &whole).await;
    let events = export.unwrap().events.unwrap().events;
    let relationship_events = events.iter().rev().filter_map(|event| match event {
        UserEvent::User(_) => None,
        UserEvent::Relationship(event) => Some((event.kind.as_str(), event.edge.to())),
    });
    relationship_events.collect()
}

#[tokio::test]
async fn an_export_does_not_reveal_blocks_by_others() {
    let fakes = Fakes::default();
    let [alice, bob, carol] = people(&fakes);
    for other in [bob, carol] {
        relate(&fakes, alice, Follow, other).await;
    }
    let change = fakes.use_cases().change_relationship;
    let own = caller(&fakes, alice);
    for (change_of_carol, shown) in [
        (Block, vec![("user.followed", bob)]),
        (
            Unblock,
            vec![("user.followed", bob), ("user.followed", carol)],
        ),
    ] {
        let asking = person(carol);
        let by_carol = change.run(&asking, (carol, alice), change_of_carol, None);
        assert!(by_carol.await.is_ok());
        assert_eq!(exported(&fakes, &own, alice).await, shown);
        assert_eq!(
            exported(&fakes, &service("export"), alice).await,
            [
                ("user.followed", bob),
                ("user.followed", carol),
                ("user.unfollowed", carol),
            ]
        );
    }
    // The user's own block stays visible, although the other user is hidden.
    relate(&fakes, alice, Block, bob).await;
    let events = exported(&fakes, &caller(&fakes, alice), alice).await;
    assert!(events.contains(&("user.blocked", bob)), "{events:?}");
}
