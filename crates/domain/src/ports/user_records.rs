use async_trait::async_trait;

use super::StoreError;
use crate::values::{Timestamp, UserId, Username};

/// The records that a store keeps about a user besides its row, its events and its relationships.
#[cfg_attr(any(test, feature = "test-support"), mockall::automock)]
#[async_trait]
pub trait UserRecords: Send + Sync {
    /// Returns the reserved names and the number of idempotency records of a user.
    async fn records_of(&self, user: UserId) -> Result<StoredRecords, StoreError>;

    /// Ends every reservation of a name and of its look-alikes, and returns the ended reservations.
    ///
    /// The name is available at once, unless a user has it. Repeating the call changes nothing.
    async fn release_name(&self, name: &Username) -> Result<Vec<ReservedName>, StoreError>;
}

/// The records about one user.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct StoredRecords {
    /// The released usernames that are still reserved for the user, the latest first.
    pub reserved_names: Vec<ReservedName>,
    /// The number of stored idempotency keys of its writes, counted up to [`StoredRecords::MAX_COUNTED`].
    pub idempotency_keys: u64,
}

/// A released username that is reserved for its former owner.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReservedName {
    /// The key of the name; none if its owner was erased, because then only digests of the name are stored.
    pub key: Option<String>,
    /// The former owner.
    pub owner: UserId,
    /// When the name was released.
    pub since: Timestamp,
}

impl StoredRecords {
    /// The limit for counting idempotency records.
    pub const MAX_COUNTED: u64 = 1_000;
}
