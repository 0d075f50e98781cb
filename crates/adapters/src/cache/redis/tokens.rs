//! Invalidation messages about service tokens. Redis stores nothing about them.

use std::sync::Arc;

use fred::interfaces::PubsubInterface;
use tokio::time::timeout;
use tracing::Instrument;
use user_domain::values::ServiceTokenId;

use super::messages::token_message;
use super::{COMMAND_TIMEOUT, RedisError, RedisSession, RedisTier};
use crate::operations::{System, timed};

impl RedisTier {
    /// Publishes that a token has changed, and waits for that as for a change of a user.
    pub(in crate::cache) async fn publish_token(self: &Arc<Self>, id: ServiceTokenId) {
        let Some(session) = self.session() else {
            return;
        };
        let tier = self.clone();
        let publishing = async move {
            let changed = [id];
            let call = tier.publish_tokens(&session, &changed);
            match timed(System::Redis, "tell", call, Result::is_err).await {
                Ok(()) => tier.breaker.record_success(),
                Err(error) => {
                    tracing::debug!(%error, "Redis publication of a token invalidation failed");
                }
            }
        };
        let publishing = tokio::spawn(publishing.in_current_span());
        if self.breaker.is_closed() && timeout(self.options.timeout, publishing).await.is_err() {
            self.breaker.record_failure();
        }
    }

    /// Publishes changed tokens to the replicas that cannot read the outbox.
    pub(super) async fn publish_tokens(
        &self,
        session: &RedisSession,
        tokens: &[ServiceTokenId],
    ) -> Result<(), RedisError> {
        for id in tokens {
            let text = token_message(*id);
            let call = session
                .client
                .publish::<i64, _, _>(session.keys.changes(), text);
            timeout(COMMAND_TIMEOUT, call).await??;
        }
        Ok(())
    }
}
