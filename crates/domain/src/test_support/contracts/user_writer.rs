//! The promises of [`crate::ports::UserWriter`].

mod add;
mod change;
mod erase;
mod idempotency;
mod names;

pub use add::*;
pub use change::*;
pub use erase::*;
pub use idempotency::*;
pub use names::*;

use super::{StoreUnderTest, expect_applied, expected, race};
use crate::directory::DirectoryFilter;
use crate::user::{Status, User};
use crate::write::{UniqueField, WriteError, Written};

type Outcome = Result<Written, WriteError>;

/// What a write comes to that is done, by the user it leaves.
#[expect(clippy::unnecessary_wraps, reason = "it is compared with outcomes")]
fn applied(user: &User) -> Outcome {
    Ok(Written::Applied(user.clone()))
}

/// What a write comes to that was done before, by the user as it is now.
#[expect(clippy::unnecessary_wraps, reason = "it is compared with outcomes")]
fn replayed(user: &User) -> Outcome {
    Ok(Written::Replayed(user.clone()))
}

fn taken(field: UniqueField) -> Outcome {
    Err(WriteError::Taken(field))
}

fn times(outcomes: &[Outcome], is_one: impl Fn(&Outcome) -> bool) -> usize {
    outcomes.iter().filter(|outcome| is_one(outcome)).count()
}

/// How many users there are, deleted ones included.
async fn everybody(store: &StoreUnderTest) -> u64 {
    let filter = DirectoryFilter {
        statuses: Status::ALL.to_vec(),
        ..DirectoryFilter::default()
    };
    store.directory.count(&filter).await.expect("an answer")
}

/// Asserts that exactly one of the racers was let in, and all others were told which value was taken.
async fn assert_one_winner(store: &StoreUnderTest, outcomes: &[Outcome], field: UniqueField) {
    let winners: Vec<&User> = outcomes
        .iter()
        .filter_map(|outcome| {
            if let Ok(Written::Applied(user)) = outcome {
                Some(user)
            } else {
                None
            }
        })
        .collect();
    assert_eq!(winners.len(), 1, "{outcomes:?}");
    assert_eq!(
        times(outcomes, |outcome| *outcome == taken(field)),
        outcomes.len() - 1,
        "{outcomes:?}"
    );
    for winner in winners {
        assert_eq!(store.find(winner.id).await.as_deref(), Some(winner));
    }
}
