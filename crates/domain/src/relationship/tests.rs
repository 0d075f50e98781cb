//! Properties of every sequence of changes.

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;

use super::*;
use crate::test_support::samples::{context, user_id};
use crate::user::{ChangeRefused, Status};
use crate::write::WriteError;

const PEOPLE: usize = 6;

/// One step of a random sequence of changes; users are indices.
#[derive(Debug, Clone)]
enum Step {
    Change(usize, RelationshipChange, usize),
    FollowMany(Vec<(usize, usize)>),
    SetStatus(usize, Option<Status>),
}

fn step() -> impl Strategy<Value = Step> {
    use RelationshipChange::{Block, Follow, Unblock, Unfollow};
    let change = select(vec![Follow, Follow, Follow, Unfollow, Block, Unblock]);
    let statuses = [Status::Active; 4]
        .into_iter()
        .chain([Status::Suspended, Status::Deleted])
        .map(Some);
    let status = select(statuses.chain([None]).collect::<Vec<_>>());
    prop_oneof![
        6 => (0..PEOPLE, change, 0..PEOPLE).prop_map(|(from, change, to)| Step::Change(from, change, to)),
        2 => vec((0..PEOPLE, 0..PEOPLE), 1..8).prop_map(Step::FollowMany),
        1 => (0..PEOPLE, status).prop_map(|(user, status)| Step::SetStatus(user, status)),
    ]
}

fn edge(people: &[UserId], from: usize, to: usize) -> Option<Edge> {
    Edge::between(people[from], people[to])
}

fn write(edge: Edge, change: RelationshipChange) -> RelationshipWrite {
    RelationshipWrite {
        edge,
        change,
        event_ids: [1, 2, 3].map(Uuid::from_u128),
    }
}

/// Applies events to follows and blocks, as a store does.
fn replay(events: &[RelationshipEvent], follows: &mut Vec<Edge>, blocks: &mut Vec<Edge>) {
    let begin = |edges: &mut Vec<Edge>, edge: Edge| {
        assert!(!edges.contains(&edge), "{edge:?} began twice");
        edges.push(edge);
    };
    let end = |edges: &mut Vec<Edge>, edge: Edge| {
        let place = edges.iter().position(|other| *other == edge);
        edges.remove(place.expect("the edge exists"));
    };
    for event in events {
        match event.kind {
            RelationshipEventKind::Followed => begin(follows, event.edge),
            RelationshipEventKind::Unfollowed => end(follows, event.edge),
            RelationshipEventKind::Blocked => begin(blocks, event.edge),
            RelationshipEventKind::Unblocked => end(blocks, event.edge),
        }
    }
}

proptest! {
    #[test]
    fn no_pair_follows_and_blocks_and_the_events_describe_every_change(steps in vec(step(), 1..120)) {
        let people: Vec<UserId> = (0..PEOPLE).map(|_| user_id()).collect();
        let mut known = LockedRelationships {
            statuses: people.iter().map(|id| (*id, Status::Active)).collect(),
            ..LockedRelationships::default()
        };
        let (mut follows, mut blocks) = (Vec::new(), Vec::new());
        for step in steps {
            let before = known.clone();
            match step {
                Step::Change(from, change, to) => {
                    let Some(edge) = edge(&people, from, to) else { continue };
                    let events = known.apply(&write(edge, change), &context());
                    if events.is_err() {
                        prop_assert_eq!(&known.follows, &before.follows);
                        prop_assert_eq!(&known.blocks, &before.blocks);
                    }
                    replay(&events.unwrap_or_default(), &mut follows, &mut blocks);
                    // A repetition changes nothing.
                    let again = known.apply(&write(edge, change), &context());
                    prop_assert!(again.is_err() || again == Ok(Vec::new()));
                }
                Step::FollowMany(pairs) => {
                    let edges = pairs.iter().filter_map(|(from, to)| edge(&people, *from, *to));
                    let new: Vec<NewFollow> = edges
                        .map(|edge| NewFollow { edge, event_id: Uuid::nil() })
                        .collect();
                    let (outcomes, events) = known.follow_many(&new, &context());
                    prop_assert_eq!(outcomes.len(), new.len());
                    let done = outcomes.iter().filter(|one| **one == FollowOutcome::Followed);
                    prop_assert_eq!(done.count(), events.len());
                    replay(&events, &mut follows, &mut blocks);
                }
                Step::SetStatus(user, status) => {
                    let user = people[user];
                    match status {
                        Some(status) => drop(known.statuses.insert(user, status)),
                        None => drop(known.statuses.remove(&user)),
                    }
                }
            }
            for block in &known.blocks {
                for follow in [*block, block.reversed()] {
                    prop_assert!(!known.follows.contains(&follow), "{:?}", follow);
                }
            }
            prop_assert_eq!(known.follows.clone(), follows.iter().copied().collect());
            prop_assert_eq!(known.blocks.clone(), blocks.iter().copied().collect());
        }
    }
}

