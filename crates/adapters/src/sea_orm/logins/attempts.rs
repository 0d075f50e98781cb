//! The rows that count login attempts.

use hmac::{Hmac, Mac};
use sea_orm::prelude::Uuid;
use sea_orm::sea_query::OnConflict;
use sea_orm::{
    ActiveModelTrait, ColumnTrait, ConnectionTrait, EntityTrait, IntoActiveModel, Iterable, Order,
    PaginatorTrait, QueryFilter, QueryOrder, QuerySelect,
};
use sha2::Sha256;
use user_domain::lockout::{Account, AccountAttempts, AttemptCounter, Lockout, LoginAttempt};
use user_domain::values::{Timestamp, UserId};

use crate::sea_orm::connection::Pool;
use crate::sea_orm::dialect::Dialect;
use crate::sea_orm::entities::login_attempts::{ActiveModel, Column, Entity, Model};
use crate::sea_orm::errors::OperationError;
use crate::sea_orm::{raw_sql, transaction};

/// The source column of the row that counts all sources of an account.
const ALL_SOURCES: Vec<u8> = Vec::new();
/// The length of a source's digest, in bytes.
const SOURCE_DIGEST_LENGTH: usize = 16;

/// The keys of the rows that count an attempt: that of its account and, if the source is known, that of its source.
pub(super) struct CounterKey {
    account: Uuid,
    source: Option<Vec<u8>>,
}

impl CounterKey {
    /// Returns the keys for an attempt, with digests under `key`.
    pub(super) fn of(key: &Hmac<Sha256>, attempt: &LoginAttempt) -> Self {
        let account = match attempt.account {
            Account::User(id) => id.as_uuid(),
            Account::Unknown => unknown_account_bucket(key, attempt.identifier.expose()),
        };
        let source = attempt.source.as_ref().map(|source| {
            let mut digest = key.clone();
            digest.update(b"source\n");
            digest.update(account.as_bytes());
            digest.update(source.expose().as_bytes());
            digest
                .finalize()
                .into_bytes()
                .into_iter()
                .take(SOURCE_DIGEST_LENGTH)
                .collect()
        });
        Self { account, source }
    }

    fn sources(&self) -> impl Iterator<Item = Vec<u8>> {
        std::iter::once(ALL_SOURCES).chain(self.source.clone())
    }
}

/// Returns the lock key of an attempt, which depends on its identifier and source.
pub(super) fn lock_key(key: &Hmac<Sha256>, attempt: &LoginAttempt) -> Uuid {
    let mut digest = key.clone();
    digest.update(b"turn\n");
    digest.update(attempt.identifier.expose().as_bytes());
    digest.update(b"\n");
    if let Some(source) = &attempt.source {
        digest.update(source.expose().as_bytes());
    }
    let mut bytes = [0; 16];
    for (target, byte) in bytes.iter_mut().zip(digest.finalize().into_bytes()) {
        *target = byte;
    }
    Uuid::from_bytes(bytes)
}

/// Returns one of 65,536 account ids that count the attempts on unknown accounts. Attempts on any number of invented
/// identifiers therefore create a limited number of rows.
fn unknown_account_bucket(key: &Hmac<Sha256>, identifier: &str) -> Uuid {
    let mut digest = key.clone();
    digest.update(b"stranger\n");
    digest.update(identifier.as_bytes());
    let mut bytes = [0; 16];
    let digest = digest.finalize().into_bytes();
    for (target, byte) in bytes.iter_mut().rev().zip(digest).take(2) {
        *target = byte;
    }
    uuid::Builder::from_custom_bytes(bytes).into_uuid()
}

/// Returns the counters of an attempt.
pub(super) async fn lockout(
    db: &impl ConnectionTrait,
    key: &CounterKey,
) -> Result<Lockout, OperationError> {
    let rows = Entity::find()
        .filter(Column::Account.eq(key.account))
        .filter(Column::Source.is_in(key.sources()))
        .all(db)
        .await?;
    Ok(to_lockout(key, &rows))
}

/// Updates the counters of an attempt while their rows are locked.
pub(super) async fn update(
    db: &Pool,
    key: &CounterKey,
    at: Timestamp,
    update: impl FnOnce(Lockout) -> Lockout,
) -> Result<Lockout, OperationError> {
    transaction::run(db, async |tx| {
        let rows = lock(tx, key, at).await?;
        let lockout = update(to_lockout(key, &rows));
        store(tx, key, &lockout, at).await?;
        Ok(lockout)
    })
    .await
}

/// Locks the rows, and creates those that are missing. Of two transactions that create a row, one waits.
async fn lock(
    tx: &impl ConnectionTrait,
    key: &CounterKey,
    at: Timestamp,
) -> Result<Vec<Model>, OperationError> {
    let initial = key
        .sources()
        .map(|source| to_row(key.account, source, &AttemptCounter::default(), at));
    Entity::insert_many(initial)
        .on_conflict(
            OnConflict::columns([Column::Account, Column::Source])
                .do_nothing()
                .to_owned(),
        )
        .exec_without_returning(tx)
        .await?;
    let rows = Entity::find()
        .filter(Column::Account.eq(key.account))
        .filter(Column::Source.is_in(key.sources()))
        .order_by(Column::Source, Order::Asc)
        .lock_exclusive();
    Ok(rows.all(tx).await?)
}

