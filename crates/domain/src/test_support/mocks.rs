//! Mocks of the ports, for failures and for calls that must not happen.
//!
//! A mock without expectations fails the test on any call. [`untouched_ports`] with one or two ports replaced therefore
//! verifies that a use case calls only those.

use std::sync::Arc;

use crate::ports::NoCache;
pub use crate::ports::{
    MockChangeLog, MockClock, MockCredentials, MockDummyHashes, MockErasures, MockEventFeed,
    MockEventFrontier, MockEventPublisher, MockEventRelays, MockFollowCountMaintenance,
    MockIdGenerator, MockLoginAttempts, MockPasswordHasher, MockRelationships, MockRetention,
    MockServiceTokenRegistry, MockServiceTokenVerifier, MockStoreClock, MockStoreHealth,
    MockSuspensionEnds, MockTokenVerifier, MockUserCache, MockUserDirectory, MockUserImport,
    MockUserReader, MockUserRecords, MockUserWriter, MockWriteRecords,
};
use crate::use_cases::Ports;

/// Returns ports that fail the test on any call. The cache is [`NoCache`], because every read asks the cache first.
pub fn untouched_ports() -> Ports {
    Ports {
        reader: Arc::new(MockUserReader::new()),
        writer: Arc::new(MockUserWriter::new()),
        directory: Arc::new(MockUserDirectory::new()),
        import: Arc::new(MockUserImport::new()),
        change_log: Arc::new(MockChangeLog::new()),
        erasures: Arc::new(MockErasures::new()),
        event_feed: Arc::new(MockEventFeed::new()),
        event_frontier: Arc::new(MockEventFrontier::new()),
        event_relays: Arc::new(MockEventRelays::new()),
        records: Arc::new(MockUserRecords::new()),
        retention: Arc::new(MockRetention::new()),
        suspension_ends: Arc::new(MockSuspensionEnds::new()),
        credentials: Arc::new(MockCredentials::new()),
        login_attempts: Arc::new(MockLoginAttempts::new()),
        dummy_hashes: Arc::new(MockDummyHashes::new()),
        hasher: Arc::new(MockPasswordHasher::new()),
        relationships: Arc::new(MockRelationships::new()),
        follow_count_maintenance: Arc::new(MockFollowCountMaintenance::new()),
        cache: Arc::new(NoCache),
        tokens: Arc::new(MockTokenVerifier::new()),
        service_tokens: Arc::new(MockServiceTokenVerifier::new()),
        token_registry: Arc::new(MockServiceTokenRegistry::new()),
        write_records: Arc::new(MockWriteRecords::new()),
        health: Arc::new(MockStoreHealth::new()),
        clock: Arc::new(MockClock::new()),
        store_clock: Arc::new(MockStoreClock::new()),
        ids: Arc::new(MockIdGenerator::new()),
        consistency: None,
        standby_reader: None,
    }
}
