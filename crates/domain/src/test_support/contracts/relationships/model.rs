//! Random sequences of changes, compared with the fake as the model.

use std::sync::Arc;

use super::{RelationshipsUnderTest, new_follow};
use crate::ports::{CountAuditBatch, RelationshipWritten};
use crate::relationship::{FollowList, RelationshipChange};
use crate::test_support::fakes::FakeStore;
use crate::test_support::samples::{context_at, new_user, registered, seconds};
use crate::user::Change;
use crate::values::UserId;
use crate::write::WriteError;

const SEEDS: [u64; 4] = [1, 20, 300, 4000];
const STEPS: u64 = 150;
const PEOPLE: usize = 6;

/// One step of a sequence.
#[derive(Debug, Clone)]
enum Step {
    Relate(UserId, RelationshipChange, UserId),
    FollowMany(Vec<(UserId, UserId)>),
    Change(UserId, Change),
    Erase(UserId),
    ApplyPending,
    Audit,
}

/// The outcome of a step, reduced to what must be equal on every store.
#[derive(Debug, PartialEq, Eq)]
enum Outcome {
    Changed(Result<bool, WriteError>),
    Followed(Vec<crate::relationship::FollowOutcome>),
    Written(bool),
    Maintained,
}

/// Deterministic pseudo-random numbers (`SplitMix64`).
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^= mixed >> 31;
        let sides = u64::try_from(sides).expect("a die");
        usize::try_from(mixed % sides).expect("a number below the sides")
    }

    fn one_of<T: Clone>(&mut self, choices: &[T]) -> T {
        let number = self.roll(choices.len());
        choices.get(number).expect("a choice").clone()
    }

    fn pair(&mut self, people: &[UserId]) -> (UserId, UserId) {
        let from = self.one_of(people);
        let others: Vec<UserId> = people.iter().copied().filter(|id| *id != from).collect();
        (from, self.one_of(&others))
    }

    fn step(&mut self, people: &[UserId]) -> Step {
        match self.roll(100) {
            0..30 => self.relate(people, RelationshipChange::Follow),
            30..38 => self.relate(people, RelationshipChange::Unfollow),
            38..46 => self.relate(people, RelationshipChange::Block),
            46..56 => self.relate(people, RelationshipChange::Unblock),
            56..66 => {
                let size = 1 + self.roll(8);
                Step::FollowMany((0..size).map(|_| self.pair(people)).collect())
            }
            66..88 => {
                let changes = [
                    Change::Delete,
                    Change::Restore,
                    Change::Restore,
                    Change::suspend(),
                    Change::Activate,
                    Change::Activate,
                ];
                Step::Change(self.one_of(people), self.one_of(&changes))
            }
            88 => Step::Erase(self.one_of(people)),
            89..97 => Step::ApplyPending,
            _ => Step::Audit,
        }
    }

    fn relate(&mut self, people: &[UserId], change: RelationshipChange) -> Step {
        let (from, to) = self.pair(people);
        Step::Relate(from, change, to)
    }
}

impl RelationshipsUnderTest {
    async fn perform(&self, step: &Step, number: u64) -> Outcome {
        let context = context_at(seconds(number));
        match step {
            Step::Relate(from, change, to) => {
                let written = self.try_change_with(*from, *change, *to, &context).await;
                let changed =
                    written.map(|written| matches!(written, RelationshipWritten::Applied(_)));
                Outcome::Changed(changed)
            }
            Step::FollowMany(edges) => {
                let edges = edges.iter().map(|(from, to)| new_follow(*from, *to));
                let edges: Vec<_> = edges.collect();
                let done = self.relationships.follow_many(&edges, &context).await;
                Outcome::Followed(done.expect("a batch of follows"))
            }
            Step::Change(user, change) => {
                Outcome::Written(self.writer.change(*user, change, &context).await.is_ok())
            }
            Step::Erase(user) => Outcome::Written(self.writer.erase(*user, &context).await.is_ok()),
            Step::ApplyPending => {
                self.apply_pending().await.expect("a result");
                Outcome::Maintained
            }
            Step::Audit => {
                let at = context
                    .at
                    .plus(CountAuditBatch::INTERVAL * u32::try_from(number).unwrap_or(0));
                let audited = self.count_maintenance.audit(at).await.expect("a result");
                let drift = (audited.followers_drift, audited.following_drift);
                assert_eq!(drift, (0, 0), "a right count was found wrong");
                Outcome::Maintained
            }
        }
    }

    /// Asserts that store and model return the same lists and counts of some users to a viewer.
    async fn assert_same_as(&self, model: &Self, users: &[UserId], viewer: Option<UserId>) {
        let counts = self.counts(users, viewer).await;
        assert_eq!(counts, model.counts(users, viewer).await);
        for user in users {
            for list in [FollowList::Followers, FollowList::Following] {
                let actual = self.list(*user, list, viewer).await;
                assert_eq!(actual, model.list(*user, list, viewer).await, "{list:?}");
            }
        }
    }

    /// Asserts that no user follows a user that it blocks, and that `has_blocks` is correct.
    async fn assert_blocks_exclude_follows(&self, existing: &[UserId]) {
        for user in existing {
            let blocks = self.blocks(*user).await;
            assert!(blocks.is_empty() || self.user(*user).await.has_blocks);
            for flags in self.flags(*user, &blocks).await {
                let flags = flags.expect("a user");
                assert!(flags.blocking && !flags.following && !flags.followed_by);
            }
        }
    }

    async fn existing(&self, people: &[UserId]) -> Vec<UserId> {
        let mut existing = Vec::new();
        for user in people {
            let found = self.find(*user).await;
            existing.extend(found.filter(|user| !user.is_deleted()).map(|user| user.id));
        }
        existing
    }
}

/// After each step of a random sequence, lists, counts, flags and blocks equal those of the model for every viewer.
pub async fn any_sequence_of_changes_matches_the_model(store: &RelationshipsUnderTest) {
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
            let actual = store.perform(&step, number).await;
            assert_eq!(
                actual,
                model.perform(&step, number).await,
                "{seed}: {step:?}"
            );

            let existing = model.existing(&people).await;
            assert_eq!(store.existing(&people).await, existing);
            let (one, other) = dice.pair(&people);
            let seen: Vec<UserId> = [one, other]
                .into_iter()
                .filter(|user| existing.contains(user))
                .collect();
            let viewer = existing.get(dice.roll(PEOPLE)).copied();
            store.assert_same_as(&model, &seen, viewer).await;
            assert_eq!(
                store.counts(&existing, None).await,
                model.counts(&existing, None).await
            );
            if number % 30 == 0 {
                for viewer in existing.iter().copied().map(Some).chain([None]) {
                    store.assert_same_as(&model, &existing, viewer).await;
                }
                for user in &existing {
                    assert_eq!(
                        store.flags(*user, &people).await,
                        model.flags(*user, &people).await
                    );
                    assert_eq!(
                        store.blocks_with_names(*user).await,
                        model.blocks_with_names(*user).await
                    );
                    let hidden = store.hidden_from(*user, &existing).await;
                    assert_eq!(hidden, model.hidden_from(*user, &existing).await);
                }
                store.assert_blocks_exclude_follows(&existing).await;
            }
        }
        store.apply_all_pending().await;
        store.assert_counts_match_lists(&people).await;
    }
}
