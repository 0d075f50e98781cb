//! Asks the Sentinels which server is the primary one.

use std::time::Duration;

use fred::clients::Client;
use fred::interfaces::ClientLike;
use fred::types::CustomCommand;
use futures_util::StreamExt as _;
use futures_util::stream::FuturesUnordered;
use tokio::time::timeout;

use super::RedisError;
use super::connect::Connection;
use super::options::RedisAddress;

/// The time limit for asking a Sentinel.
const SENTINEL_TIMEOUT: Duration = Duration::from_secs(1);

/// Returns the address of the primary server of a service: the one that most Sentinels name. `client` creates the client
/// of a Sentinel.
///
/// All are asked at once, and the answer does not wait for a minority: a Sentinel may not reply, or be cut off from the
/// others and name an earlier primary server.
///
/// # Errors
/// That of the last Sentinel, if none names a server.
pub(super) async fn primary(
    sentinels: &[RedisAddress],
    service: &str,
    client: impl Fn(&RedisAddress) -> Result<Client, RedisError>,
) -> Result<RedisAddress, RedisError> {
    let mut answers: FuturesUnordered<_> = sentinels
        .iter()
        .map(|sentinel| ask(client(sentinel), service))
        .collect();
    let mut named: Vec<(RedisAddress, usize)> = Vec::new();
    let mut last = RedisError::Unusable("no Sentinel is known");
    while let Some(answer) = answers.next().await {
        let address = match answer {
            Ok(address) => address,
            Err(error) => {
                last = error;
                continue;
            }
        };
        let votes = match named.iter_mut().find(|(known, _)| *known == address) {
            Some((_, votes)) => {
                *votes += 1;
                *votes
            }
            None => {
                named.push((address.clone(), 1));
                1
            }
        };
        if votes > sentinels.len() / 2 {
            return Ok(address);
        }
    }
    let most = named.into_iter().max_by_key(|(_, votes)| *votes);
    most.map(|(address, _)| address).ok_or(last)
}

/// Asks one Sentinel.
async fn ask(
    client: Result<Client, RedisError>,
    service: &str,
) -> Result<RedisAddress, RedisError> {
    let client = client?;
    let asked = async {
        let _connection = Connection::make(&client).await?;
        let command = CustomCommand::new_static("SENTINEL", None, false);
        let arguments = vec!["get-master-addr-by-name", service];
        let answer = client.custom::<Option<(String, u16)>, _>(command, arguments);
        Ok::<_, RedisError>(answer.await?)
    };
    let (host, port) = timeout(SENTINEL_TIMEOUT, asked)
        .await??
        .ok_or(RedisError::Unusable("Sentinel does not know the service"))?;
    Ok(RedisAddress { host, port })
}
