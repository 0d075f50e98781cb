//! The records of idempotency keys, in the transaction of the write they stand for.

use sea_orm::sea_query::{Expr, ExprTrait, OnConflict};
use sea_orm::{ActiveValue::Set, ConnectionTrait, EntityTrait};
use user_domain::StoreError;
use user_domain::ports::UserKey;
use user_domain::user::User;
use user_domain::values::UserId;
use user_domain::write::{IdempotencyKey, WriteContext, WriteError};

use super::entities::idempotency_keys::{ActiveModel, Column, Entity};
use super::errors;
use super::users::find::find;
use crate::guards::{Guard, Guards};

/// Whose turn it is.
pub(super) enum Turn {
    /// The write is to be done.
    First,
    /// The write has been done, and this is whom it was about.
    Later(UserId),
}

/// Claims the write's idempotency key, if it has one.
///
/// The insertion waits for a twin that holds the key in an open transaction; it takes over the record of a key that
/// has been forgotten.
pub(super) async fn claim(
    tx: &impl ConnectionTrait,
    guards: Guards,
    subject: UserId,
    context: &WriteContext,
) -> Result<Turn, WriteError> {
    let Some(idempotency) = &context.idempotency else {
        return Ok(Turn::First);
    };
    if !guards.stands(Guard::IdempotencyClaim) {
        return Ok(Turn::First);
    }
    let record = ActiveModel {
        actor: Set(context.actor.as_str().to_owned()),
        key: Set(idempotency.key.as_str().to_owned()),
        fingerprint: Set(idempotency.fingerprint.to_vec()),
        subject_id: Set(subject.as_uuid()),
        created_at: Set(context.at.as_utc()),
    };
    let forgotten = context.at.minus(IdempotencyKey::KEPT).as_utc();
    let take_over = OnConflict::columns([Column::Actor, Column::Key])
        .update_columns([Column::Fingerprint, Column::SubjectId, Column::CreatedAt])
        .action_and_where(Expr::col((Entity, Column::CreatedAt)).lte(forgotten))
        .to_owned();
    let claimed = Entity::insert(record)
        .on_conflict(take_over)
        .exec_without_returning(tx)
        .await
        .map_err(|error| errors::write(&error))?;
    if claimed > 0 {
        return Ok(Turn::First);
    }
    let key = (
        context.actor.as_str().to_owned(),
        idempotency.key.as_str().to_owned(),
    );
    let record = Entity::find_by_id(key)
        .one(tx)
        .await
        .map_err(|error| errors::write(&error))?
        .ok_or_else(|| StoreError::Unavailable("the record of the key has just gone".to_owned()))?;
    if record.fingerprint == idempotency.fingerprint {
        Ok(Turn::Later(UserId::from_uuid(record.subject_id)))
    } else {
        Err(WriteError::KeyReused)
    }
}

/// Finds the user that a repeated write was about, as it is now.
pub(super) async fn subject(tx: &impl ConnectionTrait, id: UserId) -> Result<User, WriteError> {
    let found = find(tx, &UserKey::Id(id)).await?;
    found
        .map(|user| User::clone(&user))
        .ok_or(WriteError::NotFound)
}
