//! What is remembered of failures.

use hmac::{Hmac, Mac};
use sea_orm::prelude::Uuid;
use sea_orm::sea_query::OnConflict;
use sea_orm::{
    ActiveModelTrait, ActiveValue::NotSet, ActiveValue::Set, ColumnTrait, ConnectionTrait,
    EntityTrait, IntoActiveModel, Iterable, Order, PaginatorTrait, QueryFilter, QueryOrder,
    QuerySelect,
};
use sha2::Sha256;
use user_domain::StoreError;
use user_domain::lockout::{Account, Lockout, LoginAttempt, Tries};
use user_domain::values::{Timestamp, UserId};
use user_domain::write::WriteError;

use crate::sea_orm::entities::login_attempts::{ActiveModel, Column, Entity, Model};
use crate::sea_orm::pool::Pool;
use crate::sea_orm::{errors, transaction};

/// The source of an account's own row.
const ANYWHERE: Vec<u8> = Vec::new();
/// The bytes of a source's digest.
const DIGEST: usize = 16;

/// Where an attempt is counted: the rows of its account and, if it has one, of its source.
pub(super) struct Places {
    account: Uuid,
    source: Option<Vec<u8>>,
}

impl Places {
    pub(super) fn of(key: &Hmac<Sha256>, attempt: &LoginAttempt) -> Self {
        let account = match attempt.account {
            Account::User(id) => id.as_uuid(),
            Account::Nobody => stranger(key, attempt.identifier.expose()),
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
                .take(DIGEST)
                .collect()
        });
        Self { account, source }
    }

    fn sources(&self) -> impl Iterator<Item = Vec<u8>> {
        std::iter::once(ANYWHERE).chain(self.source.clone())
    }
}

/// Tells apart those who take turns: by the name that they try, and from where.
pub(super) fn turn(key: &Hmac<Sha256>, attempt: &LoginAttempt) -> Uuid {
    let mut digest = key.clone();
    digest.update(b"turn\n");
    digest.update(attempt.identifier.expose().as_bytes());
    digest.update(b"\n");
    if let Some(source) = &attempt.source {
        digest.update(source.expose().as_bytes());
    }
    let mut bytes = [0; 16];
    for (place, byte) in bytes.iter_mut().zip(digest.finalize().into_bytes()) {
        *place = byte;
    }
    Uuid::from_bytes(bytes)
}

/// Gives one of 65,536 accounts that nobody has: whoever tries names without end fills no table.
fn stranger(key: &Hmac<Sha256>, identifier: &str) -> Uuid {
    let mut digest = key.clone();
    digest.update(b"stranger\n");
    digest.update(identifier.as_bytes());
    let mut bytes = [0; 16];
    let digest = digest.finalize().into_bytes();
    for (place, byte) in bytes.iter_mut().rev().zip(digest).take(2) {
        *place = byte;
    }
    uuid::Builder::from_custom_bytes(bytes).into_uuid()
}

/// Tells what is remembered.
pub(super) async fn look(
    db: &impl ConnectionTrait,
    places: &Places,
) -> Result<Lockout, StoreError> {
    let rows = Entity::find()
        .filter(Column::Account.eq(places.account))
        .filter(Column::Source.is_in(places.sources()))
        .all(db)
        .await
        .map_err(|error| errors::store(&error))?;
    Ok(to_lockout(places, &rows))
}

/// Changes what is remembered, with no other change of it in between.
pub(super) async fn change(
    db: &Pool,
    places: &Places,
    at: Timestamp,
    become_: impl FnOnce(Lockout) -> Lockout,
) -> Result<Lockout, WriteError> {
    let tx = transaction::begin(db).await?;
    let changed = transaction::bounded(Box::pin(async {
        let rows = lock(&tx, places, at).await?;
        let lockout = become_(to_lockout(places, &rows));
        store(&tx, places, &lockout, at).await?;
        Ok(lockout)
    }))
    .await?;
    transaction::commit(tx).await?;
    Ok(changed)
}

/// Locks the rows, which are made where they are not: of two who make one, one waits.
async fn lock(
    tx: &impl ConnectionTrait,
    places: &Places,
    at: Timestamp,
) -> Result<Vec<Model>, WriteError> {
    let fresh = places
        .sources()
        .map(|source| to_row(places.account, source, &Tries::default(), at));
    Entity::insert_many(fresh)
        .on_conflict(
            OnConflict::columns([Column::Account, Column::Source])
                .do_nothing()
                .to_owned(),
        )
        .exec_without_returning(tx)
        .await
        .map_err(|error| errors::write(&error))?;
    Entity::find()
        .filter(Column::Account.eq(places.account))
        .filter(Column::Source.is_in(places.sources()))
        .order_by(Column::Source, Order::Asc)
        .lock_exclusive()
        .all(tx)
        .await
        .map_err(|error| errors::write(&error))
}

