//! Erases a deleted user after the retention time.

use user_domain::values::UserId;
use user_domain::write::WriteContext;

use crate::guards::Guard;
use crate::sea_orm::connection::{Pool, Transaction};
use crate::sea_orm::digests::NameDigests;
use crate::sea_orm::errors::OperationError;
use crate::sea_orm::transaction;
use crate::sea_orm::users::change::lock_unless_held;
use crate::sea_orm::users::erase::remove;

/// Erases a user if its retention time is over, and returns whether it did.
pub(crate) async fn erase_expired(
    db: &Pool,
    digests: &NameDigests,
    id: UserId,
    context: &WriteContext,
) -> Result<bool, OperationError> {
    transaction::run(db, async |tx| write(tx, digests, id, context).await).await
}

/// Checks the user again while its row is locked, since it may have been restored after it was listed. A row that
/// another transaction has locked is skipped until the next run.
async fn write(
    tx: &Transaction,
    digests: &NameDigests,
    id: UserId,
    context: &WriteContext,
) -> Result<bool, OperationError> {
    let Some(user) = lock_unless_held(tx, id).await? else {
        return Ok(false);
    };
    let event = if tx.is_guarded(Guard::ExpiryCheck) {
        user.expire(context)
    } else {
        user.erase(context).ok()
    };
    let Some(event) = event else {
        return Ok(false);
    };
    remove(tx, digests, &user, &event, context.at).await?;
    Ok(true)
}
