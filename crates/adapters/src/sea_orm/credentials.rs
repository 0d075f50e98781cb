//! The password hashes of users.

use std::collections::HashMap;
use std::sync::Arc;

use sea_orm::sea_query::OnConflict;
use sea_orm::{
    ActiveValue::Set, ColumnTrait, ConnectionTrait, EntityTrait, JoinType, Order, QueryFilter,
    QueryOrder, QuerySelect, RelationDef,
};
use sha2::{Digest, Sha256};
use user_domain::StoreError;
use user_domain::ports::{StoredCredential, UserKey};
use user_domain::user::PasswordWrite;
use user_domain::values::{PasswordHash, PasswordOrigin, StoredPassword, UserId};

use super::connection::Pool;
use super::entities::credentials::{ActiveModel, Column, Entity, Model};
use super::entities::users;
use super::errors::OperationError;
use super::users::find;
use super::{list_params, row, transaction};

/// Returns the user with a key, unless deleted, and its password. Without a key it runs an equivalent statement that
/// matches no user, so that both cases take the same time.
pub(super) async fn find_credential(
    db: &impl ConnectionTrait,
    key: Option<&UserKey>,
) -> Result<Option<StoredCredential>, OperationError> {
    let of_user: RelationDef = users::Entity::belongs_to(Entity)
        .from(users::Column::Id)
        .to(Column::UserId)
        .into();
    let found = users::Entity::find()
        .filter(key.map_or_else(find::matches_nothing, find::matches_key))
        .join(JoinType::LeftJoin, of_user)
        .select_also(Entity)
        .one(db)
        .await?;
    let Some((user, password)) = found else {
        return Ok(None);
    };
    let user = row::to_user(user)?;
    if user.is_deleted() {
        return Ok(None);
    }
    Ok(Some(StoredCredential {
        user: Arc::new(user),
        password: password.map(to_password).transpose()?,
    }))
}

/// Replaces a hash, unless it was changed since it was read.
pub(super) async fn rehash(
    db: &Pool,
    user: UserId,
    old: &PasswordHash,
    new: &PasswordHash,
) -> Result<bool, OperationError> {
    let update = Entity::update_many()
        .set(ActiveModel {
            password_hash: Set(new.expose().to_owned()),
            origin: Set(PasswordOrigin::Own.as_str().to_owned()),
            ..Default::default()
        })
        .filter(Column::UserId.eq(user.as_uuid()))
        .filter(Column::PasswordHash.eq(old.expose()));
    let updated = transaction::run(db, async |tx| Ok(update.exec(tx).await?)).await?;
    Ok(updated.rows_affected > 0)
}

/// Sets or removes the password of a user, in the transaction of the user's write.
pub(super) async fn write(
    tx: &impl ConnectionTrait,
    user: UserId,
    write: &PasswordWrite,
) -> Result<(), OperationError> {
    match write {
        PasswordWrite::Set(stored) => set_all(tx, &[(user, stored.clone())]).await,
        PasswordWrite::Remove => {
            Entity::delete_by_id(user.as_uuid()).exec(tx).await?;
            Ok(())
        }
    }
}

/// Sets the passwords of users. Must run after their rows are written.
pub(super) async fn set_all(
    tx: &impl ConnectionTrait,
    passwords: &[(UserId, StoredPassword)],
) -> Result<(), OperationError> {
    for part in list_params::batches(passwords) {
        let rows = part.iter().map(|(user, stored)| ActiveModel {
            user_id: Set(user.as_uuid()),
            password_hash: Set(stored.hash.expose().to_owned()),
            origin: Set(stored.origin.as_str().to_owned()),
            draw: Set(draw(*user)),
        });
        let newest = OnConflict::column(Column::UserId)
            .update_columns([Column::PasswordHash, Column::Origin])
            .to_owned();
        Entity::insert_many(rows)
            .on_conflict(newest)
            .exec_without_returning(tx)
            .await?;
    }
    Ok(())
}

/// Returns the passwords of these users that were imported.
pub(super) async fn imported(
    tx: &impl ConnectionTrait,
    users: &[UserId],
) -> Result<HashMap<UserId, PasswordHash>, OperationError> {
    if users.is_empty() {
        return Ok(HashMap::new());
    }
    let ids = list_params::padded(users.iter().map(|user| user.as_uuid()));
    let rows = Entity::find()
        .filter(Column::UserId.is_in(ids))
        .filter(Column::Origin.eq(PasswordOrigin::Imported.as_str()))
        // A concurrent login may replace the hash; the lock serialises both.
        .order_by(Column::UserId, Order::Asc)
        .lock_exclusive()
        .all(tx)
        .await?;
    Ok(rows
        .into_iter()
        .map(|row| {
            let hash = PasswordHash::from_store(row.password_hash);
            (UserId::from_uuid(row.user_id), hash)
        })
        .collect())
}

/// Returns the value of the column `draw` for a user: constant, and evenly distributed over 32 bits for ids of any
/// pattern.
fn draw(user: UserId) -> i64 {
    let digest = Sha256::digest(user.as_uuid());
    let bytes = digest.iter().take(4);
    bytes.fold(0, |number, byte| number << 8 | i64::from(*byte))
}

/// Returns the password with the lowest `draw` that is at least `from`.
pub(super) async fn first_from_draw(
    db: &impl ConnectionTrait,
    from: i64,
) -> Result<Option<StoredPassword>, OperationError> {
    let found = Entity::find()
        .filter(Column::Draw.gte(from))
        .order_by(Column::Draw, Order::Asc)
        .one(db)
        .await?;
    Ok(found.map(to_password).transpose()?)
}

fn to_password(row: Model) -> Result<StoredPassword, StoreError> {
    let origin = PasswordOrigin::from_name(&row.origin).ok_or_else(|| {
        let message = format!(
            "column origin of the credential of user {} is invalid",
            row.user_id
        );
        StoreError::Internal(message)
    })?;
    Ok(StoredPassword {
        hash: PasswordHash::from_store(row.password_hash),
        origin,
    })
}
