//! The dependencies of all handlers.

use std::sync::Arc;
use std::time::Duration;

use user_domain::directory::MetadataKey;
use user_domain::ports::{Consistency, IdGenerator, StoreHealth};
use user_domain::use_cases::{Ports, UseCases};

use crate::docs::Documents;
use crate::exposition::Exposition;
use crate::readiness::Readiness;
use crate::resource_limits::{RateLimit, RateLimits, ResourceLimits};
use crate::signing::SigningKeys;
use crate::write_tasks::WriteTasks;

/// The settings of the API.
#[derive(Clone)]
pub struct HttpSettings {
    /// The gateway's prefix: empty, or `/` and at least one segment, without a trailing slash.
    ///
    /// Everything is served below the prefix and at the root, because some gateways strip the prefix and some do not.
    pub base_path: String,
    /// The origins that browsers may call the API from: none, some, or `*` for any.
    pub cors_allowed_origins: Vec<String>,
    /// The additional header fields that pages of these origins may send, in lower case.
    pub cors_allowed_headers: Vec<String>,
    /// The secret that the keys of cursors, fingerprints and entity tags are derived from; the same on every replica.
    pub sealing_key: [u8; 32],
    /// Whether health and metrics are served on a separate port, by [`crate::management`].
    pub has_management: bool,
    /// The metadata keys by which the directory can be filtered.
    pub indexed_metadata: Vec<MetadataKey>,
    /// The deadlines of the parts of a request.
    pub deadlines: Deadlines,
    /// The maximum number of bytes of all header fields of a request together.
    pub header_limit: usize,
    /// The maximum number of concurrent API requests. Further requests are refused before any processing.
    pub active_limit: usize,
    /// The maximum number of concurrent requests that wait for their bodies. Beyond it, the slowest is ended.
    pub held_body_limit: usize,
    /// The rate of the requests of each user in this process. `None`: no limit.
    pub user_rate_limit: Option<RateLimit>,
    /// The rate of the requests of each service in this process. `None`: no limit.
    pub service_rate_limit: Option<RateLimit>,
}

/// The deadlines of the parts of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Deadlines {
    /// The deadline of a read or write, from its first byte, or from the last byte of its body.
    pub request: Duration,
    /// The deadline of a list, a search, a count or an export.
    pub listing: Duration,
    /// The deadline for the arrival of a body.
    pub body: Duration,
}

/// The dependencies of all handlers; cheap to clone.
#[derive(Clone)]
pub struct Api {
    inner: Arc<Inner>,
}

struct Inner {
    use_cases: UseCases,
    health: Arc<dyn StoreHealth>,
    ids: Arc<dyn IdGenerator>,
    consistency: Option<Arc<dyn Consistency>>,
    settings: HttpSettings,
    signing_keys: SigningKeys,
    documents: Documents,
    write_tasks: WriteTasks,
    readiness: Readiness,
    metrics: Exposition,
    resource_limits: ResourceLimits,
}

impl HttpSettings {
    /// Creates the settings of a service at the root, without CORS.
    pub fn new(sealing_key: [u8; 32]) -> Self {
        Self {
            base_path: String::new(),
            cors_allowed_origins: Vec::new(),
            cors_allowed_headers: Vec::new(),
            sealing_key,
            has_management: false,
            indexed_metadata: Vec::new(),
            deadlines: Deadlines::default(),
            header_limit: 16 * 1024,
            active_limit: 4096,
            held_body_limit: 1024,
            user_rate_limit: None,
            service_rate_limit: None,
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
    /// Assembles the dependencies of the handlers.
    pub fn new(
        ports: &Ports,
        settings: HttpSettings,
        write_tasks: WriteTasks,
        readiness: Readiness,
        metrics: Exposition,
    ) -> Self {
        let inner = Inner {
            use_cases: UseCases::new(ports),
            health: ports.health.clone(),
            ids: ports.ids.clone(),
            consistency: ports.consistency.clone(),
            documents: Documents::new(&settings.base_path, settings.has_management),
            signing_keys: SigningKeys::new(&settings.sealing_key),
            resource_limits: ResourceLimits {
                rates: RateLimits::new(settings.user_rate_limit, settings.service_rate_limit),
                ..ResourceLimits::new(settings.held_body_limit)
            },
            settings,
            write_tasks,
            readiness,
            metrics,
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

    /// `None` if the store has no standbys.
    pub(crate) fn consistency(&self) -> Option<&dyn Consistency> {
        self.inner.consistency.as_deref()
    }

    pub(crate) fn settings(&self) -> &HttpSettings {
        &self.inner.settings
    }

    pub(crate) fn signing_keys(&self) -> &SigningKeys {
        &self.inner.signing_keys
    }

    pub(crate) fn documents(&self) -> &Documents {
        &self.inner.documents
    }

    pub(crate) fn write_tasks(&self) -> &WriteTasks {
        &self.inner.write_tasks
    }

    pub(crate) fn readiness(&self) -> &Readiness {
        &self.inner.readiness
    }

    pub(crate) fn resource_limits(&self) -> &ResourceLimits {
        &self.inner.resource_limits
    }

    /// Whether new requests are refused: too many are active, or too many response bytes are unsent.
    pub(crate) fn is_overloaded(&self) -> bool {
        let resource_limits = &self.inner.resource_limits;
        resource_limits
            .active
            .exceed(self.inner.settings.active_limit)
            || resource_limits.unsent.is_exhausted()
    }

    pub(crate) fn metrics(&self) -> &Exposition {
        &self.inner.metrics
    }
}
