//! Empties the tier in Redis, for an operator.

use fred::interfaces::KeysInterface;
use fred::types::scan::Scanner;
use futures_util::TryStreamExt;
use tokio::time::timeout;

use super::connect::{self, CONNECT, Connection, RedisError};
use super::keys::Keys;
use super::{RedisOptions, scripts};

/// Makes every replica that listens forget what it knows, and takes the users of a store out of Redis; gives how many.
///
/// Nothing is served from before once this returns, whatever is still to be taken out.
///
/// # Errors
/// When Redis cannot be reached, or fails on the way: what is left counts for nothing all the same.
pub async fn clear(options: &RedisOptions, store: &str) -> Result<u64, RedisError> {
    let keys = Keys::of(store);
    let client = connect::client(options)?;
    let _connection = timeout(CONNECT, Connection::make(&client)).await??;
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
