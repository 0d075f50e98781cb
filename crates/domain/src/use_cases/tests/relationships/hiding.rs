//! Who blocks hides from whom it blocks, and the other way round.

use std::collections::HashSet;

use super::*;
use crate::caller::UserCaller;
use crate::test_support::samples::{context, user_id};
use crate::user::Change;

/// A store that is asked once who of exactly these is hidden from a viewer, and tells that these are.
fn hiding(viewer: UserId, asked: &[UserId], hidden: &[UserId]) -> MockRelationships {
    let mut store = MockRelationships::new();
    let mut asked = asked.to_vec();
    asked.sort_unstable();
    let hidden: HashSet<UserId> = hidden.iter().copied().collect();
    store
        .expect_hidden_from()
        .withf(move |from, others| {
            let mut others = others.to_vec();
            others.sort_unstable();
            *from == viewer && others == asked
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
async fn where_nobody_blocks_no_store_is_asked() {
    let fakes = Fakes::default();
    let [alice, bob, carol] = people(&fakes);
    let on = on_store(&fakes, MockRelationships::new());
    let asking = asking(alice, false);
    for sought in [
        Sought::Me,
        Sought::Id(bob.to_string()),
        Sought::Username("person1".to_owned()),
    ] {
        let found = on.find_user.run(&asking, &sought, Freshness::Bounded).await;
        assert!(found.is_ok(), "{sought:?}: {found:?}");
    }
    let keys = batch(&[alice, bob, carol]);
    let found = on.batch_users.run(&asking, &keys, Freshness::Bounded).await;
    assert_eq!(shown(found.unwrap()), [Some(alice), Some(bob), Some(carol)]);
}

#[tokio::test]
async fn of_a_viewer_who_blocks_nobody_only_those_who_block_are_asked_for() {
    let fakes = Fakes::default();
    let [alice, bob, carol, dave] = people(&fakes);
    relate(&fakes, bob, Block, dave).await;
    relate(&fakes, carol, Block, dave).await;
    let on = on_store(&fakes, hiding(alice, &[bob, carol], &[carol]));
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
async fn of_a_viewer_who_blocks_somebody_all_others_are_asked_for() {
    let fakes = Fakes::default();
    let [alice, bob, carol] = people(&fakes);
    let on = on_store(&fakes, hiding(alice, &[bob, carol], &[bob]));
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
    let me = on.find_user.run(&asking, &Sought::Me, Freshness::Bounded);
    assert_eq!(me.await.unwrap().view.public().id, alice);
}

#[tokio::test]
async fn who_is_not_there_is_asked_for_as_well_so_that_no_answer_takes_another_time() {
    let fakes = Fakes::default();
    let [alice, bob] = people(&fakes);
    let deleted = fakes.store.change(bob, &Change::Delete, &context()).await;
    deleted.unwrap();
    for absent in [bob, user_id()] {
        let on = on_store(&fakes, hiding(alice, &[absent], &[]));
        let sought = Sought::Id(absent.to_string());
        let asking = asking(alice, false);
        let found = on.find_user.run(&asking, &sought, Freshness::Bounded).await;
        assert_eq!(found, Err(FindUserError::NotFound));
        let on = on_store(&fakes, hiding(alice, &[absent], &[]));
        let keys = batch(&[absent, alice]);
        let found = on.batch_users.run(&asking, &keys, Freshness::Bounded).await;
        assert_eq!(shown(found.unwrap()), [None, Some(alice)]);
    }
}

#[tokio::test]
async fn who_cannot_be_told_hidden_is_not_shown() {
    let fakes = Fakes::default();
    let [alice, bob] = people(&fakes);
    let away = StoreError::Unavailable("the pool is empty".to_owned());
    let failing = || {
        let mut store = MockRelationships::new();
        let error = away.clone();
        store.expect_hidden_from().return_once(|_, _| Err(error));
        on_store(&fakes, store)
    };
    let sought = Sought::Id(bob.to_string());
    let asking = asking(alice, true);
    let found = failing()
        .find_user
        .run(&asking, &sought, Freshness::Bounded)
        .await;
    assert_eq!(found, Err(FindUserError::Store(away.clone())));
    let found = failing()
        .batch_users
        .run(&asking, &batch(&[bob]), Freshness::Bounded)
        .await;
    assert_eq!(found, Err(BatchUsersError::Store(away.clone())));
}

/// Each way in which a person may come upon another: whether it does.
async fn finds(fakes: &Fakes, asking: &Caller, other: UserId, friend: UserId) -> Vec<bool> {
    let on = fakes.use_cases();
    let fresh = Freshness::Bounded;
    let user = fakes.store.find_by_id(other);
    let name = user.username.as_str().to_owned();
    let mut finds = Vec::new();
    for sought in [
        Sought::Id(other.to_string()),
        Sought::Username(name.clone()),
    ] {
        let found = on.find_user.run(asking, &sought, fresh).await;
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
    for list in [RelatedList::Followers, RelatedList::Following] {
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
        .run(asking, &Sought::Id(friend.to_string()), fresh)
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
async fn a_block_hides_two_people_from_each_other_everywhere_and_from_nobody_else() {
    let fakes = Fakes::default();
    let [alice, bob, friend, stranger] = people(&fakes);
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
        caller(&fakes, stranger),
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
            .run(&caller(&fakes, blocker), &Sought::Me, Freshness::Bounded)
            .await;
        assert_eq!(me.unwrap().view.public().id, blocker);
    }
    let blocks = fakes.use_cases().list_related;
    let own = caller(&fakes, alice);
    let blocks = blocks.run(
        &own,
        (alice, RelatedList::Blocks),
        None,
        10,
        Freshness::Bounded,
    );
    let blocks = blocks.await.unwrap().users;
    let blocks: Vec<UserId> = blocks.iter().map(|view| view.public().id).collect();
    assert_eq!(blocks, [bob]);
    relate(&fakes, alice, Unblock, bob).await;
    for (asking, other) in [(alice, bob), (bob, alice)] {
        everything(caller(&fakes, asking), other, true).await;
    }
}

#[tokio::test]
async fn an_administrator_who_is_blocked_sees_everybody_and_may_not_follow() {
    let fakes = Fakes::default();
    let [alice] = people(&fakes);
    let mut new = new_user("overseer");
    new.rest.roles = Some(Roles::parse_all([Ok("admin")]).unwrap());
    new.email = email("overseer@example.com");
    let root = stored(&fakes, &new).user.id;
    relate(&fakes, alice, Block, root).await;
    let asking = caller(&fakes, root);
    let sought = Sought::Id(alice.to_string());
    let on = fakes.use_cases();
    let found = on.find_user.run(&asking, &sought, Freshness::Bounded).await;
    assert!(found.is_ok());
    let refused = on
        .change_relationship
        .run(&asking, (root, alice), Follow, None);
    assert_eq!(refused.await, Err(ChangeRelationshipError::NotFound));
}

#[tokio::test]
async fn a_list_and_a_count_are_asked_for_through_the_eyes_of_who_asks() {
    let fakes = Fakes::default();
    let [alice, bob] = people(&fakes);
    let own = Some(alice);
    for (asking, list, eyes) in [
        (person(alice), RelatedList::Followers, own),
        (person(alice), RelatedList::Following, own),
        (service("feed"), RelatedList::Followers, None),
        (administrator(), RelatedList::Following, None),
    ] {
        let request = list.request(&asking, bob, None, 10);
        let wanted = RelatedRequest {
            user: bob,
            list,
            viewer: eyes,
            after: None,
            limit: 10,
        };
        assert_eq!(request, wanted);
        let mut store = MockRelationships::new();
        store
            .expect_counts()
            .withf(move |users, viewer| users == [bob] && *viewer == eyes)
            .times(1)
            .return_once(|_, _| Ok(vec![Counts::default()]));
        let on = on_store(&fakes, store);
        let key = UserKey::Id(bob);
        let view = on.find_user.shown(&asking, &key, Freshness::Bounded).await;
        let counted = on
            .count_relationships
            .run(&asking, [&view.unwrap().view])
            .await;
        assert_eq!(counted, Ok(vec![Counts::default()]));
    }
    let own_blocks = RelatedList::Blocks.request(&person(alice), alice, None, 10);
    assert_eq!(own_blocks.viewer, None);
}
