//! What holds of every sequence of changes.

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;

use super::*;
use crate::test_support::samples::{context, user_id};

const PEOPLE: usize = 6;

/// One step of a history of a few users, by their numbers.
#[derive(Debug, Clone)]
enum Step {
    Relate(usize, RelationshipChange, usize),
    FollowMany(Vec<(usize, usize)>),
    Become(usize, Option<Status>),
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
        6 => (0..PEOPLE, change, 0..PEOPLE).prop_map(|(from, change, to)| Step::Relate(from, change, to)),
        2 => vec((0..PEOPLE, 0..PEOPLE), 1..8).prop_map(Step::FollowMany),
        1 => (0..PEOPLE, status).prop_map(|(who, status)| Step::Become(who, status)),
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

/// Writes what events say, as a store does.
fn replay(events: &[RelationshipEvent], follows: &mut Vec<Edge>, blocks: &mut Vec<Edge>) {
    let begin = |edges: &mut Vec<Edge>, edge: Edge| {
        assert!(!edges.contains(&edge), "{edge:?} began twice");
        edges.push(edge);
    };
    let end = |edges: &mut Vec<Edge>, edge: Edge| {
        let place = edges.iter().position(|other| *other == edge);
        edges.remove(place.expect("an end of what there is"));
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
    fn no_pair_follows_and_blocks_and_the_events_tell_all(steps in vec(step(), 1..120)) {
        let people: Vec<UserId> = (0..PEOPLE).map(|_| user_id()).collect();
        let mut known = Known {
            statuses: people.iter().map(|id| (*id, Status::Active)).collect(),
            ..Known::default()
        };
        let (mut follows, mut blocks) = (Vec::new(), Vec::new());
        for step in steps {
            let before = known.clone();
            match step {
                Step::Relate(from, change, to) => {
                    let Some(edge) = edge(&people, from, to) else { continue };
                    let told = known.apply(&write(edge, change), &context());
                    if told.is_err() {
                        prop_assert_eq!(&known.follows, &before.follows);
                        prop_assert_eq!(&known.blocks, &before.blocks);
                    }
                    replay(&told.unwrap_or_default(), &mut follows, &mut blocks);
                    // Done again it changes nothing.
                    let again = known.apply(&write(edge, change), &context());
                    prop_assert!(again.is_err() || again == Ok(Vec::new()));
                }
                Step::FollowMany(pairs) => {
                    let edges = pairs.iter().filter_map(|(from, to)| edge(&people, *from, *to));
                    let new: Vec<NewFollow> = edges
                        .map(|edge| NewFollow { edge, event_id: Uuid::nil() })
                        .collect();
                    let (outcomes, told) = known.follow_many(&new, &context());
                    prop_assert_eq!(outcomes.len(), new.len());
                    let done = outcomes.iter().filter(|one| **one == FollowOutcome::Followed);
                    prop_assert_eq!(done.count(), told.len());
                    replay(&told, &mut follows, &mut blocks);
                }
                Step::Become(who, status) => {
                    let who = people[who];
                    match status {
                        Some(status) => drop(known.statuses.insert(who, status)),
                        None => drop(known.statuses.remove(&who)),
                    }
                }
            }
            for block in &known.blocks {
                for follow in [*block, block.reversed()] {
                    prop_assert!(!known.follows.contains(&follow), "{:?}", follow);
                }
                prop_assert!(!known.blocks.contains(&block.reversed()), "{:?}", block);
            }
            prop_assert_eq!(known.follows.clone(), follows.iter().copied().collect());
            prop_assert_eq!(known.blocks.clone(), blocks.iter().copied().collect());
        }
    }
}

#[test]
fn nobody_is_anything_to_itself() {
    let (alice, bob) = (user_id(), user_id());
    assert_eq!(Edge::between(alice, alice), None);
    let edge = Edge::between(alice, bob).unwrap();
    assert_eq!((edge.from(), edge.to()), (alice, bob));
    assert_eq!(Edge::between(bob, alice), Some(edge.reversed()));
}

#[test]
fn a_block_tells_of_the_follows_that_it_ends_first_each_under_an_id_of_its_own() {
    let edge = Edge::between(user_id(), user_id()).unwrap();
    let mut known = Known {
        statuses: [edge.from(), edge.to()]
            .map(|id| (id, Status::Active))
            .into(),
        follows: [edge, edge.reversed()].into(),
        blocks: [].into(),
    };
    let context = context();
    let told = known
        .apply(&write(edge, RelationshipChange::Block), &context)
        .unwrap();
    let (kinds, edges): (Vec<_>, Vec<_>) = told
        .iter()
        .map(|event| (event.kind.as_str(), event.edge))
        .unzip();
    assert_eq!(
        kinds,
        ["user.unfollowed", "user.unfollowed", "user.blocked"]
    );
    assert_eq!(edges, [edge, edge.reversed(), edge]);
    let ids: Vec<u128> = told.iter().map(|event| event.id.as_u128()).collect();
    assert_eq!(ids, [1, 2, 3]);
    for event in &told {
        assert_eq!((&event.actor, event.at), (&context.actor, context.at));
        assert_eq!(event.version(), Version::FIRST);
    }
}

#[test]
fn an_edge_prints_who_and_whom() {
    let edge = Edge::between(user_id(), user_id()).unwrap();
    assert_eq!(
        format!("{edge:?}"),
        format!("{}→{}", edge.from(), edge.to())
    );
}

#[test]
fn the_lists_of_follows_show_who_is_active_and_that_of_blocks_who_is_there() {
    for list in [RelatedList::Followers, RelatedList::Following] {
        assert_eq!(
            Status::ALL.map(|status| list.shows(status)),
            [true, false, false]
        );
    }
    let blocks = Status::ALL.map(|status| RelatedList::Blocks.shows(status));
    assert_eq!(blocks, [true, true, false]);
}
