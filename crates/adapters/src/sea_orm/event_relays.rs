//! The leases and positions of relays, by the clock of the database.

use std::time::Duration;

use async_trait::async_trait;
use sea_orm::{QueryResult, Value};
use tokio::time::timeout;
use user_domain::StoreError;
use user_domain::ports::{EventPosition, EventRelays, FeedPosition, RelayLease};
use uuid::Uuid;

use super::connection::Pool;
use super::dialect::Dialect;
use super::errors::OperationError;
use super::{SeaOrmUsers, raw_sql};
use crate::guards::Guard;

/// The time limit of a statement, for a database that does not answer. A leader must learn of it before its lease ends.
const STATEMENT_TIMEOUT: Duration = Duration::from_secs(2);

#[async_trait]
impl EventRelays for SeaOrmUsers {
    async fn lease_remaining(&self, relay: &str) -> Result<Duration, StoreError> {
        let work = in_time(remaining(&self.connections.reads, relay));
        self.timed("find_relay_lease", work).await
    }

    async fn take(
        &self,
        relay: &str,
        holder: Uuid,
        lease: Duration,
    ) -> Result<Option<RelayLease>, StoreError> {
        let work = in_time(take(&self.connections.writes, relay, holder, lease));
        self.timed("take_relay_lease", work).await
    }

    async fn renew(&self, relay: &str, epoch: i64, lease: Duration) -> Result<bool, StoreError> {
        let work = in_time(renew(&self.connections.writes, relay, epoch, lease));
        self.timed("renew_relay_lease", work).await
    }

    async fn advance(
        &self,
        relay: &str,
        epoch: i64,
        position: &FeedPosition,
    ) -> Result<bool, StoreError> {
        let work = in_time(advance(&self.connections.writes, relay, epoch, position));
        self.timed("advance_relay", work).await
    }

    async fn release(&self, relay: &str, epoch: i64) -> Result<(), StoreError> {
        let released = renew(&self.connections.writes, relay, epoch, Duration::ZERO);
        let work = in_time(async { released.await.map(drop) });
        self.timed("release_relay_lease", work).await
    }
}

async fn in_time<T>(
    work: impl Future<Output = Result<T, OperationError>>,
) -> Result<T, OperationError> {
    let unavailable = |_| StoreError::Unavailable("the database does not answer".to_owned());
    timeout(STATEMENT_TIMEOUT, work)
        .await
        .map_err(unavailable)?
}

async fn remaining(db: &Pool, relay: &str) -> Result<Duration, OperationError> {
    let sql = Dialect::of(db).choose(POSTGRES_REMAINING, SQLITE_REMAINING);
    let rows = raw_sql::query(db, sql, [relay.into()]).await?;
    let millis = match rows.first() {
        Some(row) => row.try_get("", "millis")?,
        None => 0_i64,
    };
    Ok(Duration::from_millis(
        u64::try_from(millis).unwrap_or_default(),
    ))
}

async fn take(
    db: &Pool,
    relay: &str,
    holder: Uuid,
    lease: Duration,
) -> Result<Option<RelayLease>, OperationError> {
    let dialect = Dialect::of(db);
    let (now, until) = (now(dialect), lease_end(dialect, 3));
    let sql = format!(
        "INSERT INTO relays (name, holder, epoch, lease_until) VALUES ($1, $2, 1, {until})
        ON CONFLICT (name) DO UPDATE
            SET holder = excluded.holder, epoch = relays.epoch + 1, lease_until = excluded.lease_until
            WHERE relays.lease_until <= {now} OR relays.holder = excluded.holder
        RETURNING epoch, seq, tag, (SELECT id FROM store) AS store_id"
    );
    let values: [Value; 3] = [relay.into(), holder.into(), millis(lease)];
    let rows = raw_sql::query(db, sql, values).await?;
    rows.first().map(to_lease).transpose()
}

async fn renew(
    db: &Pool,
    relay: &str,
    epoch: i64,
    lease: Duration,
) -> Result<bool, OperationError> {
    let until = lease_end(Dialect::of(db), 3);
    let sql = format!("UPDATE relays SET lease_until = {until} WHERE name = $1 AND epoch = $2");
    let values: [Value; 3] = [relay.into(), epoch.into(), millis(lease)];
    Ok(raw_sql::execute(db, sql, values).await?.rows_affected() == 1)
}

async fn advance(
    db: &Pool,
    relay: &str,
    epoch: i64,
    position: &FeedPosition,
) -> Result<bool, OperationError> {
    // Without the guard, every epoch may store its position.
    let fence = if db.is_guarded(Guard::RelayEpoch) {
        "epoch = $2"
    } else {
        "epoch >= $2"
    };
    let sql = format!("UPDATE relays SET seq = $3, tag = $4 WHERE name = $1 AND {fence}");
    let values: [Value; 4] = [
        relay.into(),
        epoch.into(),
        position.at.get().into(),
        position.tag.to_vec().into(),
    ];
    Ok(raw_sql::execute(db, sql, values).await?.rows_affected() == 1)
}

fn to_lease(row: &QueryResult) -> Result<RelayLease, OperationError> {
    let seq: Option<i64> = row.try_get("", "seq")?;
    let tag: Option<Vec<u8>> = row.try_get("", "tag")?;
    let store: String = row.try_get("", "store_id")?;
    let malformed = |what: &str| StoreError::Internal(format!("{what} is malformed"));
    let store = Uuid::parse_str(&store).map_err(|_| malformed("the id of the store"))?;
    let position = match (seq, tag) {
        (Some(seq), Some(tag)) => Some(FeedPosition {
            store,
            at: EventPosition::from_store(seq),
            tag: tag
                .try_into()
                .map_err(|_| malformed("the position of a relay"))?,
        }),
        _ => None,
    };
    Ok(RelayLease {
        epoch: row.try_get("", "epoch")?,
        position,
    })
}

fn millis(duration: Duration) -> Value {
    i64::try_from(duration.as_millis())
        .unwrap_or(i64::MAX)
        .into()
}

/// The current time of the database.
fn now(dialect: Dialect) -> &'static str {
    dialect.choose("clock_timestamp()", "strftime('%Y-%m-%d %H:%M:%f', 'now')")
}

/// The end of a lease whose milliseconds are in this parameter.
fn lease_end(dialect: Dialect, parameter: u8) -> String {
    dialect.choose(
        format!("clock_timestamp() + ${parameter} * interval '1 millisecond'"),
        format!("strftime('%Y-%m-%d %H:%M:%f', 'now', (${parameter} / 1000.0) || ' seconds')"),
    )
}

const POSTGRES_REMAINING: &str = "
    SELECT ceil(extract(epoch FROM lease_until - clock_timestamp()) * 1000)::bigint AS millis FROM relays WHERE name = $1";

const SQLITE_REMAINING: &str = "
    SELECT CAST(round((julianday(lease_until) - julianday('now')) * 86400000) AS integer) AS millis FROM relays WHERE name = $1";
