//! Imports batches of users with few statements.

use std::collections::HashMap;

use sea_orm::sea_query::OnConflict;
use sea_orm::{
    ColumnTrait, Condition, ConnectionTrait, DbErr, EntityTrait, Iterable, Order, QueryFilter,
    QueryOrder, QuerySelect,
};
use user_domain::import::{Import, ImportLedger, Plan, StoreSnapshot, plan};
use user_domain::user::User;
use user_domain::values::{PasswordHash, UserId};
use user_domain::write::{UniqueField, WriteError};

use crate::guards::Guard;
use crate::sea_orm::connection::{Pool, Transaction, TransactionMode};
use crate::sea_orm::dialect::Dialect;
use crate::sea_orm::digests::NameDigests;
use crate::sea_orm::entities::users::{Column, Entity};
use crate::sea_orm::errors::OperationError;
use crate::sea_orm::relationships::locking::{self, CountState};
use crate::sea_orm::{
    credentials, erased_ids, errors, list_params, outbox, released_usernames, row, transaction,
};

/// Imports a batch atomically, as planned by the domain.
pub(crate) async fn import(
    db: &Pool,
    digests: &NameDigests,
    batch: &[Import],
    ledger: &ImportLedger,
) -> Result<Plan, OperationError> {
    transaction::run(db, async |tx| write(tx, digests, batch, ledger).await).await
}

/// Reads the state that the plan of a batch depends on, without locks.
pub(crate) async fn snapshot(
    db: &Pool,
    digests: &NameDigests,
    batch: &[Import],
) -> Result<StoreSnapshot, OperationError> {
    transaction::run_in(db, TransactionMode::Read, async |tx| {
        read_state(tx, digests, false, batch).await
    })
    .await
}

async fn write(
    tx: &Transaction,
    digests: &NameDigests,
    batch: &[Import],
    ledger: &ImportLedger,
) -> Result<Plan, OperationError> {
    let snapshot = read_state(tx, digests, tx.is_guarded(Guard::RowLock), batch).await?;
    let before = snapshot
        .users
        .iter()
        .map(|user| (user.id, CountState::of(user)));
    let before: HashMap<UserId, CountState> = before.collect();
    let plan = plan(batch, snapshot, ledger);
    let Plan {
        outcomes: _,
        created,
        updated,
        events,
        released,
        passwords,
    } = &plan;
    let status_changes: Vec<(UserId, CountState)> = updated
        .iter()
        .map(|user| (user.id, CountState::of(user)))
        .filter(|(id, after)| before.get(id) != Some(after))
        .collect();
    // Existing users first: created users can take names that they release.
    store(tx, updated, true).await?;
    store(tx, created, false).await?;
    reject_reserved(tx, digests, batch, created.iter().chain(updated)).await?;
    released_usernames::release_all(tx, released).await?;
    credentials::set_all(tx, passwords).await?;
    outbox::append_all(tx, events).await?;
    // Last, since concurrent transactions wait for this lock.
    if let Some(import) = batch.first() {
        locking::record_status_changes(tx, &status_changes, import.context.at).await?;
    }
    Ok(plan)
}

/// Makes PostgreSQL find rows by their keys. While an import fills an empty table, the statistics are outdated, and
/// plans for the empty table stay cached. Without this, each batch would read the whole table, or the whole index of
/// the order.
const BY_KEYS_ONLY: &str = "SET LOCAL enable_seqscan = off; SET LOCAL enable_indexscan = off";

/// Reads the state that the plan of a batch depends on, and locks its users if `lock` is set.
async fn read_state(
    tx: &impl ConnectionTrait,
    digests: &NameDigests,
    lock: bool,
    batch: &[Import],
) -> Result<StoreSnapshot, OperationError> {
    if Dialect::of(tx).needs_plan_hints() {
        tx.execute_unprepared(BY_KEYS_ONLY).await?;
    }
    let mut select = Entity::find()
        .filter(related_to(batch))
        // Concurrent imports lock the same users in the same order, which prevents deadlocks.
        .order_by(Column::Id, Order::Asc);
    if lock {
        select = select.lock_exclusive();
    }
    let rows = select.all(tx).await?;
    let users = rows
        .into_iter()
        .map(row::to_user)
        .collect::<Result<Vec<User>, _>>()?;
    let names = batch.iter().map(|import| &import.record.user.username);
    let erased = erased_ids::among(tx, batch).await?;
    Ok(StoreSnapshot {
        imported_passwords: imported_passwords(tx, batch, &users).await?,
        users,
        released_usernames: released_usernames::find_reserved(tx, digests, names).await?,
        erased: erased.ids,
        erased_external_ids: erased.external_ids,
    })
}

