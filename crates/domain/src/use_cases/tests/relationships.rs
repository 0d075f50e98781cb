//! Following, blocking, and what is shown of it.

mod hiding;
mod tending;

use std::sync::Arc;

use super::*;
use crate::caller::{Caller, Scope, ServiceCaller};
use crate::permissions::Denied;
use crate::ports::{MockRelationships, RelationshipWritten, UserKey};
use crate::relationship::{
    Counts, FollowOutcome, RelatedList, RelatedRequest, RelationshipChange, Ties,
};
use crate::test_support::fakes::{Fakes, SequentialIds, SteppingClock};
use crate::test_support::mocks::untouched_ports;
use crate::test_support::samples::{
    administrator, context_under, email, person, service, start, user_id,
};
use crate::use_cases::*;
use crate::values::Roles;
use crate::write::WriteError;
use crate::{Freshness, StoreError};

use RelationshipChange::{Block, Follow, Unblock, Unfollow};

/// Use cases on a store of relationships, a clock and ids; everything else fails the test.
fn on(relationships: MockRelationships) -> UseCases {
    UseCases::new(&Ports {
        relationships: Arc::new(relationships),
        clock: Arc::new(SteppingClock::from(start())),
        ids: Arc::new(SequentialIds::new()),
        ..untouched_ports()
    })
}

fn service_with(scopes: &[Scope]) -> Caller {
    Caller::Service(ServiceCaller {
        name: "posts".to_owned(),
        scopes: scopes.iter().copied().collect(),
    })
}

fn people<const N: usize>(fakes: &Fakes) -> [UserId; N] {
    std::array::from_fn(|number| stored_user(fakes, &format!("person{number}")).user.id)
}

/// The person as the service knows it now.
fn caller(fakes: &Fakes, id: UserId) -> Caller {
    let user = fakes.store.find_by_id(id);
    Caller::User(crate::caller::UserCaller {
        id,
        is_admin: user.roles.iter().any(|role| role.as_str() == "admin"),
        has_blocks: user.has_blocks,
    })
}

async fn relate(fakes: &Fakes, from: UserId, change: RelationshipChange, to: UserId) {
    let changed = fakes
        .use_cases()
        .change_relationship
        .run(&service("seed"), (from, to), change, None)
        .await;
    assert_eq!(changed, Ok(RelationshipChanged { replayed: false }));
}

fn follow_input(follower: &dyn ToString, target: &dyn ToString) -> FollowInput {
    FollowInput {
        follower: follower.to_string(),
        target: target.to_string(),
    }
}

#[tokio::test]
async fn who_may_not_relate_touches_nothing() {
    let on = UseCases::new(&untouched_ports());
    let (alice, bob) = (user_id(), user_id());
    let lacking = Denied::InsufficientScope(Scope::RelationshipsWrite);
    for (caller, denied) in [
        (person(user_id()), Denied::Forbidden),
        (administrator(), Denied::Forbidden),
        (service_with(&[Scope::UsersWrite]), lacking.clone()),
    ] {
        for change in [Follow, Unfollow, Block, Unblock] {
            // Nor is it told that nobody follows itself.
            for target in [alice, bob] {
                let refused = on
                    .change_relationship
                    .run(&caller, (alice, target), change, None);
                let denied = ChangeRelationshipError::Denied(denied.clone());
                assert_eq!(refused.await, Err(denied));
            }
        }
        let many = vec![follow_input(&alice, &bob); MAX_FOLLOWS + 1];
        let refused = on.follow_many.run(&caller, &many).await;
        assert_eq!(refused, Err(FollowManyError::Denied(denied)));
    }
    let own = on.follow_many.run(&person(alice), &[]).await;
    assert_eq!(own, Err(FollowManyError::Denied(Denied::Forbidden)));
}

#[tokio::test]
async fn who_may_not_see_relationships_touches_nothing() {
    let on = UseCases::new(&untouched_ports());
    let alice = user_id();
    let lacking = Denied::InsufficientScope(Scope::UsersReadPrivate);
    let fresh = Freshness::Bounded;
    for (caller, denied) in [
        (person(user_id()), Denied::Forbidden),
        (service_with(&[Scope::UsersRead]), lacking),
    ] {
        let denied = FindUserError::Denied(denied);
        let blocks = (alice, RelatedList::Blocks);
        let listed = on.list_related.run(&caller, blocks, None, 10, fresh).await;
        assert_eq!(listed, Err(denied.clone()));
        let others = vec![user_id().to_string(); MAX_TIES + 1];
        let shown = on.show_relationships.run(&caller, alice, &others, fresh);
        assert_eq!(shown.await, Err(ShowRelationshipsError::User(denied)));
    }
    let nobody = service_with(&[Scope::RelationshipsWrite]);
    let listed = on
        .list_related
        .run(&nobody, (alice, RelatedList::Followers), None, 10, fresh)
        .await;
    let lacking = Denied::InsufficientScope(Scope::UsersRead);
    assert_eq!(listed, Err(FindUserError::Denied(lacking)));
}

