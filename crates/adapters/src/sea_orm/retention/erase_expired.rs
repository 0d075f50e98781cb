//! Removes a user whose deletion is over its time.

use sea_orm::sea_query::{LockBehavior, LockType};
use sea_orm::{ConnectionTrait, EntityTrait, QuerySelect};
use user_domain::StoreError;
use user_domain::values::UserId;
use user_domain::write::{WriteContext, WriteError};

use crate::guards::{Guard, Guards};
use crate::sea_orm::entities::users::Entity;
use crate::sea_orm::pool::Pool;
use crate::sea_orm::users::erase::remove;
use crate::sea_orm::{errors, row, transaction};

/// Removes a user if its deletion is over its time, and tells whether it did.
pub(crate) async fn erase_expired(
    db: &Pool,
    guards: Guards,
    id: UserId,
    context: &WriteContext,
) -> Result<bool, StoreError> {
    let erased = async {
        let tx = transaction::begin(db).await?;
        let erased = transaction::bounded(Box::pin(write(&tx, guards, id, context))).await?;
        transaction::commit(tx).await?;
        Ok(erased)
    };
    erased.await.map_err(errors::unrefused)
}

/// The user is looked at again while its row is locked: since it was named it may have been restored. A row that
/// another writer holds is passed over; there is a next time.
async fn write(
    tx: &impl ConnectionTrait,
    guards: Guards,
    id: UserId,
    context: &WriteContext,
) -> Result<bool, WriteError> {
    let found = Entity::find_by_id(id.as_uuid())
        .lock_with_behavior(LockType::Update, LockBehavior::SkipLocked)
        .one(tx)
        .await
        .map_err(|error| errors::write(&error))?;
    let Some(found) = found else {
        return Ok(false);
    };
    let user = row::to_user(found)?;
    let event = if guards.stands(Guard::ExpiryCheck) {
        user.expire(context)
    } else {
        user.erase(context).ok()
    };
    let Some(event) = event else {
        return Ok(false);
    };
    remove(tx, guards, &user, &event, context.at).await?;
    Ok(true)
}