/// Returns the condition that a user shares an id, external id, email, username or username skeleton with a record.
fn related_to(batch: &[Import]) -> Condition {
    let ids = batch
        .iter()
        .flat_map(|import| [import.record.id, Some(import.fresh_id)])
        .flatten()
        .map(UserId::as_uuid);
    let external_ids = batch
        .iter()
        .filter_map(|import| import.record.external_id())
        .map(|id| id.as_str().to_owned());
    let of = |text: fn(&Import) -> &str| {
        list_params::padded(batch.iter().map(move |import| text(import).to_owned()))
    };
    Condition::any()
        .add(Column::Id.is_in(list_params::padded(ids)))
        .add(Column::UsernameKey.is_in(of(|import| import.record.user.username.key())))
        .add(Column::UsernameSkeleton.is_in(of(|import| import.record.user.username.skeleton())))
        .add(Column::EmailKey.is_in(of(|import| import.record.user.email.key())))
        .add(Column::ExternalId.is_in(list_params::padded(external_ids)))
}

/// Returns the imported passwords of the users, if the batch contains passwords.
async fn imported_passwords(
    tx: &impl ConnectionTrait,
    batch: &[Import],
    users: &[User],
) -> Result<HashMap<UserId, PasswordHash>, OperationError> {
    let has_any = batch
        .iter()
        .any(|import| import.record.user.password.is_some());
    let of = users
        .iter()
        .filter(|user| has_any && user.password_changed_at.is_some());
    let of: Vec<UserId> = of.map(|user| user.id).collect();
    credentials::imported(tx, &of).await
}

/// Writes the rows of users, and replaces existing ones if `replace` is set.
async fn store(
    tx: &impl ConnectionTrait,
    written: &[User],
    replace: bool,
) -> Result<(), OperationError> {
    for part in list_params::batches(written) {
        let mut insert = Entity::insert_many(part.iter().map(row::from_user));
        if replace {
            let others = Column::iter().filter(|column| !matches!(column, Column::Id));
            insert = insert.on_conflict(
                OnConflict::column(Column::Id)
                    .update_columns(others)
                    .to_owned(),
            );
        }
        insert
            .exec_without_returning(tx)
            .await
            .map_err(taken_since_planned)?;
    }
    Ok(())
}

/// Rejects the batch if one of its names was released since it was planned. Must run after the rows are written, as in
/// [`released_usernames::reject_reserved`].
async fn reject_reserved(
    tx: &impl ConnectionTrait,
    digests: &NameDigests,
    batch: &[Import],
    written: impl Iterator<Item = &User>,
) -> Result<(), OperationError> {
    let Some(at) = batch.iter().map(|import| import.context.at).min() else {
        return Ok(());
    };
    let written: Vec<&User> = written.collect();
    let released =
        released_usernames::find_reserved(tx, digests, written.iter().map(|user| &user.username))
            .await?;
    let is_taken = released.iter().any(|released| {
        released.released_at > at.minus(user_domain::write::USERNAME_RESERVATION)
            && written.iter().any(|user| {
                released.owner != user.id
                    && (released.key == user.username.key()
                        || released.skeleton == user.username.skeleton())
            })
    });
    if is_taken {
        Err(WriteError::Taken(UniqueField::Username.into()).into())
    } else {
        Ok(())
    }
}

/// Translates the error of a write of rows. A value of any unique index was taken since the batch was planned.
fn taken_since_planned(error: DbErr) -> OperationError {
    if errors::is_unique_violation(&error) {
        let field = errors::taken(&error).unwrap_or(UniqueField::Username);
        return WriteError::Taken(field.into()).into();
    }
    error.into()
}