#[tokio::test]
async fn nobody_relates_to_itself() {
    let alice = user_id();
    let on = on(MockRelationships::new());
    let caller = person(alice);
    for change in [Follow, Unfollow, Block, Unblock] {
        let refused = on
            .change_relationship
            .run(&caller, (alice, alice), change, None);
        assert_eq!(refused.await, Err(ChangeRelationshipError::Oneself));
    }
}

#[tokio::test]
async fn a_person_and_a_service_relate_and_the_store_is_told_who_it_was() {
    let (alice, bob) = (user_id(), user_id());
    let scoped = service_with(&[Scope::RelationshipsWrite]);
    for (caller, actor) in [
        (person(alice), format!("user:{alice}")),
        (scoped, "service:posts".to_owned()),
    ] {
        let mut store = MockRelationships::new();
        let idempotency = context_under("key", 7).idempotency;
        let wanted = idempotency.clone();
        store
            .expect_relate()
            .withf(move |write, context| {
                let mut ids = write.event_ids.to_vec();
                ids.push(context.event_id);
                ids.sort_unstable();
                ids.dedup();
                (write.edge.from(), write.edge.to(), write.change) == (alice, bob, Follow)
                    && ids.len() == 4
                    && context.actor.as_str() == actor
                    && context.idempotency == wanted
                    && context.precondition == Precondition::None
            })
            .times(1)
            .return_once(|_, _| Ok(RelationshipWritten::Replayed));
        let changed = on(store)
            .change_relationship
            .run(&caller, (alice, bob), Follow, idempotency)
            .await;
        assert_eq!(changed, Ok(RelationshipChanged { replayed: true }));
    }
}

#[tokio::test]
async fn what_a_store_refuses_is_told_as_what_it_is() {
    let away = StoreError::Unavailable("the pool is empty".to_owned());
    let unknown = StoreError::OutcomeUnknown("the answer was lost".to_owned());
    let (alice, bob) = (user_id(), user_id());
    for (error, told) in [
        (WriteError::NotFound, ChangeRelationshipError::NotFound),
        (WriteError::KeyReused, ChangeRelationshipError::KeyReused),
        (away.clone().into(), away.clone().into()),
        (unknown.clone().into(), unknown.into()),
    ] {
        let mut store = MockRelationships::new();
        store.expect_relate().return_once(|_, _| Err(error));
        let refused = on(store).change_relationship;
        let refused = refused
            .run(&person(alice), (alice, bob), Follow, None)
            .await;
        assert_eq!(refused, Err(told));
    }
    let mut store = MockRelationships::new();
    let error = WriteError::from(away.clone());
    store.expect_follow_many().return_once(|_, _| Err(error));
    let follows = [follow_input(&alice, &bob)];
    let refused = on(store).follow_many.run(&service("seed"), &follows).await;
    assert_eq!(refused, Err(FollowManyError::Store(away)));
}

#[tokio::test]
async fn many_follow_and_each_has_a_result_in_order() {
    let fakes = Fakes::default();
    let [alice, bob] = people(&fakes);
    let follows = [
        follow_input(&alice, &bob),
        follow_input(&"nobody's id", &bob),
        follow_input(&alice, &alice),
        follow_input(&alice, &bob),
        follow_input(&bob, &user_id()),
        follow_input(&bob, &alice),
    ];
    let on = fakes.use_cases();
    let results = on.follow_many.run(&service("seed"), &follows).await;
    assert_eq!(
        results,
        Ok(vec![
            FollowResult::Followed,
            FollowResult::NoSuchUser,
            FollowResult::Oneself,
            FollowResult::Unchanged,
            FollowResult::NoSuchUser,
            FollowResult::Followed,
        ])
    );
}

#[tokio::test]
async fn where_no_follow_can_be_no_store_is_asked() {
    let on = UseCases::new(&Ports {
        ids: Arc::new(SequentialIds::new()),
        ..untouched_ports()
    });
    let alice = user_id();
    let follows = [follow_input(&alice, &alice), follow_input(&"", &alice)];
    let results = on.follow_many.run(&service("seed"), &follows).await;
    assert_eq!(
        results,
        Ok(vec![FollowResult::Oneself, FollowResult::NoSuchUser])
    );
    let many = vec![follow_input(&alice, &alice); MAX_FOLLOWS + 1];
    let refused = on.follow_many.run(&service("seed"), &many).await;
    assert_eq!(refused, Err(FollowManyError::TooMany));
}

