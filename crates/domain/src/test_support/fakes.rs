//! Fakes of the ports: they keep the ports' promises, in memory, by the domain's own rules.

mod cache;
mod clock;
mod hasher;
mod store;
mod tokens;

use std::sync::Arc;

pub use cache::FakeCache;
pub use clock::{FixedClock, SequentialIds, SteppingClock};
pub use hasher::FakeHasher;
pub use store::FakeStore;
pub use tokens::{FakeServiceTokens, FakeTokens};

use super::samples;
use crate::use_cases::{Ports, UseCases};

/// A fake of every port, each within reach of the test.
#[derive(Debug, Clone)]
pub struct Fakes {
    /// What is stored.
    pub store: Arc<FakeStore>,
    /// What is remembered of it.
    pub cache: Arc<FakeCache>,
    /// The tokens of users.
    pub tokens: Arc<FakeTokens>,
    /// The tokens of services.
    pub service_tokens: Arc<FakeServiceTokens>,
    /// The time, a second later at each look.
    pub clock: Arc<SteppingClock>,
    /// The ids.
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
            // Far from the ids of samples, which may stand in the same store.
            ids: Arc::new(SequentialIds::starting_at(1 << 32)),
        }
    }
}

impl Fakes {
    /// Gives the fakes as ports.
    pub fn ports(&self) -> Ports {
        Ports {
            reader: self.store.clone(),
            writer: self.store.clone(),
            directory: self.store.clone(),
            import: self.store.clone(),
            change_log: self.store.clone(),
            retention: self.store.clone(),
            credentials: self.store.clone(),
            login_attempts: self.store.clone(),
            decoys: Arc::new(FakeHasher),
            hasher: Arc::new(FakeHasher),
            relationships: self.store.clone(),
            relationship_upkeep: self.store.clone(),
            cache: self.cache.clone(),
            tokens: self.tokens.clone(),
            service_tokens: self.service_tokens.clone(),
            token_registry: self.store.clone(),
            health: self.store.clone(),
            clock: self.clock.clone(),
            ids: self.ids.clone(),
        }
    }

    /// Gives the use cases on these fakes.
    pub fn use_cases(&self) -> UseCases {
        UseCases::new(&self.ports())
    }
}
