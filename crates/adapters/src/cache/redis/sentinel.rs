//! Asks the Sentinels which server is the primary one.

use std::time::Duration;

use fred::clients::Client;
use fred::interfaces::ClientLike;
use fred::types::CustomCommand;
use futures_util::stream::FuturesUnordered;
use futures_util::{Stream, StreamExt as _};
use tokio::time::timeout;

use super::RedisError;
use super::connect::Connection;
use super::options::RedisAddress;

/// The time limit for asking a Sentinel.
const SENTINEL_TIMEOUT: Duration = Duration::from_secs(1);

/// Returns the address of the primary server of a service. `client` creates the client of a Sentinel.
///
/// # Errors
/// That of the last Sentinel, if none names a server.
pub(super) async fn primary(
    sentinels: &[RedisAddress],
    service: &str,
    client: impl Fn(&RedisAddress) -> Result<Client, RedisError>,
) -> Result<RedisAddress, RedisError> {
    let answers: FuturesUnordered<_> = sentinels
        .iter()
        .map(|sentinel| ask(client(sentinel), service))
        .collect();
    most_named(sentinels.len(), answers).await
}

/// Returns the address that most Sentinels name, as soon as a majority names it.
///
/// A Sentinel may not reply, or be cut off from the others and name an earlier primary server.
async fn most_named(
    sentinels: usize,
    mut answers: impl Stream<Item = Result<RedisAddress, RedisError>> + Unpin,
) -> Result<RedisAddress, RedisError> {
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
        let known = named.iter().position(|(known, _)| *known == address);
        let votes = if let Some((_, votes)) = known.and_then(|place| named.get_mut(place)) {
            *votes += 1;
            *votes
        } else {
            named.push((address.clone(), 1));
            1
        };
        if votes > sentinels / 2 {
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

#[cfg(test)]
mod tests {
    use std::future::pending;

    use futures_util::FutureExt as _;
    use futures_util::stream::{iter, once};

    use super::*;

    fn address(host: &str) -> RedisAddress {
        RedisAddress {
            host: host.to_owned(),
            port: 6379,
        }
    }

    #[test]
    fn a_majority_of_the_sentinels_decides_without_the_others() {
        let answers = iter(["old", "new", "new"].map(|host| Ok(address(host))));
        let answers = answers.chain(Box::pin(once(pending())));
        let named = most_named(3, answers).now_or_never().unwrap();
        assert_eq!(named.unwrap().host, "new");
    }

    #[test]
    fn one_sentinel_is_enough_if_no_other_answers() {
        let failed = || Err(RedisError::Unusable("away"));
        for (answers, expected) in [
            (vec![failed(), Ok(address("a")), failed()], Some("a")),
            (
                vec![
                    Ok(address("a")),
                    Ok(address("b")),
                    Ok(address("b")),
                    failed(),
                ],
                Some("b"),
            ),
            (vec![failed(), failed()], None),
            (vec![], None),
        ] {
            let named = most_named(4, iter(answers)).now_or_never().unwrap();
            assert_eq!(named.ok().map(|named| named.host).as_deref(), expected);
        }
    }
}
