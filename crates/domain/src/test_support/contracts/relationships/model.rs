//! Any history of relationships, against the fake as the model of every store.

use std::sync::Arc;

use super::{RelationshipsUnderTest, new_follow};
use crate::ports::{Recounted, RelationshipWritten};
use crate::relationship::{RelatedList, RelationshipChange};
use crate::test_support::fakes::FakeStore;
use crate::test_support::samples::{context_at, new_user, registered, seconds};
use crate::user::Change;
use crate::values::UserId;
use crate::write::WriteError;

const SEEDS: [u64; 4] = [1, 20, 300, 4000];
const STEPS: u64 = 150;
const PEOPLE: usize = 6;

/// One step of a history.
#[derive(Debug, Clone)]
enum Step {
    Relate(UserId, RelationshipChange, UserId),
    FollowMany(Vec<(UserId, UserId)>),
    Change(UserId, Change),
    Erase(UserId),
    Settle,
    Recount,
}

/// What a step came to, as far as every store has to come to the same.
#[derive(Debug, PartialEq, Eq)]
enum Outcome {
    Related(Result<bool, WriteError>),
    Followed(Vec<crate::relationship::FollowOutcome>),
    Wrote(bool),
    Tended,
}

/// Numbers that look random and are the same each time (`SplitMix64`).
struct Dice(u64);

impl Dice {
    fn throw(&mut self, sides: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^= mixed >> 31;
        let sides = u64::try_from(sides).expect("a die");
        usize::try_from(mixed % sides).expect("a number below the sides")
    }

    fn one_of<T: Clone>(&mut self, choices: &[T]) -> T {
        let number = self.throw(choices.len());
        choices.get(number).expect("a choice").clone()
    }

    fn pair(&mut self, people: &[UserId]) -> (UserId, UserId) {
        let from = self.one_of(people);
        let others: Vec<UserId> = people.iter().copied().filter(|id| *id != from).collect();
        (from, self.one_of(&others))
    }

    fn step(&mut self, people: &[UserId]) -> Step {
        match self.throw(100) {
            0..30 => self.relate(people, RelationshipChange::Follow),
            30..38 => self.relate(people, RelationshipChange::Unfollow),
            38..46 => self.relate(people, RelationshipChange::Block),
            46..56 => self.relate(people, RelationshipChange::Unblock),
            56..66 => {
                let size = 1 + self.throw(8);
                Step::FollowMany((0..size).map(|_| self.pair(people)).collect())
            }
            66..88 => {
                let changes = [
                    Change::Delete,
                    Change::Restore,
                    Change::Restore,
                    Change::Suspend,
                    Change::Activate,
                    Change::Activate,
                ];
                Step::Change(self.one_of(people), self.one_of(&changes))
            }
            88 => Step::Erase(self.one_of(people)),
            89..97 => Step::Settle,
            _ => Step::Recount,
        }
    }

    fn relate(&mut self, people: &[UserId], change: RelationshipChange) -> Step {
        let (from, to) = self.pair(people);
        Step::Relate(from, change, to)
    }
}

impl RelationshipsUnderTest {
    async fn take(&self, step: &Step, number: u64) -> Outcome {
        let context = context_at(seconds(number));
        match step {
            Step::Relate(from, change, to) => {
                let written = self.try_with(*from, *change, *to, &context).await;
                let changed =
                    written.map(|written| matches!(written, RelationshipWritten::Applied(_)));
                Outcome::Related(changed)
            }
            Step::FollowMany(edges) => {
                let edges = edges.iter().map(|(from, to)| new_follow(*from, *to));
                let edges: Vec<_> = edges.collect();
                let done = self.relationships.follow_many(&edges, &context).await;
                Outcome::Followed(done.expect("a batch of follows"))
            }
            Step::Change(user, change) => {
                Outcome::Wrote(self.writer.change(*user, change, &context).await.is_ok())
            }
            Step::Erase(user) => Outcome::Wrote(self.writer.erase(*user, &context).await.is_ok()),
            Step::Settle => {
                self.settle().await.expect("an answer");
                Outcome::Tended
            }
            Step::Recount => {
                let at = context
                    .at
                    .plus(Recounted::EVERY * u32::try_from(number).unwrap_or(0));
                let recounted = self.upkeep.recount(at).await.expect("an answer");
                let drift = (recounted.followers_drift, recounted.following_drift);
                assert_eq!(drift, (0, 0), "a right count was found wrong");
                Outcome::Tended
            }
        }
    }