async fn store(
    tx: &impl ConnectionTrait,
    key: &CounterKey,
    lockout: &Lockout,
    at: Timestamp,
) -> Result<(), OperationError> {
    let counters = std::iter::once(lockout.account).chain(lockout.source);
    let rows = key
        .sources()
        .zip(counters)
        .map(|(source, counter)| to_row(key.account, source, &counter, at));
    let others =
        Column::iter().filter(|column| !matches!(column, Column::Account | Column::Source));
    // A purge may have deleted a row between its creation and its lock.
    Entity::insert_many(rows)
        .on_conflict(
            OnConflict::columns([Column::Account, Column::Source])
                .update_columns(others)
                .to_owned(),
        )
        .exec_without_returning(tx)
        .await?;
    Ok(())
}

/// Returns the counter of a user's account, and a summary of its sources.
pub(super) async fn of_user(
    db: &impl ConnectionTrait,
    user: UserId,
    at: Timestamp,
) -> Result<AccountAttempts, OperationError> {
    let account = Entity::find_by_id((user.as_uuid(), ALL_SOURCES))
        .one(db)
        .await?;
    let sources = Entity::find()
        .filter(Column::Account.eq(user.as_uuid()))
        .filter(Column::Source.ne(ALL_SOURCES));
    let blocked = sources.clone().filter(Column::BlockedUntil.gt(at.as_utc()));
    let latest = sources
        .clone()
        .filter(Column::SucceededAt.is_not_null())
        .order_by_desc(Column::SucceededAt);
    let latest = latest.one(db).await?;
    Ok(AccountAttempts {
        account: account.as_ref().map(to_counter).unwrap_or_default(),
        sources: sources.count(db).await?,
        blocked_sources: blocked.count(db).await?,
        succeeded_at: latest.and_then(|row| to_counter(&row).succeeded_at),
    })
}

/// Clears the failures of a user's account. The times of successful logins stay, so that their sources remain known.
pub(super) async fn clear(db: &Pool, user: UserId) -> Result<(), OperationError> {
    let sql = Dialect::of(db).choose(POSTGRES_CLEAR, SQLITE_CLEAR);
    transaction::run(db, async |tx| {
        raw_sql::execute(tx, sql, [user.as_uuid().into()]).await?;
        Ok(())
    })
    .await
}

/// Locks the rows in the same order as a failed attempt. No row is transferred, however many sources there are.
const POSTGRES_CLEAR: &str = "
    WITH locked AS (
        SELECT account, source FROM login_attempts WHERE account = $1 ORDER BY source FOR UPDATE
    )
    UPDATE login_attempts AS a SET failures = 0, failed_at = NULL, blocked_until = NULL
    FROM locked WHERE a.account = locked.account AND a.source = locked.source";

const SQLITE_CLEAR: &str = "
    UPDATE login_attempts SET failures = 0, failed_at = NULL, blocked_until = NULL WHERE account = $1";

/// Deletes the counters of a user, in the transaction of its erasure.
pub(in crate::sea_orm) async fn delete_of(
    tx: &impl ConnectionTrait,
    user: UserId,
) -> Result<(), OperationError> {
    Entity::delete_many()
        .filter(Column::Account.eq(user.as_uuid()))
        .exec(tx)
        .await?;
    Ok(())
}

fn to_lockout(key: &CounterKey, rows: &[Model]) -> Lockout {
    let counter = |source: &[u8]| {
        let row = rows.iter().find(|row| row.source == source);
        row.map(to_counter).unwrap_or_default()
    };
    Lockout {
        account: counter(&ALL_SOURCES),
        source: key.source.as_deref().map(counter),
    }
}

fn to_counter(row: &Model) -> AttemptCounter {
    AttemptCounter {
        failures: u32::try_from(row.failures).unwrap_or(u32::MAX),
        failed_at: row.failed_at.map(Timestamp::from_utc),
        blocked_until: row.blocked_until.map(Timestamp::from_utc),
        succeeded_at: row.succeeded_at.map(Timestamp::from_utc),
    }
}

fn to_row(account: Uuid, source: Vec<u8>, counter: &AttemptCounter, at: Timestamp) -> ActiveModel {
    let row = Model {
        account,
        source,
        failures: counter.failures.into(),
        failed_at: counter.failed_at.map(Timestamp::as_utc),
        blocked_until: counter.blocked_until.map(Timestamp::as_utc),
        succeeded_at: counter.succeeded_at.map(Timestamp::as_utc),
        forgotten_at: counter.forgotten_at().unwrap_or(at).as_utc(),
    };
    row.into_active_model().reset_all()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use hmac::KeyInit;
    use user_domain::lockout::LoginSource;

    use super::*;

    #[test]
    fn unknown_accounts_share_few_buckets_and_sources_differ_by_account() {
        let key = Hmac::<Sha256>::new(&[7; 64].into());
        let attempt = |name: usize| LoginAttempt {
            identifier: name.to_string().into(),
            account: Account::Unknown,
            source: LoginSource::parse("there").ok(),
        };
        let keys: Vec<CounterKey> = (0..100_000)
            .map(|name| CounterKey::of(&key, &attempt(name)))
            .collect();
        let accounts: BTreeSet<Uuid> = keys.iter().map(|key| key.account).collect();
        assert!(
            accounts.len() <= 65_536 && accounts.len() > 40_000,
            "{}",
            accounts.len()
        );
        assert_eq!(accounts.iter().next().unwrap().get_version_num(), 8);
        let sources: BTreeSet<_> = keys.iter().map(|key| key.source.clone()).collect();
        assert_eq!(sources.len(), accounts.len());
        let other = Hmac::<Sha256>::new(&[8; 64].into());
        assert_ne!(CounterKey::of(&other, &attempt(1)).account, keys[1].account);
    }
}
