//! The commands of a session.

use fred::interfaces::KeysInterface;
use fred::types::Value;
use tokio::time::timeout;
use user_domain::ports::LogPosition;
use user_domain::values::UserId;

use super::messages::user_message;
use super::{COMMAND_TIMEOUT, RedisError, RedisSession, scripts};

impl RedisSession {
    /// Deletes users below these revisions, voids their leases and publishes the invalidation to the replicas.
    pub(super) async fn invalidate(&self, changes: &[(UserId, i64)]) -> Result<(), RedisError> {
        let mut keys = Vec::with_capacity(changes.len() * 2);
        let mut arguments = Vec::with_capacity(changes.len() * 2 + 1);
        arguments.push(self.keys.changes());
        for (id, revision) in changes {
            keys.extend([self.keys.user(*id), self.keys.lease(*id)]);
            arguments.extend([revision.to_string(), user_message(*id, *revision)]);
        }
        scripts::INVALIDATE
            .evalsha_with_reload::<i64, _, _>(&self.client, keys, arguments)
            .await?;
        Ok(())
    }

    /// Returns the outbox position up to which the users of the epoch have been corrected, if Redis has one.
    pub(super) async fn position(&self) -> Result<Option<LogPosition>, RedisError> {
        let call = self.client.get::<Value, _>(self.keys.position());
        let position = timeout(COMMAND_TIMEOUT, call).await??;
        // The key may hold other data by mistake.
        let text = position
            .as_bytes()
            .and_then(|bytes| str::from_utf8(bytes).ok());
        Ok(text.map(|text| LogPosition::from_store(text.to_owned())))
    }

    /// Stores the outbox position up to which the users have been corrected.
    pub(super) async fn save_position(&self, position: &LogPosition) -> Result<(), RedisError> {
        let keys = vec![self.keys.epoch(), self.keys.position()];
        let arguments = vec![self.epoch.clone(), position.as_str().to_owned()];
        let call =
            scripts::SAVE_POSITION.evalsha_with_reload::<i64, _, _>(&self.client, keys, arguments);
        timeout(COMMAND_TIMEOUT, call).await??;
        Ok(())
    }

    /// Ends the epoch, so that all stored values become misses.
    pub(super) async fn clear(&self) -> Result<(), RedisError> {
        let keys = vec![self.keys.epoch(), self.keys.position()];
        let arguments = vec![self.epoch.clone(), self.keys.changes()];
        let call = scripts::CLEAR.evalsha_with_reload::<i64, _, _>(&self.client, keys, arguments);
        timeout(COMMAND_TIMEOUT, call).await??;
        Ok(())
    }
}