    /// Asserts that the store tells what the model tells of some users, as a viewer sees it.
    async fn assert_like(&self, model: &Self, users: &[UserId], viewer: Option<UserId>) {
        let counts = self.counts(users, viewer).await;
        assert_eq!(counts, model.counts(users, viewer).await);
        for user in users {
            for list in [RelatedList::Followers, RelatedList::Following] {
                let told = self.list(*user, list, viewer).await;
                assert_eq!(told, model.list(*user, list, viewer).await, "{list:?}");
            }
        }
    }

    /// Asserts that nobody blocks and follows, or is blocked back, and that who blocks says so.
    async fn assert_blocks_are_alone(&self, there: &[UserId]) {
        for user in there {
            let blocks = self.blocks(*user).await;
            assert!(blocks.is_empty() || self.user(*user).await.has_blocks);
            for ties in self.ties(*user, &blocks).await {
                let ties = ties.expect("somebody");
                assert!(ties.blocking && !ties.following && !ties.followed_by);
            }
            for other in blocks {
                assert!(!self.tie(other, *user).await.blocking);
            }
        }
    }

    async fn there(&self, people: &[UserId]) -> Vec<UserId> {
        let mut there = Vec::new();
        for user in people {
            let found = self.find(*user).await;
            there.extend(found.filter(|user| !user.is_deleted()).map(|user| user.id));
        }
        there
    }
}

/// After each step of any history a store tells of lists, counts, ties and blocks what the model tells, through
/// everybody's eyes.
pub async fn any_history_leaves_what_the_model_leaves(store: &RelationshipsUnderTest) {
    for seed in SEEDS {
        let mut dice = Dice(seed);
        let model = RelationshipsUnderTest::from(Arc::new(FakeStore::default()));
        let mut people = Vec::new();
        for number in 0..PEOPLE {
            let context = context_at(seconds(0));
            let user = registered(&new_user(&format!("model{seed}.{number}")), &context);
            for each in [store, &model] {
                let added = each.writer.add(&user, &context).await;
                assert!(added.is_ok(), "{added:?}");
            }
            people.push(user.user.id);
        }
        for number in 1..=STEPS {
            let step = dice.step(&people);
            let told = store.take(&step, number).await;
            assert_eq!(told, model.take(&step, number).await, "{seed}: {step:?}");

            let there = model.there(&people).await;
            assert_eq!(store.there(&people).await, there);
            let (one, other) = dice.pair(&people);
            let seen: Vec<UserId> = [one, other]
                .into_iter()
                .filter(|user| there.contains(user))
                .collect();
            let viewer = there.get(dice.throw(PEOPLE)).copied();
            store.assert_like(&model, &seen, viewer).await;
            assert_eq!(
                store.counts(&there, None).await,
                model.counts(&there, None).await
            );
            if number % 30 == 0 {
                for viewer in there.iter().copied().map(Some).chain([None]) {
                    store.assert_like(&model, &there, viewer).await;
                }
                for user in &there {
                    assert_eq!(
                        store.ties(*user, &people).await,
                        model.ties(*user, &people).await
                    );
                    assert_eq!(store.blocks(*user).await, model.blocks(*user).await);
                    let hidden = store.hidden_from(*user, &there).await;
                    assert_eq!(hidden, model.hidden_from(*user, &there).await);
                }
                store.assert_blocks_are_alone(&there).await;
            }
        }
        store.settle_all().await;
        store.assert_counts_are_lists(&people).await;
    }
}
