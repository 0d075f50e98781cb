//! In-memory fakes of the ports. They call the domain's own code, so that they keep the same promises.

mod cache;
mod clock;
mod hasher;
mod publisher;
mod store;
mod tokens;

use std::sync::Arc;

pub use cache::FakeCache;
pub use clock::{FixedClock, SteppingClock};
pub use hasher::FakeHasher;
pub use publisher::FakePublisher;
pub use store::FakeStore;
pub use tokens::{FakeServiceTokens, FakeTokens};

pub use super::ids::SequentialIds;
use super::samples;
use crate::ports::{Clock, StoreClock};
use crate::use_cases::{Ports, UseCases};

/// A fake of every port, accessible to the test.
#[derive(Debug, Clone)]
pub struct Fakes {
    /// The store.
    pub store: Arc<FakeStore>,
    /// The cache in front of the store.
    pub cache: Arc<FakeCache>,
    /// The tokens of users.
    pub tokens: Arc<FakeTokens>,
    /// The tokens of services.
    pub service_tokens: Arc<FakeServiceTokens>,
    /// The clock, which advances by one second with each reading.
    pub clock: Arc<SteppingClock>,
    /// The source of ids.
    pub ids: Arc<SequentialIds>,
}

impl Default for Fakes {
    fn default() -> Self {
        Self {
            store: Arc::default(),
            cache: Arc::default(),
            tokens: Arc::default(),
            service_tokens: Arc::default(),
            clock: Arc::new(SteppingClock::from(samples::start())),
            // Far from the ids of the samples, which may be in the same store.
            ids: Arc::new(SequentialIds::starting_at(1 << 32)),
        }
    }
}

/// Replaces all clocks of these ports with one clock.
pub fn with_clock<C: Clock + StoreClock + 'static>(clock: &Arc<C>, ports: Ports) -> Ports {
    Ports {
        clock: clock.clone(),
        store_clock: clock.clone(),
        ..ports
    }
}

impl Fakes {
    /// Returns the fakes as ports.
    pub fn ports(&self) -> Ports {
        Ports {
            reader: self.store.clone(),
            writer: self.store.clone(),
            directory: self.store.clone(),
            import: self.store.clone(),
            change_log: self.store.clone(),
            erasures: self.store.clone(),
            event_feed: self.store.clone(),
            event_frontier: self.store.clone(),
            event_relays: self.store.clone(),
            records: self.store.clone(),
            retention: self.store.clone(),
            suspension_ends: self.store.clone(),
            credentials: self.store.clone(),
            login_attempts: self.store.clone(),
            dummy_hashes: Arc::new(FakeHasher),
            hasher: Arc::new(FakeHasher),
            relationships: self.store.clone(),
            follow_count_maintenance: self.store.clone(),
            cache: self.cache.clone(),
            tokens: self.tokens.clone(),
            service_tokens: self.service_tokens.clone(),
            token_registry: self.store.clone(),
            write_records: self.store.clone(),
            health: self.store.clone(),
            clock: self.clock.clone(),
            store_clock: self.clock.clone(),
            ids: self.ids.clone(),
            consistency: None,
            standby_reader: None,
        }
    }

    /// Returns the use cases on these fakes.
    pub fn use_cases(&self) -> UseCases {
        UseCases::new(&self.ports())
    }
}
