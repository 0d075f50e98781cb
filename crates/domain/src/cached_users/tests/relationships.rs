//! Cache updates after changes of relationships.

use std::slice::from_ref;

use mockall::Sequence;

use super::*;
use crate::CachedRelationships;
use crate::ports::{MockRelationships, Perspective, RelationshipWritten, Relationships as _};
use crate::relationship::{
    Edge, FollowList, FollowOutcome, NewFollow, RelatedPage, RelatedRequest, RelationshipChange,
    RelationshipWrite,
};

type Outcome = Result<RelationshipWritten, WriteError>;

const OF_BLOCKS: [RelationshipChange; 2] = [RelationshipChange::Block, RelationshipChange::Unblock];

fn by(actor: UserId, change: RelationshipChange) -> RelationshipWrite {
    RelationshipWrite {
        edge: Edge::between(actor, user_id()).unwrap(),
        change,
        event_ids: [context().event_id; RelationshipWrite::MAX_EVENTS],
    }
}

fn cached(relationships: MockRelationships, cache: MockUserCache) -> CachedRelationships {
    CachedRelationships::new(Arc::new(relationships), Arc::new(cache))
}

/// Returns a store that expects one write, and a cache that expects a lease before it.
fn writing(
    actor: UserId,
    outcome: &Outcome,
    order: &mut Sequence,
) -> (MockRelationships, MockUserCache) {
    let mut cache = MockUserCache::new();
    cache
        .expect_lease()
        .withf(move |id| *id == actor)
        .times(1)
        .in_sequence(order)
        .return_once(move |id| Leases::default().of(id));
    let mut relationships = MockRelationships::new();
    let outcome = outcome.clone();
    relationships
        .expect_change_relationship()
        .times(1)
        .in_sequence(order)
        .return_once(|_, _| outcome);
    (relationships, cache)
}

#[tokio::test]
async fn a_block_change_updates_the_cached_user_before_it_returns() {
    for change in OF_BLOCKS {
        let user = sample_user("alice");
        let outcome = Ok(RelationshipWritten::Applied(Some((*user).clone())));
        let mut order = Sequence::new();
        let (relationships, mut cache) = writing(user.id, &outcome, &mut order);
        let put = user.clone();
        cache
            .expect_put()
            .withf(move |lease, user| lease.id() == put.id && *user == put)
            .times(1)
            .in_sequence(&mut order)
            .return_const(());
        let written = cached(relationships, cache)
            .change_relationship(&by(user.id, change), &context())
            .await;
        assert_eq!(written, outcome);
    }
}

#[tokio::test]
async fn a_block_change_without_a_user_in_the_result_invalidates_the_user() {
    let unknown = StoreError::OutcomeUnknown("the answer was lost".to_owned());
    for outcome in [
        Ok(RelationshipWritten::Applied(None)),
        Ok(RelationshipWritten::Unchanged),
        Ok(RelationshipWritten::Replayed),
        Err(unknown.into()),
    ] {
        for change in OF_BLOCKS {
            let actor = user_id();
            let mut order = Sequence::new();
            let (relationships, mut cache) = writing(actor, &outcome, &mut order);
            cache
                .expect_forget()
                .withf(move |id| *id == actor)
                .times(1)
                .in_sequence(&mut order)
                .return_const(());
            let written = cached(relationships, cache)
                .change_relationship(&by(actor, change), &context())
                .await;
            assert_eq!(written, outcome);
        }
    }
}

#[tokio::test]
async fn a_refused_block_does_not_change_the_cache() {
    for outcome in [
        Err(WriteError::NotFound),
        Err(WriteError::KeyReused),
        Err(unavailable().into()),
        Err(StoreError::Internal("a defect".to_owned()).into()),
    ] {
        let actor = user_id();
        let (relationships, cache) = writing(actor, &outcome, &mut Sequence::new());
        let write = by(actor, RelationshipChange::Block);
        let written = cached(relationships, cache)
            .change_relationship(&write, &context())
            .await;
        assert_eq!(written, outcome);
    }
}

#[tokio::test]
async fn a_follow_does_not_use_the_cache() {
    for change in [RelationshipChange::Follow, RelationshipChange::Unfollow] {
        for outcome in [
            Ok(RelationshipWritten::Applied(None)),
            Err(StoreError::OutcomeUnknown("the answer was lost".to_owned()).into()),
        ] {
            let mut relationships = MockRelationships::new();
            let answer = outcome.clone();
            relationships
                .expect_change_relationship()
                .times(1)
                .return_once(|_, _| answer);
            let written = cached(relationships, MockUserCache::new())
                .change_relationship(&by(user_id(), change), &context())
                .await;
            assert_eq!(written, outcome);
        }
    }
}

#[tokio::test]
async fn every_other_call_goes_to_the_store_only() {
    let user = user_id();
    let mut store = MockRelationships::new();
    store
        .expect_follow_many()
        .return_once(|_, _| Ok(vec![FollowOutcome::Unchanged]));
    store
        .expect_hidden_from()
        .return_once(|_, others| Ok(others.iter().copied().collect()));
    store
        .expect_relationship_flags()
        .return_once(|_, _, _| Ok(vec![None]));
    store
        .expect_related()
        .return_once(|_| Ok(RelatedPage::default()));
    store.expect_counts().return_once(|_, _| Err(unavailable()));
    let cached = cached(store, MockUserCache::new());
    let follow = NewFollow {
        edge: Edge::between(user, user_id()).unwrap(),
        event_id: context().event_id,
    };
    let request = RelatedRequest {
        user,
        list: FollowList::Following,
        viewer: None,
        after: None,
        limit: 1,
    };
    assert_eq!(
        cached.follow_many(&[follow], &context()).await,
        Ok(vec![FollowOutcome::Unchanged])
    );
    let hidden = cached.hidden_from(user_id(), &[user]).await.unwrap();
    assert!(hidden.contains(&user));
    let flags = cached
        .relationship_flags(user, &[user_id()], Perspective::All)
        .await;
    assert_eq!(flags, Ok(vec![None]));
    assert_eq!(cached.related(&request).await, Ok(RelatedPage::default()));
    assert_eq!(
        cached.counts(from_ref(&user), None).await,
        Err(unavailable())
    );
}
