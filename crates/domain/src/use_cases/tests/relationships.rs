//! Follows, blocks and their visibility.

mod block_visibility;
mod maintain_follow_counts;

use std::sync::Arc;

use super::*;
use crate::caller::{Caller, Scope};
use crate::permissions::Denied;
use crate::ports::{MockRelationships, RelationshipWritten, UserKey};
use crate::relationship::{
    Counts, FollowList, FollowOutcome, RelatedList, RelatedRequest, RelationshipChange,
    RelationshipFlags,
};
use crate::test_support::fakes::{Fakes, SequentialIds, SteppingClock};
use crate::test_support::mocks::untouched_ports;
use crate::test_support::samples::{
    administrator, context_with_key, email, person, service, start, user_id,
};
use crate::use_cases::*;
use crate::values::Roles;
use crate::write::WriteError;
use crate::{Freshness, StoreError};

use RelationshipChange::{Block, Follow, Unblock, Unfollow};

/// Use cases on a relationship port, a clock and ids. A call of any other port fails the test.
fn on(relationships: MockRelationships) -> UseCases {
    UseCases::new(&Ports {
        relationships: Arc::new(relationships),
        clock: Arc::new(SteppingClock::from(start())),
        ids: Arc::new(SequentialIds::new()),
        ..untouched_ports()
    })
}

fn people<const N: usize>(fakes: &Fakes) -> [UserId; N] {
    std::array::from_fn(|number| stored_user(fakes, &format!("person{number}")).user.id)
}

