//! Imports many users by few statements.

use std::collections::{HashMap, HashSet};

use sea_orm::sea_query::OnConflict;
use sea_orm::{
    ColumnTrait, Condition, ConnectionTrait, DbBackend, DbErr, EntityTrait, Iterable, Order,
    QueryFilter, QueryOrder, QuerySelect,
};
use user_domain::StoreError;
use user_domain::import::{Import, ImportOutcome, Known, Plan, plan};
use user_domain::ports::ImportError;
use user_domain::user::{Edit, EventKind, User};
use user_domain::values::{PasswordHash, UserId};
use user_domain::write::{UniqueField, WriteError};

use crate::guards::{Guard, Guards};
use crate::sea_orm::entities::events;
use crate::sea_orm::entities::users::{Column, Entity};
use crate::sea_orm::pool::Pool;
use crate::sea_orm::presence::{self, Presence};
use crate::sea_orm::{credentials, errors, many, names, outbox, row, transaction};

/// Imports a batch: all that its plan says, or nothing.
pub(crate) async fn import(
    db: &Pool,
    guards: Guards,
    batch: &[Import],
) -> Result<Vec<ImportOutcome>, ImportError> {
    let imported = async {
        let tx = transaction::begin(db).await?;
        let outcomes = transaction::bounded(Box::pin(write(&tx, guards, batch))).await?;
        transaction::commit(tx).await?;
        Ok(outcomes)
    };
    imported.await.map_err(translate)
}

/// Tells what an import would do, and holds nobody up.
pub(crate) async fn rehearse(
    db: &Pool,
    batch: &[Import],
) -> Result<Vec<ImportOutcome>, ImportError> {
    let rehearsed = async {
        let tx = transaction::begin_reading(db).await?;
        let known = transaction::bounded(Box::pin(look(&tx, false, batch))).await?;
        transaction::commit(tx).await?;
        Ok(plan(batch, known).outcomes)
    };
    rehearsed.await.map_err(translate)
}

async fn write(
    tx: &impl ConnectionTrait,
    guards: Guards,
    batch: &[Import],
) -> Result<Vec<ImportOutcome>, WriteError> {
    let known = look(tx, guards.stands(Guard::RowLock), batch).await?;
    let before = known.users.iter().map(|user| (user.id, Presence::of(user)));
    let before: HashMap<UserId, Presence> = before.collect();
    let Plan {
        outcomes,
        created,
        updated,
        events,
        released,
        passwords,
    } = plan(batch, known);
    let come_or_gone: Vec<(UserId, Presence)> = updated
        .iter()
        .map(|user| (user.id, Presence::of(user)))
        .filter(|(id, is)| before.get(id) != Some(is))
        .collect();
    // First who is there: what they give up may be taken by who is made.
    store(tx, &updated, true).await?;
    store(tx, &created, false).await?;
    refuse_resting(tx, batch, created.iter().chain(&updated)).await?;
    names::release_all(tx, &released).await?;
    credentials::set_all(tx, &passwords).await?;
    outbox::append_all(tx, &events).await?;
    // Last, since others wait for it.
    if let Some(import) = batch.first() {
        presence::change(tx, guards, &come_or_gone, import.context.at).await?;
    }
    Ok(outcomes)
}

/// Leaves PostgreSQL no way to the rows but by their keys. Statistics lag behind an import that fills an empty table, and a
/// plan made for the empty one stays: without this each batch reads the whole table, or the whole of the index that
/// gives the order.
const BY_KEYS_ONLY: &str = "SET LOCAL enable_seqscan = off; SET LOCAL enable_indexscan = off";

/// Finds all that the plan of a batch needs to know, and locks the users among it.
async fn look(
    tx: &impl ConnectionTrait,
    lock: bool,
    batch: &[Import],
) -> Result<Known, WriteError> {
    if tx.get_database_backend() == DbBackend::Postgres {
        tx.execute_unprepared(BY_KEYS_ONLY)
            .await
            .map_err(|error| write_error(&error))?;
    }
    let mut select = Entity::find()
        .filter(sought(batch))
        // Two imports of the same users wait for each other and not both for ever.
        .order_by(Column::Id, Order::Asc);
    if lock {
        select = select.lock_exclusive();
    }
    let rows = select.all(tx).await.map_err(|error| write_error(&error))?;
    let users = rows
        .into_iter()
        .map(row::to_user)
        .collect::<Result<Vec<User>, _>>()?;
    let names = batch.iter().map(|import| &import.record.user.username);
    Ok(Known {
        imported_passwords: imported_passwords(tx, batch, &users).await?,
        users,
        resting: names::resting(tx, names).await?,
        erased: erased(tx, batch).await?,
    })
}