#[tokio::test]
async fn a_store_that_answers_for_fewer_follows_is_not_believed() {
    let mut store = MockRelationships::new();
    store
        .expect_follow_many()
        .return_once(|_, _| Ok(vec![FollowOutcome::Followed]));
    let follows = vec![follow_input(&user_id(), &user_id()); 2];
    let results = on(store).follow_many.run(&service("seed"), &follows).await;
    assert!(
        matches!(
            results,
            Err(FollowManyError::Store(StoreError::Internal(_)))
        ),
        "{results:?}"
    );
}

#[tokio::test]
async fn ties_are_shown_in_order_and_what_nobody_can_be_is_nobody() {
    let fakes = Fakes::default();
    let [alice, bob, carol] = people(&fakes);
    relate(&fakes, alice, Follow, bob).await;
    relate(&fakes, carol, Block, alice).await;
    let others = ["", &bob.to_string(), &carol.to_string(), &alice.to_string()];
    let others = others.map(ToOwned::to_owned);
    let following = Relationship {
        id: bob,
        ties: Ties {
            following: true,
            ..Ties::default()
        },
    };
    let of = |id| {
        Some(Relationship {
            id,
            ties: Ties::default(),
        })
    };
    let on = fakes.use_cases().show_relationships;
    let own = on
        .run(&caller(&fakes, alice), alice, &others, Freshness::Bounded)
        .await;
    assert_eq!(own, Ok(vec![None, Some(following), None, of(alice)]));
    let all = on
        .run(&service("feed"), alice, &others, Freshness::Bounded)
        .await;
    assert_eq!(all, Ok(vec![None, Some(following), of(carol), of(alice)]));
    let nobody = on
        .run(&service("feed"), user_id(), &others, Freshness::Bounded)
        .await;
    assert_eq!(
        nobody,
        Err(ShowRelationshipsError::User(FindUserError::NotFound))
    );
    let many = vec![String::new(); MAX_TIES + 1];
    let many = on
        .run(&service("feed"), alice, &many, Freshness::Bounded)
        .await;
    assert_eq!(many, Err(ShowRelationshipsError::TooMany));
}

#[tokio::test]
async fn an_export_holds_all_relationships_and_not_who_blocks_the_user() {
    let fakes = Fakes::default();
    let [alice, bob, carol, dave] = people(&fakes);
    relate(&fakes, alice, Follow, bob).await;
    relate(&fakes, carol, Follow, alice).await;
    relate(&fakes, alice, Block, dave).await;
    let stranger = stored_user(&fakes, "stranger").user.id;
    relate(&fakes, stranger, Block, alice).await;
    for asking in [caller(&fakes, alice), service("export")] {
        let export = fakes
            .use_cases()
            .export_user
            .run(&asking, alice)
            .await
            .unwrap();
        let told = export.relationships;
        let one_each = Counts {
            followers: 1,
            following: 1,
        };
        assert_eq!(told.counts, one_each);
        for (page, other) in [
            (&told.followers, carol),
            (&told.following, bob),
            (&told.blocks, dave),
        ] {
            let ids: Vec<UserId> = page.related.iter().map(|one| one.user.id).collect();
            assert_eq!((ids, page.next), (vec![other], None));
        }
        assert!(!format!("{told:?}").contains(&stranger.to_string()));
    }
}

#[tokio::test]
async fn a_list_goes_on_from_where_its_page_ended() {
    let fakes = Fakes::default();
    let [alice, bob, carol] = people(&fakes);
    relate(&fakes, bob, Follow, alice).await;
    relate(&fakes, carol, Follow, alice).await;
    let on = fakes.use_cases().list_related;
    let asking = person(bob);
    let list = (alice, RelatedList::Followers);
    let fresh = Freshness::Bounded;
    let first = on.run(&asking, list, None, 1, fresh).await.unwrap();
    let second = on.run(&asking, list, first.next, 1, fresh).await.unwrap();
    let ids = |listed: &ListedRelated| -> Vec<UserId> {
        listed.users.iter().map(|view| view.public().id).collect()
    };
    assert_eq!((ids(&first), ids(&second)), (vec![carol], vec![bob]));
    assert_eq!(second.next, None);
    // Even one's own entry is as everybody sees it.
    assert!(second.users.iter().all(|view| view.own().is_none()));
    let nobody = on.run(&asking, (user_id(), RelatedList::Followers), None, 1, fresh);
    assert_eq!(nobody.await, Err(FindUserError::NotFound));
}

#[tokio::test]
async fn nobody_is_counted_without_asking_for_anybody() {
    let on = UseCases::new(&untouched_ports());
    let counted = on.count_relationships.run(&person(user_id()), []).await;
    assert_eq!(counted, Ok(Vec::new()));
}