/// The caller with the current roles and blocks of a stored user.
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
async fn a_forbidden_relationship_change_calls_no_port() {
    let on = UseCases::new(&untouched_ports());
    let (alice, bob) = (user_id(), user_id());
    let lacking = Denied::InsufficientScope(Scope::RelationshipsWrite);
    for (caller, denied) in [
        (person(user_id()), Denied::Forbidden),
        (administrator(), Denied::Forbidden),
        (service_with(&[Scope::UsersWrite]), lacking.clone()),
    ] {
        for change in [Follow, Unfollow, Block, Unblock] {
            // The denial also comes before the check of self-follows.
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
async fn a_forbidden_relationship_read_calls_no_port() {
    let on = UseCases::new(&untouched_ports());
    let alice = user_id();
    let lacking = Denied::InsufficientScope(Scope::UsersReadPrivate);
    let fresh = Freshness::Bounded;
    for (caller, denied) in [
        (person(user_id()), Denied::Forbidden),
        (service_with(&[Scope::UsersRead]), lacking),
    ] {
        let denied = FindUserError::Denied(denied);
        let listed = on.list_related.blocks(&caller, alice, None, 10, fresh);
        assert_eq!(listed.await, Err(denied.clone()));
        let others = vec![user_id().to_string(); MAX_RELATIONSHIP_IDS + 1];
        let shown = on.show_relationships.run(&caller, alice, &others, fresh);
        assert_eq!(shown.await, Err(ShowRelationshipsError::User(denied)));
    }
    let writer = service_with(&[Scope::RelationshipsWrite]);
    let listed = on
        .list_related
        .run(&writer, (alice, FollowList::Followers), None, 10, fresh)
        .await;
    let lacking = Denied::InsufficientScope(Scope::UsersRead);
    assert_eq!(listed, Err(FindUserError::Denied(lacking)));
}

#[tokio::test]
async fn a_relationship_with_oneself_is_rejected() {
    let alice = user_id();
    let on = on(MockRelationships::new());
    let caller = person(alice);
    for change in [Follow, Unfollow, Block, Unblock] {
        let refused = on
            .change_relationship
            .run(&caller, (alice, alice), change, None);
        assert_eq!(refused.await, Err(ChangeRelationshipError::SameUser));
    }
}

#[tokio::test]
async fn a_relationship_change_records_its_actor() {
    let (alice, bob) = (user_id(), user_id());
    let scoped = service_with(&[Scope::RelationshipsWrite]);
    for (caller, actor) in [
        (person(alice), format!("user:{alice}")),
        (scoped, "service:posts".to_owned()),
    ] {
        let mut store = MockRelationships::new();
        let idempotency = context_with_key("key", 7).idempotency;
        let expected = idempotency.clone();
        store
            .expect_change_relationship()
            .withf(move |write, context| {
                let mut ids = write.event_ids.to_vec();
                ids.push(context.event_id);
                ids.sort_unstable();
                ids.dedup();
                (write.edge.from(), write.edge.to(), write.change) == (alice, bob, Follow)
                    && ids.len() == 4
                    && context.actor.as_str() == actor
                    && context.idempotency == expected
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
async fn each_store_error_of_a_relationship_change_is_kept() {
    let unknown = StoreError::OutcomeUnknown("the answer was lost".to_owned());
    let (alice, bob) = (user_id(), user_id());
    for (error, expected) in [
        (WriteError::NotFound, ChangeRelationshipError::NotFound),
        (WriteError::KeyReused, ChangeRelationshipError::KeyReused),
        (away().into(), away().into()),
        (unknown.clone().into(), unknown.into()),
    ] {
        let mut store = MockRelationships::new();
        store
            .expect_change_relationship()
            .return_once(|_, _| Err(error));
        let refused = on(store).change_relationship;
        let refused = refused
            .run(&person(alice), (alice, bob), Follow, None)
            .await;
        assert_eq!(refused, Err(expected));
    }
    let mut store = MockRelationships::new();
    let error = WriteError::from(away());
    store.expect_follow_many().return_once(|_, _| Err(error));
    let follows = [follow_input(&alice, &bob)];
    let refused = on(store).follow_many.run(&service("seed"), &follows).await;
    assert_eq!(refused, Err(FollowManyError::Store(away())));
}

#[tokio::test]
async fn a_follow_batch_returns_one_result_each_in_order() {
    let fakes = Fakes::default();
    let [alice, bob] = people(&fakes);
    let follows = [
        follow_input(&alice, &bob),
        follow_input(&"invalid id", &bob),
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
            FollowResult::SameUser,
            FollowResult::Unchanged,
            FollowResult::NoSuchUser,
            FollowResult::Followed,
        ])
    );
}

#[tokio::test]
async fn impossible_follows_do_not_call_the_store() {
    let on = UseCases::new(&Ports {
        ids: Arc::new(SequentialIds::new()),
        ..untouched_ports()
    });
    let alice = user_id();
    let follows = [follow_input(&alice, &alice), follow_input(&"", &alice)];
    let results = on.follow_many.run(&service("seed"), &follows).await;
    assert_eq!(
        results,
        Ok(vec![FollowResult::SameUser, FollowResult::NoSuchUser])
    );
    let many = vec![follow_input(&alice, &alice); MAX_FOLLOWS + 1];
    let refused = on.follow_many.run(&service("seed"), &many).await;
    assert_eq!(refused, Err(FollowManyError::TooMany));
}

#[tokio::test]
async fn a_missing_follow_result_is_an_internal_error() {
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
async fn relationships_are_listed_in_order_and_null_for_unknown_ids() {
    let fakes = Fakes::default();
    let [alice, bob, carol] = people(&fakes);
    relate(&fakes, alice, Follow, bob).await;
    relate(&fakes, carol, Block, alice).await;
    let others = ["", &bob.to_string(), &carol.to_string(), &alice.to_string()];
    let others = others.map(ToOwned::to_owned);
    let following = Relationship {
        id: bob,
        flags: RelationshipFlags {
            following: true,
            ..RelationshipFlags::default()
        },
    };
    let of = |id| {
        Some(Relationship {
            id,
            flags: RelationshipFlags::default(),
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
    let absent = on
        .run(&service("feed"), user_id(), &others, Freshness::Bounded)
        .await;
    assert_eq!(
        absent,
        Err(ShowRelationshipsError::User(FindUserError::NotFound))
    );
    let many = vec![String::new(); MAX_RELATIONSHIP_IDS + 1];
    let many = on
        .run(&service("feed"), alice, &many, Freshness::Bounded)
        .await;
    assert_eq!(many, Err(ShowRelationshipsError::TooMany));
}

#[tokio::test]
async fn a_repeated_id_is_looked_up_once() {
    let fakes = Fakes::default();
    let [alice, bob, carol] = people(&fakes);
    let mut store = MockRelationships::new();
    store
        .expect_relationship_flags()
        .withf(move |_, others, _| {
            others.len() == 2 && others.contains(&bob) && others.contains(&carol)
        })
        .times(1)
        .returning(move |_, others, _| {
            let ties = |id: &UserId| (*id == bob).then(RelationshipFlags::default);
            Ok(others.iter().map(ties).collect())
        });
    let on = UseCases::new(&Ports {
        relationships: Arc::new(store),
        ..fakes.ports()
    });
    let mut others = vec![carol.to_string(); 150];
    others.extend([
        bob.to_string(),
        String::new(),
        bob.to_string().to_uppercase(),
    ]);
    let shown = on
        .show_relationships
        .run(&service("feed"), alice, &others, Freshness::Bounded)
        .await;
    let of_bob = Some(Relationship {
        id: bob,
        flags: RelationshipFlags::default(),
    });
    let mut expected = vec![None; 150];
    expected.extend([of_bob, None, of_bob]);
    assert_eq!(shown, Ok(expected));
}

#[tokio::test]
async fn an_export_has_all_relationships_except_blocks_by_others() {
    let fakes = Fakes::default();
    let [alice, bob, carol, dave] = people(&fakes);
    relate(&fakes, alice, Follow, bob).await;
    relate(&fakes, carol, Follow, alice).await;
    relate(&fakes, alice, Block, dave).await;
    let blocker = stored_user(&fakes, "blocker").user.id;
    relate(&fakes, blocker, Block, alice).await;
    for asking in [caller(&fakes, alice), service("export")] {
        let export = fakes
            .use_cases()
            .export_user
            .run(&asking, alice, &ExportPositions::default())
            .await
            .unwrap();
        let one_each = Counts {
            followers: 1,
            following: 1,
        };
        assert_eq!(
            export.records.as_ref().map(|records| records.counts),
            Some(one_each)
        );
        for (page, other) in [
            (&export.followers, carol),
            (&export.following, bob),
            (&export.blocks, dave),
        ] {
            let page = page.as_ref().unwrap();
            let ids: Vec<UserId> = page.names.iter().map(|one| one.id).collect();
            assert_eq!((ids, page.next), (vec![other], None));
        }
        assert!(!format!("{export:?}").contains(&blocker.to_string()));
    }
}

#[tokio::test]
async fn the_next_page_of_a_list_continues_the_previous_one() {
    let fakes = Fakes::default();
    let [alice, bob, carol] = people(&fakes);
    relate(&fakes, bob, Follow, alice).await;
    relate(&fakes, carol, Follow, alice).await;
    let on = fakes.use_cases().list_related;
    let asking = person(bob);
    let list = (alice, FollowList::Followers);
    let fresh = Freshness::Bounded;
    let first = on.run(&asking, list, None, 1, fresh).await.unwrap();
    let second = on.run(&asking, list, first.next, 1, fresh).await.unwrap();
    let ids = |listed: &ListedRelated| -> Vec<UserId> {
        listed.users.iter().map(|view| view.public().id).collect()
    };
    assert_eq!((ids(&first), ids(&second)), (vec![carol], vec![bob]));
    assert_eq!(second.next, None);
    // Even the caller's own entry is the public view.
    assert!(second.users.iter().all(|view| view.own().is_none()));
    let absent = on.run(&asking, (user_id(), FollowList::Followers), None, 1, fresh);
    assert_eq!(absent.await, Err(FindUserError::NotFound));
}

#[tokio::test]
async fn an_empty_count_request_calls_no_port() {
    let on = UseCases::new(&untouched_ports());
    let counted = on.count_relationships.run(&person(user_id()), []).await;
    assert_eq!(counted, Ok(Vec::new()));
}
