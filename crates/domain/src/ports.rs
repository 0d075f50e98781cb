//! What the domain asks of the world. Each sentence here about behaviour is a function of the contract suite
//! (`test_support::contracts`), run against every implementation.
//!
//! To add a port: a file here with the trait and its promises; a fake and a contract in `test_support`; an adapter;
//! a field in [`crate::use_cases::Ports`]; the wiring in the composition root.

mod change_log;
mod clock;
mod credentials;
mod login_attempts;
mod password_hasher;
mod relationship_upkeep;
mod relationships;
mod retention;
mod service_token_registry;
mod store_health;
mod tokens;
mod user_cache;
mod user_directory;
mod user_import;
mod user_reader;
mod user_writer;

pub use change_log::{ChangeLog, Changed, Changes, LogPosition};
pub use clock::{Clock, IdGenerator};
pub use credentials::{Credentials, Decoys, StoredCredential};
pub use login_attempts::{LoginAttempts, LoginTurn};
pub use password_hasher::{HashingError, PasswordHasher, Verdict};
pub use relationship_upkeep::{Recounted, RelationshipUpkeep, Settled};
pub use relationships::{Eyes, RelationshipWritten, Relationships};
pub use retention::{ExpiredUser, Purged, Records, Retention};
pub use service_token_registry::{KeptToken, ServiceTokenRegistry, TokenUse};
pub use store_health::{SchemaState, StoreHealth};
pub use tokens::{ServiceTokens, TokenRejected, TokenVerifier, VerifiedToken, VerifyTokenError};
pub use user_cache::{Arrival, Hit, Lease, Lookup, Missed, NoCache, Tier, UserCache, Voucher};
pub use user_directory::{Page, UserDirectory};
pub use user_import::{ImportError, UserImport};
pub use user_reader::{UserKey, UserKeys, UserReader};
pub use user_writer::UserWriter;

#[cfg(any(test, feature = "test-support"))]
pub use self::{
    change_log::MockChangeLog,
    clock::{MockClock, MockIdGenerator},
    credentials::{MockCredentials, MockDecoys},
    login_attempts::MockLoginAttempts,
    password_hasher::MockPasswordHasher,
    relationship_upkeep::MockRelationshipUpkeep,
    relationships::MockRelationships,
    retention::MockRetention,
    service_token_registry::MockServiceTokenRegistry,
    store_health::MockStoreHealth,
    tokens::{MockServiceTokens, MockTokenVerifier},
    user_cache::MockUserCache,
    user_directory::MockUserDirectory,
    user_import::MockUserImport,
    user_reader::MockUserReader,
    user_writer::MockUserWriter,
};

/// Why a store could not answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum StoreError {
    /// It is away or busy. Nothing has been done; the same call may succeed later.
    #[error("the store is unavailable: {0}")]
    Unavailable(String),
    /// It went away while it was told to commit. The write may have been done.
    #[error("the outcome of the write is unknown: {0}")]
    OutcomeUnknown(String),
    /// It answered what it never should. Nothing has been done; asking again will not help.
    #[error("the store failed: {0}")]
    Internal(String),
}
