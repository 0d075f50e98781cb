//! The ports: what the domain needs from databases, caches, clocks and token verifiers.
//!
//! Each sentence about behaviour in these files is a function of the contract suite (`test_support::contracts`), which
//! runs against every implementation.
//!
//! To add a port: a file here with the trait and its promises; a fake and a contract in `test_support`; an adapter;
//! a field in [`crate::use_cases::Ports`]; the wiring in `crates/app/src/compose.rs`.
//!
//! To add a method to a port: the method with its promises here; the fake in `test_support::fakes`; a function for each
//! promise in `test_support::contracts`, which the compiler then runs against each adapter; the adapter in
//! `crates/adapters/src/sea_orm`; and, for a port that is read through the cache, [`crate::CachedUsers`] or one of its
//! siblings. Mocks follow by themselves.

mod change_log;
mod clock;
mod consistency;
mod credentials;
mod erasures;
mod event_feed;
mod event_relays;
mod follow_count_maintenance;
mod login_attempts;
mod password_hasher;
mod relationships;
mod retention;
mod service_token_registry;
mod store_clock;
mod store_health;
mod suspension_ends;
mod tokens;
mod user_cache;
mod user_directory;
mod user_import;
mod user_reader;
mod user_records;
mod user_writer;
mod write_records;

pub use change_log::{
    ChangeLog, Changed, Changes, Discontinuity, EventPage, EventPosition, EventsRequest,
    LogPosition, PastChanges, UserEvent,
};
pub use clock::{Clock, IdGenerator};
pub use consistency::{Consistency, WritePosition};
pub use credentials::{Credentials, DummyHashes, StoredCredential};
pub use erasures::{ConsumerRegistration, ErasureError, ErasurePage, ErasureWrite, Erasures};
pub use event_feed::{
    EventFeed, EventFrontier, FeedError, FeedEvent, FeedEventKind, FeedLook, FeedPage,
    FeedPosition, FeedRequest, FeedStart, Frontier,
};
pub use event_relays::{EventMessage, EventPublisher, EventRelays, PublishError, RelayLease};
pub use follow_count_maintenance::{CountAuditBatch, FollowCountMaintenance, PendingCountsBatch};
pub use login_attempts::{LoginAttempts, LoginLock};
pub use password_hasher::{HashingError, PasswordHasher, Verdict};
pub use relationships::{Perspective, RelationshipWritten, Relationships};
pub use retention::{ExpiredUser, Purged, Records, Retention};
pub use service_token_registry::{
    ServiceTokenRegistry, StoredServiceToken, TokenRevocation, TokenUse,
};
pub use store_clock::{ClockReading, StoreClock};
pub use store_health::{SchemaState, StoreHealth};
pub use suspension_ends::{MAX_DUE_SUSPENSIONS, SuspensionEnds};
pub use tokens::{
    FindServiceError, ServiceTokenVerifier, TokenVerifier, VerifiedToken, VerifyTokenError,
};
pub use user_cache::{
    FreshnessSource, Hit, InFlight, Lease, Lookup, MissReason, NoCache, Tier, UserCache,
};
pub use user_directory::{Page, UserDirectory};
pub use user_import::{ImportError, UserImport};
pub use user_reader::{UserKey, UserKeys, UserReader};
pub use user_records::{ReservedName, StoredRecords, UserRecords};
pub use user_writer::UserWriter;
pub use write_records::WriteRecords;

#[cfg(any(test, feature = "test-support"))]
pub use self::{
    change_log::MockChangeLog,
    clock::{MockClock, MockIdGenerator},
    consistency::MockConsistency,
    credentials::{MockCredentials, MockDummyHashes},
    erasures::MockErasures,
    event_feed::{MockEventFeed, MockEventFrontier},
    event_relays::{MockEventPublisher, MockEventRelays},
    follow_count_maintenance::MockFollowCountMaintenance,
    login_attempts::MockLoginAttempts,
    password_hasher::MockPasswordHasher,
    relationships::MockRelationships,
    retention::MockRetention,
    service_token_registry::MockServiceTokenRegistry,
    store_clock::MockStoreClock,
    store_health::MockStoreHealth,
    suspension_ends::MockSuspensionEnds,
    tokens::{MockServiceTokenVerifier, MockTokenVerifier},
    user_cache::MockUserCache,
    user_directory::MockUserDirectory,
    user_import::MockUserImport,
    user_reader::MockUserReader,
    user_records::MockUserRecords,
    user_writer::MockUserWriter,
    write_records::MockWriteRecords,
};

/// Why a store call failed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum StoreError {
    /// The store is unreachable or overloaded. Nothing was changed; the same call may succeed later.
    #[error("the store is unavailable: {0}")]
    Unavailable(String),
    /// The connection was lost during the commit. The write may or may not have been applied.
    #[error("the outcome of the write is unknown: {0}")]
    OutcomeUnknown(String),
    /// The store returned an unexpected error or invalid data. Nothing was changed, and a retry will not help.
    #[error("the store failed: {0}")]
    Internal(String),
}