/// Matches whoever has a key of a record, or a name that looks like its.
fn sought(batch: &[Import]) -> Condition {
    let ids = batch
        .iter()
        .flat_map(|import| [import.record.id, Some(import.fresh_id)])
        .flatten()
        .map(UserId::as_uuid);
    let external_ids =
        batch
            .iter()
            .filter_map(|import| match &import.record.user.rest.external_id {
                Edit::Set(id) => Some(id.as_str().to_owned()),
                Edit::Keep | Edit::Clear => None,
            });
    let of = |text: fn(&Import) -> &str| {
        many::padded(batch.iter().map(move |import| text(import).to_owned()))
    };
    Condition::any()
        .add(Column::Id.is_in(many::padded(ids)))
        .add(Column::UsernameKey.is_in(of(|import| import.record.user.username.key())))
        .add(Column::UsernameSkeleton.is_in(of(|import| import.record.user.username.skeleton())))
        .add(Column::EmailKey.is_in(of(|import| import.record.user.email.key())))
        .add(Column::ExternalId.is_in(many::padded(external_ids)))
}

/// Finds which of the users have passwords that were imported, if the batch has any.
async fn imported_passwords(
    tx: &impl ConnectionTrait,
    batch: &[Import],
    users: &[User],
) -> Result<HashMap<UserId, PasswordHash>, WriteError> {
    let has_any = batch
        .iter()
        .any(|import| import.record.user.password.is_some());
    let of = users
        .iter()
        .filter(|user| has_any && user.password_changed_at.is_some());
    let of: Vec<UserId> = of.map(|user| user.id).collect();
    credentials::imported(tx, &of).await
}

/// Finds which of the records' ids were those of users who were erased.
async fn erased(
    tx: &impl ConnectionTrait,
    batch: &[Import],
) -> Result<HashSet<UserId>, WriteError> {
    let ids = many::padded(
        batch
            .iter()
            .filter_map(|import| import.record.id)
            .map(UserId::as_uuid),
    );
    if ids.is_empty() {
        return Ok(HashSet::new());
    }
    let erased: Vec<sea_orm::prelude::Uuid> = events::Entity::find()
        .select_only()
        .column(events::Column::SubjectId)
        .filter(events::Column::SubjectId.is_in(ids))
        .filter(events::Column::Kind.eq(EventKind::Erased.as_str()))
        .into_tuple()
        .all(tx)
        .await
        .map_err(|error| write_error(&error))?;
    Ok(erased.into_iter().map(UserId::from_uuid).collect())
}

/// Writes users' rows, over those that are there or beside them.
async fn store(tx: &impl ConnectionTrait, written: &[User], over: bool) -> Result<(), WriteError> {
    for part in many::parts(written) {
        let mut insert = Entity::insert_many(part.iter().map(row::from_user));
        if over {
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
            .map_err(|error| write_error(&error))?;
    }
    Ok(())
}

/// Refuses the batch if a name of it has begun to rest since it was planned. It is asked after the rows are written, as
/// [`names::refuse_resting`] says.
async fn refuse_resting(
    tx: &impl ConnectionTrait,
    batch: &[Import],
    written: impl Iterator<Item = &User>,
) -> Result<(), WriteError> {
    let Some(at) = batch.iter().map(|import| import.context.at).min() else {
        return Ok(());
    };
    let written: Vec<&User> = written.collect();
    let resting = names::resting(tx, written.iter().map(|user| &user.username)).await?;
    let raced = resting.iter().any(|resting| {
        resting.since > at.minus(user_domain::write::NAME_REST)
            && written.iter().any(|user| {
                resting.owner != user.id
                    && (resting.key == user.username.key()
                        || resting.skeleton == user.username.skeleton())
            })
    });
    if raced {
        Err(WriteError::Taken(UniqueField::Username))
    } else {
        Ok(())
    }
}

/// Translates an error of a statement; any unique value that is there already was taken since the batch was planned.
fn write_error(error: &DbErr) -> WriteError {
    match errors::write(error) {
        WriteError::Store(_) if errors::is_unique_violation(error) => {
            WriteError::Taken(UniqueField::Username)
        }
        other => other,
    }
}

fn translate(error: WriteError) -> ImportError {
    match error {
        WriteError::Taken(field) => ImportError::Raced(field),
        WriteError::Store(error) => ImportError::Store(error),
        WriteError::NotFound | WriteError::KeyReused | WriteError::Refused(_) => {
            ImportError::Store(StoreError::Internal(format!(
                "an import was refused: {error}"
            )))
        }
    }
}
