//! The services' tokens that are made and revoked while the service runs.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use subtle::ConstantTimeEq;
use tokio::sync::{Mutex as AsyncMutex, Semaphore};
use tokio::time::{sleep, timeout};
use user_domain::StoreError;
use user_domain::caller::ServiceCaller;
use user_domain::ports::{Clock, KeptToken, ServiceTokenRegistry, ServiceTokens, TokenUse};
use user_domain::service_token::{AppliedToken, ServiceToken};
use user_domain::values::{ServiceTokenId, Timestamp, TokenDigest, TokenSecret};
use user_domain::write::WriteContext;

use crate::cache::{KnownToken, TokenCache};
use crate::clock::digest;

/// How many unknown tokens the store is asked for at a time: whoever makes tokens up does not take its connections.
const LOOK_UPS: usize = 8;
/// How long a look-up may take, its turn included. What is told later may have been revoked meanwhile.
const PATIENCE: Duration = Duration::from_secs(1);
/// How often the uses of one token are taken note of in this process.
const NOTED_EVERY: Duration = Duration::from_secs(1);
/// How often they are written into the store.
const WRITTEN_EVERY: Duration = Duration::from_mins(1);

/// The tokens of a registry, remembered while somebody vouches for them, and their uses.
///
/// What is told to the registry goes through it, so that a revocation counts here at once.
pub struct ManagedTokens {
    registry: Arc<dyn ServiceTokenRegistry>,
    cache: TokenCache,
    clock: Arc<dyn Clock>,
    look_ups: Semaphore,
    /// Uses that the store has not been told of: one at most for each token there is.
    uses: Mutex<HashMap<ServiceTokenId, Timestamp>>,
    /// Held while uses are written.
    writing: AsyncMutex<()>,
}

impl ManagedTokens {
    /// Checks the tokens of a registry by the time of a clock.
    pub fn new(
        registry: Arc<dyn ServiceTokenRegistry>,
        cache: TokenCache,
        clock: Arc<dyn Clock>,
    ) -> Self {
        Self {
            registry,
            cache,
            clock,
            look_ups: Semaphore::new(LOOK_UPS),
            uses: Mutex::default(),
            writing: AsyncMutex::default(),
        }
    }

    /// Writes the uses into the store once a minute, for as long as it is polled.
    pub async fn keep_noting_uses(&self) {
        loop {
            sleep(WRITTEN_EVERY).await;
            self.note_uses().await;
        }
    }

    /// Writes the uses since the last time into the store. What it does not take is kept for the next time.
    pub async fn note_uses(&self) {
        // Whoever comes at the end of the service waits for the one who writes.
        let _writing = self.writing.lock().await;
        let uses = std::mem::take(&mut *self.uses());
        if uses.is_empty() {
            return;
        }
        let told: Vec<TokenUse> = uses
            .into_iter()
            .map(|(id, at)| TokenUse { id, at })
            .collect();
        if let Err(error) = self.registry.note_used(&told).await {
            tracing::warn!(%error, "the last uses of tokens were not noted");
            for TokenUse { id, at } in told {
                self.note(id, at);
            }
        }
    }

    async fn look_up(&self, id: ServiceTokenId) -> Result<Option<Arc<KnownToken>>, StoreError> {
        let looking = async {
            // It is never closed.
            let _turn = self.look_ups.acquire().await;
            if let Some(known) = self.cache.find(id) {
                return Ok(Some(known));
            }
            let lease = self.cache.lease();
            let found = self.registry.find_token(id).await?;
            Ok(found.map(|kept| self.cache.fill(lease, kept)))
        };
        timeout(PATIENCE, looking).await.unwrap_or_else(|_| {
            let reason = "the token was not looked up in time";
            Err(StoreError::Unavailable(reason.to_owned()))
        })
    }

    fn note(&self, id: ServiceTokenId, at: Timestamp) {
        let mut uses = self.uses();
        let last = uses.entry(id).or_insert(at);
        *last = at.max(*last);
    }

    fn uses(&self) -> MutexGuard<'_, HashMap<ServiceTokenId, Timestamp>> {
        self.uses.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[async_trait]
impl ServiceTokens for ManagedTokens {
    async fn find(&self, token: &str) -> Result<Option<ServiceCaller>, StoreError> {
        let Some((id, secret)) = TokenSecret::read(token) else {
            return Ok(None);
        };
        let known = match self.cache.find(id) {
            Some(known) => Some(known),
            None => self.look_up(id).await?,
        };
        let Some(known) = known else {
            return Ok(None);
        };
        let (shown, kept) = (digest(&secret), &known.kept.digest);
        let is_proven = bool::from(shown.as_bytes().ct_eq(kept.as_bytes()));
        let now = self.clock.now();
        if !is_proven || !known.kept.token.admits(now) {
            return Ok(None);
        }
        if known.is_use_due(now, NOTED_EVERY) {
            self.note(id, now);
        }
        Ok(Some(known.caller.clone()))
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

    async fn find_token(&self, id: ServiceTokenId) -> Result<Option<KeptToken>, StoreError> {
        self.registry.find_token(id).await
    }

    async fn list_tokens(&self) -> Result<Vec<ServiceToken>, StoreError> {
        self.registry.list_tokens().await
    }

    async fn revoke_token(
        &self,
        id: ServiceTokenId,
        context: &WriteContext,
    ) -> Result<Option<ServiceToken>, StoreError> {
        let revoked = self.registry.revoke_token(id, context).await;
        // Whatever came of it: a failure may have an unknown outcome.
        self.cache.forget(id).await;
        revoked
    }

    async fn note_used(&self, uses: &[TokenUse]) -> Result<(), StoreError> {
        self.registry.note_used(uses).await
    }
}

#[cfg(test)]
mod tests;
