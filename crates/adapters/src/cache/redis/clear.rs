//! Clears the Redis tier, for an operator.

use fred::interfaces::KeysInterface;
use fred::types::scan::Scanner;
use futures_util::TryStreamExt;

use super::connect::{self, RedisError};
use super::identity::ServerIdentity;
use super::keys::RedisKeys;
use super::{RedisOptions, scripts};

/// Clears the cache of every connected replica, and deletes the users of a store from Redis. Returns the number of
/// deleted users.
///
/// The epoch is ended first, so its values are misses even if the deletion does not finish.
///
/// # Errors
/// If Redis cannot be reached, or fails during the deletion. In the second case the remaining values are misses.
pub async fn clear(options: &RedisOptions, store: &str) -> Result<u64, RedisError> {
    let keys = RedisKeys::of(store);
    let (client, _connection) = connect::open(&options.connection).await?;
    ServerIdentity::of(&client).await?;
    let names = vec![keys.epoch(), keys.position()];
    let arguments = vec![String::new(), keys.changes()];
    scripts::CLEAR
        .evalsha_with_reload::<i64, _, _>(&client, names, arguments)
        .await?;
    let mut count = 0;
    let mut pages = Box::pin(client.scan(keys.users(), Some(500), None));
    while let Some(mut page) = pages.try_next().await? {
        let found = page.take_results().unwrap_or_default();
        if !found.is_empty() {
            count += client.unlink::<u64, _>(found).await?;
        }
        page.next();
    }
    Ok(count)
}
