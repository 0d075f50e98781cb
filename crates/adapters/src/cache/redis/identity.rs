//! The identity of the server that a session has reached.

use std::collections::HashMap;

use fred::clients::Client;
use fred::interfaces::ClientLike;
use fred::types::{CustomCommand, InfoKind, Value};

use super::RedisError;

/// The number of characters that the name of a server takes from its run id, and from its replication id.
const MAX_SERVER_NAME_CHARS: usize = 16;

/// The identity of a server and of the history of its data.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum ServerIdentity {
    /// The name that `INFO` gives. A copy, a restart and a failover change it.
    Named(String),
    /// The id of the connection, for a user that may not use `INFO`.
    Connection(i64),
}

impl ServerIdentity {
    /// Asks the server that a client is connected to.
    ///
    /// # Errors
    /// If the server is a replica or part of a cluster.
    pub(super) async fn of(client: &Client) -> Result<Self, RedisError> {
        let calls = async {
            futures_util::join!(
                connection_id(client),
                client.info::<String>(Some(InfoKind::Server)),
                client.info::<String>(Some(InfoKind::Replication)),
            )
        };
        let (connection, server, replication) = Box::pin(calls).await;
        let connection = connection?;
        match (server, replication) {
            (Ok(server), Ok(replication)) => Self::named(&server, &replication),
            (Err(error), _) | (_, Err(error)) if error.details().starts_with("NOPERM") => {
                Ok(Self::Connection(connection))
            }
            (Err(error), _) | (_, Err(error)) => Err(error.into()),
        }
    }

    /// Whether a client is still connected to this server, with the same data.
    ///
    /// # Errors
    /// Those of [`ServerIdentity::of`].
    pub(super) async fn is_current(&self, client: &Client) -> Result<bool, RedisError> {
        match self {
            Self::Named(_) => Ok(Self::of(client).await? == *self),
            // Redis would log each further INFO as refused.
            Self::Connection(id) => Ok(connection_id(client).await? == *id),
        }
    }

    fn named(server: &str, replication: &str) -> Result<Self, RedisError> {
        let field = |text: &str, name: &str| {
            text.lines()
                .find_map(|line| line.strip_prefix(name)?.strip_prefix(':'))
                .map(|value| {
                    value
                        .trim()
                        .chars()
                        .take(MAX_SERVER_NAME_CHARS)
                        .collect::<String>()
                })
        };
        let (Some(run), Some(data)) =
            (field(server, "run_id"), field(replication, "master_replid"))
        else {
            return Err(RedisError::Unusable("the server reports no run_id"));
        };
        Ok(Self::Named(format!("{run}-{data}")))
    }
}

/// Returns the id of the connection.
///
/// # Errors
/// If the server is a replica or part of a cluster.
async fn connection_id(client: &Client) -> Result<i64, RedisError> {
    let command = CustomCommand::new_static("HELLO", None, false);
    let hello: HashMap<String, Value> = client.custom(command, vec!["3"]).await?;
    let field = |name: &str| hello.get(name).and_then(Value::as_str);
    match field("mode").as_deref() {
        Some("cluster") => return Err(RedisError::Cluster),
        Some("sentinel") => {
            return Err(RedisError::Unusable(
                "the server is a Sentinel; use redis-sentinel://",
            ));
        }
        Some(_) | None => {}
    }
    if field("role").as_deref() != Some("master") {
        return Err(RedisError::Unusable(
            "the server is a replica, which accepts no writes",
        ));
    }
    let id = hello.get("id").and_then(Value::as_i64);
    id.ok_or(RedisError::Unusable("the server reports no connection id"))
}