#[test]
fn an_edge_has_two_different_users() {
    let (alice, bob) = (user_id(), user_id());
    assert_eq!(Edge::between(alice, alice), None);
    let edge = Edge::between(alice, bob).unwrap();
    assert_eq!((edge.from(), edge.to()), (alice, bob));
    assert_eq!(Edge::between(bob, alice), Some(edge.reversed()));
}

#[test]
fn the_events_of_a_block_start_with_the_follows_that_it_ends() {
    let edge = Edge::between(user_id(), user_id()).unwrap();
    let mut known = LockedRelationships {
        statuses: [edge.from(), edge.to()]
            .map(|id| (id, Status::Active))
            .into(),
        follows: [edge, edge.reversed()].into(),
        ..LockedRelationships::default()
    };
    let context = context();
    let events = known
        .apply(&write(edge, RelationshipChange::Block), &context)
        .unwrap();
    let (kinds, edges): (Vec<_>, Vec<_>) = events
        .iter()
        .map(|event| (event.kind.as_str(), event.edge))
        .unzip();
    assert_eq!(
        kinds,
        ["user.unfollowed", "user.unfollowed", "user.blocked"]
    );
    assert_eq!(edges, [edge, edge.reversed(), edge]);
    let ids: Vec<u128> = events.iter().map(|event| event.id.as_u128()).collect();
    assert_eq!(ids, [1, 2, 3]);
    for event in &events {
        assert_eq!((&event.actor, event.at), (&context.actor, context.at));
        assert_eq!(event.revision(), Revision::FIRST);
    }
}

#[test]
fn a_block_needs_no_existing_target_but_every_other_change_does() {
    let edge = Edge::between(user_id(), user_id()).unwrap();
    let with_target = |other: Option<Status>, is_blocked: bool| LockedRelationships {
        statuses: [(edge.from(), Some(Status::Active)), (edge.to(), other)]
            .into_iter()
            .filter_map(|(id, status)| Some((id, status?)))
            .collect(),
        blocks: is_blocked.then(|| edge.reversed()).into_iter().collect(),
        names: [(edge.to(), "bob".to_owned())].into(),
        ..LockedRelationships::default()
    };
    for (other, is_blocked, is_seen) in [
        (Some(Status::Active), false, true),
        (Some(Status::Suspended), false, true),
        (Some(Status::Active), true, false),
        (Some(Status::Deleted), false, false),
        (None, false, false),
    ] {
        let mut known = with_target(other, is_blocked);
        assert_eq!(known.name_to_keep(edge).is_some(), is_seen, "{other:?}");
        for change in [RelationshipChange::Follow, RelationshipChange::Unfollow] {
            let done = known.clone().apply(&write(edge, change), &context());
            assert_eq!(done.is_ok(), is_seen, "{other:?} {change:?}");
        }
        for (change, kind) in [
            (RelationshipChange::Block, RelationshipEventKind::Blocked),
            (
                RelationshipChange::Unblock,
                RelationshipEventKind::Unblocked,
            ),
        ] {
            let events = known.apply(&write(edge, change), &context()).unwrap();
            let kinds: Vec<RelationshipEventKind> = events.iter().map(|event| event.kind).collect();
            assert_eq!(kinds, [kind], "{other:?}");
        }
    }
}

#[test]
fn a_user_blocks_at_most_10_000_others() {
    let edge = Edge::between(user_id(), user_id()).unwrap();
    let block = write(edge, RelationshipChange::Block);
    let mut known = LockedRelationships {
        statuses: [(edge.from(), Status::Active)].into(),
        block_counts: [(edge.from(), RelationshipWrite::MAX_BLOCKS)].into(),
        ..LockedRelationships::default()
    };
    let refused = known.apply(&block, &context());
    assert_eq!(refused, Err(RelationshipRefused::TooManyBlocks));
    let WriteError::Refused(ChangeRefused::Invalid(faults)) =
        WriteError::from(RelationshipRefused::TooManyBlocks)
    else {
        panic!("it is not an input fault")
    };
    let fault = faults.first().unwrap();
    assert_eq!(
        (fault.path().join("/"), fault.code()),
        ("target".to_owned(), "too_many_blocks")
    );
    // A block that exists already is a repetition.
    known.blocks.insert(edge);
    assert_eq!(known.apply(&block, &context()), Ok(Vec::new()));
    known.blocks.clear();
    let most = RelationshipWrite::MAX_BLOCKS;
    known.block_counts.insert(edge.from(), most - 1);
    assert_eq!(known.apply(&block, &context()).unwrap().len(), 1);
}

#[test]
fn an_edge_prints_both_ids() {
    let edge = Edge::between(user_id(), user_id()).unwrap();
    assert_eq!(
        format!("{edge:?}"),
        format!("{}→{}", edge.from(), edge.to())
    );
}

#[test]
fn only_active_users_are_counted_as_followers_and_followed() {
    assert_eq!(Status::ALL.map(Status::is_counted), [true, false, false]);
}
