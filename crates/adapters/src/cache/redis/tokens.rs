//! What Redis carries of the tokens of services: the news that one has changed. It keeps nothing of them.

use std::sync::Arc;

use fred::interfaces::PubsubInterface;
use tokio::time::timeout;
use tracing::Instrument;
use user_domain::values::ServiceTokenId;

use super::{DEADLINE, Link, PATIENCE, RedisError, SecondTier};
use crate::operations::{System, timed};

/// What the news of a token begins with, as no id does.
const TOKEN: &str = "token ";

/// Words the news of a token of a service. A release that knows none takes no notice of it.
fn news(id: ServiceTokenId) -> String {
    format!("{TOKEN}{id}")
}

/// Reads the news of a token.
pub(super) fn read_news(text: &str) -> Option<ServiceTokenId> {
    ServiceTokenId::parse(text.strip_prefix(TOKEN)?).ok()
}

impl SecondTier {
    /// Tells the other replicas that a token has changed, and waits for it a few milliseconds, as for a change of a user.
    pub(in crate::cache) async fn tell_of_token(self: &Arc<Self>, id: ServiceTokenId) {
        let Some(link) = self.link() else {
            return;
        };
        let tier = self.clone();
        let telling = async move {
            let changed = [id];
            let told = tier.announce(&link, &changed);
            if let Err(error) = timed(System::Redis, "tell", told, Result::is_err).await {
                tracing::debug!(%error, "Redis was not told of a token");
            }
        };
        let telling = tokio::spawn(telling.in_current_span());
        if self.breaker.is_closed() && timeout(PATIENCE, telling).await.is_err() {
            self.breaker.failed();
        }
    }

    /// Tells of tokens to those whose own outbox is away. Redis keeps nothing of them.
    pub(super) async fn announce(
        &self,
        link: &Link,
        tokens: &[ServiceTokenId],
    ) -> Result<(), RedisError> {
        for id in tokens {
            let text = news(*id);
            let told = link.client.publish::<i64, _, _>(link.keys.changes(), text);
            timeout(DEADLINE, told).await??;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use user_domain::test_support::samples::{token_id, user_id};

    use super::super::link;
    use super::*;

    #[test]
    fn news_of_a_token_is_read_as_it_was_worded_and_is_none_of_a_user() {
        let id = token_id();
        assert_eq!(read_news(&news(id)), Some(id));
        assert_eq!(link::read_news(&news(id)), None);
        for other in ["", link::FLUSH, TOKEN, "token x", &link::news(user_id(), 7)] {
            assert_eq!(read_news(other), None, "{other}");
        }
    }
}
