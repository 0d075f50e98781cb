//! Service tokens that are created and revoked at run time.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use subtle::ConstantTimeEq;
use tokio::sync::{Mutex as AsyncMutex, Semaphore};
use tokio::time::{sleep, timeout};
use user_domain::caller::ServiceCaller;
use user_domain::ports::{
    Clock, FindServiceError, ServiceTokenRegistry, ServiceTokenVerifier, StoredServiceToken,
    TokenRevocation, TokenUse,
};
use user_domain::service_token::{AppliedToken, ServiceToken, TokenPosition};
use user_domain::values::{ServiceTokenId, Timestamp, TokenDigest, TokenSecret};
use user_domain::write::{WriteContext, WriteError};
use user_domain::{Rejection, StoreError};

use crate::cache::{CachedServiceToken, ServiceTokenCache};
use crate::clock::digest;

/// The maximum number of concurrent lookups of uncached tokens, so that invented tokens do not occupy the connections.
const MAX_CONCURRENT_LOOKUPS: usize = 8;
/// The time limit of a lookup, including its wait for a permit. A later result may already be revoked.
const LOOKUP_TIMEOUT: Duration = Duration::from_secs(1);
/// The minimum time between two recorded uses of one token in this process.
const RECORD_INTERVAL: Duration = Duration::from_secs(1);
/// The interval at which the uses are written to the store.
const WRITE_INTERVAL: Duration = Duration::from_mins(1);

/// The tokens of a registry, with a cache and a record of their uses.
///
/// It also implements the registry, so that a revocation through it takes effect immediately.
pub struct ManagedTokens {
    registry: Arc<dyn ServiceTokenRegistry>,
    cache: ServiceTokenCache,
    clock: Arc<dyn Clock>,
    look_ups: Semaphore,
    /// The uses that have not been written to the store: at most one for each token.
    uses: Mutex<HashMap<ServiceTokenId, Timestamp>>,
    /// Held while uses are written.
    write_lock: AsyncMutex<()>,
}

impl ManagedTokens {
    /// Creates a verifier of the tokens of a registry.
    pub fn new(
        registry: Arc<dyn ServiceTokenRegistry>,
        cache: ServiceTokenCache,
        clock: Arc<dyn Clock>,
    ) -> Self {
        Self {
            registry,
            cache,
            clock,
            look_ups: Semaphore::new(MAX_CONCURRENT_LOOKUPS),
            uses: Mutex::default(),
            write_lock: AsyncMutex::default(),
        }
    }

    /// Writes the uses to the store once a minute, for as long as the future is polled.
    pub async fn run_usage_writer(&self) {
        loop {
            sleep(WRITE_INTERVAL).await;
            self.write_uses().await;
        }
    }

    /// Writes the unwritten uses to the store. If that fails, they are kept for the next time.
    pub async fn write_uses(&self) {
        // A write at shutdown waits for a periodic write that is running.
        let _guard = self.write_lock.lock().await;
        let uses = std::mem::take(&mut *self.uses());
        if uses.is_empty() {
            return;
        }
        let uses: Vec<TokenUse> = uses
            .into_iter()
            .map(|(id, at)| TokenUse { id, at })
            .collect();
        if let Err(error) = self.registry.note_used(&uses).await {
            tracing::warn!(%error, "service token uses could not be stored");
            for TokenUse { id, at } in uses {
                self.record_use(id, at);
            }
        }
    }

    async fn look_up(
        &self,
        id: ServiceTokenId,
    ) -> Result<Option<Arc<CachedServiceToken>>, StoreError> {
        let lookup = async {
            // The semaphore is never closed.
            let _permit = self.look_ups.acquire().await;
            if let Some(known) = self.cache.find(id) {
                return Ok(Some(known));
            }
            let lease = self.cache.lease();
            let found = self.registry.find_token(id).await?;
            Ok(found.map(|stored| self.cache.fill(lease, stored)))
        };
        timeout(LOOKUP_TIMEOUT, lookup).await.unwrap_or_else(|_| {
            let reason = "the lookup of the service token timed out";
            Err(StoreError::Unavailable(reason.to_owned()))
        })
    }

    /// Returns the token with this id if the secret matches, even if it has expired or was revoked.
    async fn find_by_secret(
        &self,
        id: ServiceTokenId,
        secret: &TokenSecret,
    ) -> Result<Option<Arc<CachedServiceToken>>, StoreError> {
        let known = match self.cache.find(id) {
            Some(known) => Some(known),
            None => self.look_up(id).await?,
        };
        Ok(known.filter(|known| {
            let (shown, stored) = (digest(secret), &known.stored.digest);
            bool::from(shown.as_bytes().ct_eq(stored.as_bytes()))
        }))
    }

    fn record_use(&self, id: ServiceTokenId, at: Timestamp) {
        let mut uses = self.uses();
        let last = uses.entry(id).or_insert(at);
        *last = at.max(*last);
    }

    fn uses(&self) -> MutexGuard<'_, HashMap<ServiceTokenId, Timestamp>> {
        self.uses.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[async_trait]
impl ServiceTokenVerifier for ManagedTokens {
    async fn find(&self, token: &str) -> Result<Option<ServiceCaller>, FindServiceError> {
        let Some((id, secret)) = TokenSecret::parse_token(token) else {
            return Ok(None);
        };
        let known = self.find_by_secret(id, &secret).await?;
        let Some(known) = known else {
            return Err(FindServiceError::Rejected(Rejection::UnknownServiceToken));
        };
        let now = self.clock.now();
        let admitted = known.stored.token.check_valid(now);
        admitted.map_err(FindServiceError::Rejected)?;
        if known.is_use_due(now, RECORD_INTERVAL) {
            self.record_use(id, now);
        }
        Ok(Some(known.caller.clone()))
    }

    async fn find_revoked(&self, token: &str) -> Result<Option<ServiceToken>, StoreError> {
        let Some((id, secret)) = TokenSecret::parse_token(token) else {
            return Ok(None);
        };
        let known = self.find_by_secret(id, &secret).await?;
        let token = known.map(|known| known.stored.token.clone());
        Ok(token.filter(|token| token.is_revoked_before_expiry(self.clock.now())))
    }
}

#[async_trait]
impl ServiceTokenRegistry for ManagedTokens {
    async fn add_token(
        &self,
        issued: &AppliedToken,
        digest: &TokenDigest,
    ) -> Result<(), StoreError> {
        self.registry.add_token(issued, digest).await
    }

    async fn find_token(
        &self,
        id: ServiceTokenId,
    ) -> Result<Option<StoredServiceToken>, StoreError> {
        self.registry.find_token(id).await
    }

    async fn list_tokens(
        &self,
        after: Option<TokenPosition>,
        limit: u16,
    ) -> Result<Vec<ServiceToken>, StoreError> {
        self.registry.list_tokens(after, limit).await
    }

    async fn revoke_token(
        &self,
        id: ServiceTokenId,
        context: &WriteContext,
    ) -> Result<TokenRevocation, WriteError> {
        let revoked = self.registry.revoke_token(id, context).await;
        // Also after an error: the revocation may have been committed.
        self.cache.invalidate(id).await;
        revoked
    }

    async fn note_used(&self, uses: &[TokenUse]) -> Result<(), StoreError> {
        self.registry.note_used(uses).await
    }
}

#[cfg(test)]
mod tests;
