//! The contract of [`crate::ports::UserWriter`] and [`crate::ports::WriteRecords`].

mod add;
mod change;
mod erase;
mod idempotency;
mod names;
mod records;

pub use add::*;
pub use change::*;
pub use erase::*;
pub use idempotency::*;
pub use names::*;
pub use records::*;

use super::{StoreUnderTest, expected, race};
use crate::directory::DirectoryFilter;
use crate::user::{Status, User};
use crate::write::{TakenFields, UniqueField, WriteError, Written};

type Outcome = Result<Written, WriteError>;

/// The outcome of an applied write that left this user.
#[expect(clippy::unnecessary_wraps, reason = "it is compared with outcomes")]
fn applied(user: &User) -> Outcome {
    Ok(Written::Applied(user.clone()))
}

/// The outcome of a replayed write, with the current user.
#[expect(clippy::unnecessary_wraps, reason = "it is compared with outcomes")]
fn replayed(user: &User) -> Outcome {
    Ok(Written::Replayed(user.clone()))
}

pub(super) fn taken(fields: impl Into<TakenFields>) -> Outcome {
    Err(WriteError::Taken(fields.into()))
}

fn count_of(outcomes: &[Outcome], is_one: impl Fn(&Outcome) -> bool) -> usize {
    outcomes.iter().filter(|outcome| is_one(outcome)).count()
}

/// The number of users, including deleted ones.
async fn user_count(store: &StoreUnderTest) -> u64 {
    let filter = DirectoryFilter {
        statuses: Status::ALL.into(),
        ..DirectoryFilter::default()
    };
    store.directory.count(&filter).await.expect("a result")
}

/// Asserts that exactly one write was applied and that all others failed because this field is taken.
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
        count_of(outcomes, |outcome| {
            matches!(outcome, Err(WriteError::Taken(fields)) if fields.first() == field)
        }),
        outcomes.len() - 1,
        "{outcomes:?}"
    );
    for winner in winners {
        assert_eq!(store.find(winner.id).await.as_deref(), Some(winner));
    }
}
