//! The passwords of users, beside their rows.

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
use user_domain::write::WriteError;

use super::entities::credentials::{ActiveModel, Column, Entity, Model};
use super::entities::users;
use super::pool::Pool;
use super::users::find;
use super::{errors, many, row, transaction};

/// Finds the user of a key, unless deleted, and its password, by one statement.
pub(super) async fn find_credential(
    db: &impl ConnectionTrait,
    key: &UserKey,
) -> Result<Option<StoredCredential>, StoreError> {
    let of_user: RelationDef = users::Entity::belongs_to(Entity)
        .from(users::Column::Id)
        .to(Column::UserId)
        .into();
    let found = users::Entity::find()
        .filter(find::bears(key))
        .join(JoinType::LeftJoin, of_user)
        .select_also(Entity)
        .one(db)
        .await
        .map_err(|error| errors::store(&error))?;
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

/// Puts another hash in the place of one, unless that is another by now.
pub(super) async fn rehash(
    db: &Pool,
    user: UserId,
    old: &PasswordHash,
    new: &PasswordHash,
) -> Result<bool, WriteError> {
    let tx = transaction::begin(db).await?;
    let update = Entity::update_many()
        .set(ActiveModel {
            password_hash: Set(new.expose().to_owned()),
            origin: Set(PasswordOrigin::Own.as_str().to_owned()),
            ..Default::default()
        })
        .filter(Column::UserId.eq(user.as_uuid()))
        .filter(Column::PasswordHash.eq(old.expose()));
    let updated = async {
        let updated = update.exec(&tx).await;
        updated.map_err(|error| errors::write(&error))
    };
    let updated = transaction::bounded(updated).await?;
    transaction::commit(tx).await?;
    Ok(updated.rows_affected > 0)
}

/// Writes what becomes of a user's password, in the transaction of its user's write.
pub(super) async fn write(
    tx: &impl ConnectionTrait,
    user: UserId,
    write: &PasswordWrite,
) -> Result<(), WriteError> {
    match write {
        PasswordWrite::Set(stored) => set_all(tx, &[(user, stored.clone())]).await,
        PasswordWrite::Remove => {
            let removed = Entity::delete_by_id(user.as_uuid()).exec(tx).await;
            removed.map_err(|error| errors::write(&error)).map(drop)
        }
    }
}

/// Sets the passwords of users whose rows are written.
pub(super) async fn set_all(
    tx: &impl ConnectionTrait,
    passwords: &[(UserId, StoredPassword)],
) -> Result<(), WriteError> {
    for part in many::parts(passwords) {
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
            .await
            .map_err(|error| errors::write(&error))?;
    }
    Ok(())
}

/// Finds the passwords that were imported, among those of some users.
pub(super) async fn imported(
    tx: &impl ConnectionTrait,
    users: &[UserId],
) -> Result<HashMap<UserId, PasswordHash>, WriteError> {
    if users.is_empty() {
        return Ok(HashMap::new());
    }
    let ids = many::padded(users.iter().map(|user| user.as_uuid()));
    let rows = Entity::find()
        .filter(Column::UserId.is_in(ids))
        .filter(Column::Origin.eq(PasswordOrigin::Imported.as_str()))
        // Whoever logs in just now has it hashed anew, before or after.
        .order_by(Column::UserId, Order::Asc)
        .lock_exclusive()
        .all(tx)
        .await
        .map_err(|error| errors::write(&error))?;
    Ok(rows
        .into_iter()
        .map(|row| {
            let hash = PasswordHash::from_store(row.password_hash);
            (UserId::from_uuid(row.user_id), hash)
        })
        .collect())
}

/// Gives a user's number among the draws: the same each time, and spread evenly over 32 bits whatever ids there are.
fn draw(user: UserId) -> i64 {
    let digest = Sha256::digest(user.as_uuid());
    let bytes = digest.iter().take(4);
    bytes.fold(0, |number, byte| number << 8 | i64::from(*byte))
}

/// Finds the password of the first draw from a number on.
pub(super) async fn drawn(
    db: &impl ConnectionTrait,
    from: i64,
) -> Result<Option<StoredPassword>, StoreError> {
    let found = Entity::find()
        .filter(Column::Draw.gte(from))
        .order_by(Column::Draw, Order::Asc)
        .one(db)
        .await
        .map_err(|error| errors::store(&error))?;
    found.map(to_password).transpose()
}

fn to_password(row: Model) -> Result<StoredPassword, StoreError> {
    let origin = PasswordOrigin::from_name(&row.origin).ok_or_else(|| {
        let broken = format!("the password's origin of user {} is broken", row.user_id);
        StoreError::Internal(broken)
    })?;
    Ok(StoredPassword {
        hash: PasswordHash::from_store(row.password_hash),
        origin,
    })
}