async fn store(
    tx: &impl ConnectionTrait,
    places: &Places,
    lockout: &Lockout,
    at: Timestamp,
) -> Result<(), WriteError> {
    let tries = std::iter::once(lockout.account).chain(lockout.source);
    let rows = places
        .sources()
        .zip(tries)
        .map(|(source, tries)| to_row(places.account, source, &tries, at));
    let others =
        Column::iter().filter(|column| !matches!(column, Column::Account | Column::Source));
    // A purge may have removed a row between its making and its lock.
    Entity::insert_many(rows)
        .on_conflict(
            OnConflict::columns([Column::Account, Column::Source])
                .update_columns(others)
                .to_owned(),
        )
        .exec_without_returning(tx)
        .await
        .map_err(|error| errors::write(&error))?;
    Ok(())
}

/// Tells what is remembered of a user's account, and how many of its sources are blocked.
pub(super) async fn of_user(
    db: &impl ConnectionTrait,
    user: UserId,
    at: Timestamp,
) -> Result<(Tries, u64), StoreError> {
    let account = Entity::find_by_id((user.as_uuid(), ANYWHERE))
        .one(db)
        .await
        .map_err(|error| errors::store(&error))?;
    let blocked = Entity::find()
        .filter(Column::Account.eq(user.as_uuid()))
        .filter(Column::Source.ne(ANYWHERE))
        .filter(Column::BlockedUntil.gt(at.as_utc()))
        .count(db)
        .await
        .map_err(|error| errors::store(&error))?;
    Ok((account.as_ref().map(to_tries).unwrap_or_default(), blocked))
}

/// Forgets the failures at a user's account; sources that were let in stay known.
pub(super) async fn clear(db: &Pool, user: UserId) -> Result<(), WriteError> {
    let tx = transaction::begin(db).await?;
    let update = Entity::update_many()
        .set(ActiveModel {
            failures: Set(0),
            failed_at: Set(None),
            blocked_until: Set(None),
            account: NotSet,
            source: NotSet,
            succeeded_at: NotSet,
            forgotten_at: NotSet,
        })
        .filter(Column::Account.eq(user.as_uuid()));
    let cleared = async {
        // In the order in which failures lock them.
        let locked = Entity::find()
            .filter(Column::Account.eq(user.as_uuid()))
            .order_by(Column::Source, Order::Asc)
            .lock_exclusive()
            .all(&tx)
            .await;
        locked.map_err(|error| errors::write(&error))?;
        let cleared = update.exec(&tx).await;
        cleared.map_err(|error| errors::write(&error))
    };
    transaction::bounded(cleared).await?;
    transaction::commit(tx).await
}

/// Forgets a user's account altogether, in the transaction of its erasure.
pub(in crate::sea_orm) async fn forget(
    tx: &impl ConnectionTrait,
    user: UserId,
) -> Result<(), WriteError> {
    let forgotten = Entity::delete_many()
        .filter(Column::Account.eq(user.as_uuid()))
        .exec(tx)
        .await;
    forgotten.map_err(|error| errors::write(&error)).map(drop)
}

fn to_lockout(places: &Places, rows: &[Model]) -> Lockout {
    let tries = |source: &[u8]| {
        let row = rows.iter().find(|row| row.source == source);
        row.map(to_tries).unwrap_or_default()
    };
    Lockout {
        account: tries(&ANYWHERE),
        source: places.source.as_deref().map(tries),
    }
}

fn to_tries(row: &Model) -> Tries {
    Tries {
        failures: u32::try_from(row.failures).unwrap_or(u32::MAX),
        failed_at: row.failed_at.map(Timestamp::from_utc),
        blocked_until: row.blocked_until.map(Timestamp::from_utc),
        succeeded_at: row.succeeded_at.map(Timestamp::from_utc),
    }
}

fn to_row(account: Uuid, source: Vec<u8>, tries: &Tries, at: Timestamp) -> ActiveModel {
    let row = Model {
        account,
        source,
        failures: tries.failures.into(),
        failed_at: tries.failed_at.map(Timestamp::as_utc),
        blocked_until: tries.blocked_until.map(Timestamp::as_utc),
        succeeded_at: tries.succeeded_at.map(Timestamp::as_utc),
        forgotten_at: tries.forgotten_at().unwrap_or(at).as_utc(),
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
    fn strangers_are_few_and_sources_are_told_apart_by_account() {
        let key = Hmac::<Sha256>::new(&[7; 64].into());
        let nobody = |name: usize| LoginAttempt {
            identifier: name.to_string().into(),
            account: Account::Nobody,
            source: LoginSource::parse("there").ok(),
        };
        let places: Vec<Places> = (0..100_000)
            .map(|name| Places::of(&key, &nobody(name)))
            .collect();
        let accounts: BTreeSet<Uuid> = places.iter().map(|place| place.account).collect();
        assert!(
            accounts.len() <= 65_536 && accounts.len() > 40_000,
            "{}",
            accounts.len()
        );
        assert_eq!(accounts.iter().next().unwrap().get_version_num(), 8);
        let sources: BTreeSet<_> = places.iter().map(|place| place.source.clone()).collect();
        assert_eq!(sources.len(), accounts.len());
        let other = Hmac::<Sha256>::new(&[8; 64].into());
        assert_ne!(Places::of(&other, &nobody(1)).account, places[1].account);
    }
}
