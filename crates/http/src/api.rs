//! What every handler works with.

use std::sync::Arc;
use std::sync::atomic::AtomicUsize;
use std::time::Duration;

use user_domain::ports::{IdGenerator, StoreHealth};
use user_domain::use_cases::{Ports, UseCases};

use crate::detach::Writes;
use crate::metrics::Exposition;
use crate::readiness::Readiness;
use crate::seal::Seal;

/// How the API is served.
#[derive(Clone)]
pub struct HttpSettings {
    /// The gateway's prefix: empty, or `/` and at least one segment, without a trailing slash.
    ///
    /// Everything is served below it and at the root, for gateways that strip it and gateways that do not.
    pub base_path: String,
    /// The origins that browsers may call from: none, some, or `*` for any.
    pub cors_allowed_origins: Vec<String>,
    /// The secret that cursors and fingerprints are sealed with; the same on every replica.
    pub sealing_key: [u8; 32],
    /// Whether health and metrics are served elsewhere, by [`crate::management`], and not beside the users.
    pub has_management: bool,
    /// How long the parts of a request may take.
    pub deadlines: Deadlines,
    /// The most bytes of a body.
    pub body_limit: usize,
    /// The most bytes of all header fields together.
    pub header_limit: usize,
    /// The most requests of the API at a time; the next is refused before anything of it is looked at.
    pub active_limit: usize,
}

/// How long the parts of a request may take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Deadlines {
    /// A read or write, from its first byte, or from the last byte of its body.
    pub request: Duration,
    /// A walk, a search, a count or an export.
    pub listing: Duration,
    /// The arrival of a body.
    pub body: Duration,
}

/// All that the handlers need; cheap to clone.
#[derive(Clone)]
pub struct Api {
    inner: Arc<Inner>,
}

struct Inner {
    use_cases: UseCases,
    health: Arc<dyn StoreHealth>,
    ids: Arc<dyn IdGenerator>,
    settings: HttpSettings,
    seal: Seal,
    writes: Writes,
    readiness: Readiness,
    metrics: Exposition,
    /// The requests that are being answered.
    active: AtomicUsize,
}

impl HttpSettings {
    /// The settings of a service at the root, without CORS.
    pub fn new(sealing_key: [u8; 32]) -> Self {
        Self {
            base_path: String::new(),
            cors_allowed_origins: Vec::new(),
            sealing_key,
            has_management: false,
            deadlines: Deadlines::default(),
            body_limit: 1024 * 1024,
            header_limit: 16 * 1024,
            active_limit: 4096,
        }
    }
}

impl Default for Deadlines {
    /// 2 s; 5 s for lists; 10 s for a body.
    fn default() -> Self {
        Self {
            request: Duration::from_secs(2),
            listing: Duration::from_secs(5),
            body: Duration::from_secs(10),
        }
    }
}

impl Api {
    /// Puts together what the handlers need.
    pub fn new(
        ports: &Ports,
        settings: HttpSettings,
        writes: Writes,
        readiness: Readiness,
        metrics: Exposition,
    ) -> Self {
        let inner = Inner {
            use_cases: UseCases::new(ports),
            health: ports.health.clone(),
            ids: ports.ids.clone(),
            seal: Seal::new(&settings.sealing_key),
            settings,
            writes,
            readiness,
            metrics,
            active: AtomicUsize::new(0),
        };
        Self {
            inner: Arc::new(inner),
        }
    }

    pub(crate) fn use_cases(&self) -> &UseCases {
        &self.inner.use_cases
    }

    pub(crate) fn health(&self) -> &dyn StoreHealth {
        &*self.inner.health
    }

    pub(crate) fn ids(&self) -> &dyn IdGenerator {
        &*self.inner.ids
    }

    pub(crate) fn settings(&self) -> &HttpSettings {
        &self.inner.settings
    }

    pub(crate) fn seal(&self) -> &Seal {
        &self.inner.seal
    }

    pub(crate) fn writes(&self) -> &Writes {
        &self.inner.writes
    }

    pub(crate) fn readiness(&self) -> &Readiness {
        &self.inner.readiness
    }

    pub(crate) fn active(&self) -> &AtomicUsize {
        &self.inner.active
    }

    pub(crate) fn metrics(&self) -> &Exposition {
        &self.inner.metrics
    }
}
