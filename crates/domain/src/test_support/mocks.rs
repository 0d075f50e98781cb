//! Mocks of the ports, for failures and for what must not be called.
//!
//! A mock without expectations fails the test on any call, so [`untouched_ports`] with one or two ports put in place
//! of its own says that a use case touches those and nothing else.

use std::sync::Arc;

use crate::ports::NoCache;
pub use crate::ports::{
    MockChangeLog, MockClock, MockCredentials, MockDecoys, MockIdGenerator, MockLoginAttempts,
    MockPasswordHasher, MockRelationshipUpkeep, MockRelationships, MockRetention,
    MockServiceTokenRegistry, MockServiceTokens, MockStoreHealth, MockTokenVerifier, MockUserCache,
    MockUserDirectory, MockUserImport, MockUserReader, MockUserWriter,
};
use crate::use_cases::Ports;

/// Gives ports of which each fails the test when it is called; the cache, which is asked before every read, is none.
pub fn untouched_ports() -> Ports {
    Ports {
        reader: Arc::new(MockUserReader::new()),
        writer: Arc::new(MockUserWriter::new()),
        directory: Arc::new(MockUserDirectory::new()),
        import: Arc::new(MockUserImport::new()),
        change_log: Arc::new(MockChangeLog::new()),
        retention: Arc::new(MockRetention::new()),
        credentials: Arc::new(MockCredentials::new()),
        login_attempts: Arc::new(MockLoginAttempts::new()),
        decoys: Arc::new(MockDecoys::new()),
        hasher: Arc::new(MockPasswordHasher::new()),
        relationships: Arc::new(MockRelationships::new()),
        relationship_upkeep: Arc::new(MockRelationshipUpkeep::new()),
        cache: Arc::new(NoCache),
        tokens: Arc::new(MockTokenVerifier::new()),
        service_tokens: Arc::new(MockServiceTokens::new()),
        token_registry: Arc::new(MockServiceTokenRegistry::new()),
        health: Arc::new(MockStoreHealth::new()),
        clock: Arc::new(MockClock::new()),
        ids: Arc::new(MockIdGenerator::new()),
    }
}
