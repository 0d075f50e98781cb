//! Finds all values of a write that belong to other users. A violated index names only one of them.

use std::time::Duration;

use sea_orm::{ColumnTrait, Condition, ConnectionTrait, EntityTrait, QueryFilter, QuerySelect};
use tokio::time::timeout;
use user_domain::user::User;
use user_domain::values::{ExternalId, Timestamp};
use user_domain::write::{TakenFields, UniqueField, WriteError};

use crate::sea_orm::digests::NameDigests;
use crate::sea_orm::entities::users::{Column, Entity};
use crate::sea_orm::errors::OperationError;
use crate::sea_orm::released_usernames;

/// The most users that can have a unique value of one user: its username, its skeleton, its email address, its external
/// id.
const MAX_OWNERS: u64 = 4;

/// How long the values are looked for. The write is already refused, and its caller waits.
const TIMEOUT: Duration = Duration::from_millis(300);

/// Adds all taken values to the outcome of a write that met a conflict. Other outcomes are unchanged.
///
/// It runs after the transaction, which the conflict has ended. If it fails or takes too long, the error names the first
/// field only.
pub(super) async fn find_all_taken<T>(
    db: &impl ConnectionTrait,
    digests: &NameDigests,
    outcome: Result<T, OperationError>,
    at: Timestamp,
) -> Result<T, OperationError> {
    let Err(OperationError::Conflict(user, first)) = outcome else {
        return outcome;
    };
    let found = timeout(TIMEOUT, find(db, digests, &user, first, at)).await;
    let fields = if let Ok(Ok(fields)) = found {
        fields
    } else {
        tracing::debug!("the other taken values could not be read");
        first.into()
    };
    Err(WriteError::Taken(fields).into())
}

async fn find(
    db: &impl ConnectionTrait,
    digests: &NameDigests,
    user: &User,
    first: UniqueField,
    at: Timestamp,
) -> Result<TakenFields, OperationError> {
    let (key, skeleton) = (user.username.key(), user.username.skeleton());
    let email = user.email.key();
    let external_id = user.external_id.as_ref().map(ExternalId::as_str);
    let mut has_value = Condition::any()
        .add(Column::UsernameKey.eq(key))
        .add(Column::UsernameSkeleton.eq(skeleton))
        .add(Column::EmailKey.eq(email));
    if let Some(id) = external_id {
        has_value = has_value.add(Column::ExternalId.eq(id));
    }
    let owners = Entity::find()
        .filter(Column::Id.ne(user.id.as_uuid()))
        .filter(has_value)
        .limit(MAX_OWNERS)
        .all(db)
        .await?;
    // Another writer may have released the value in between: the field that the index named stays.
    let mut fields = TakenFields::from(first);
    for owner in owners {
        if owner.username_key == key || owner.username_skeleton == skeleton {
            fields = fields.and(UniqueField::Username);
        }
        if owner.email_key == email {
            fields = fields.and(UniqueField::Email);
        }
        if external_id.is_some() && owner.external_id.as_deref() == external_id {
            fields = fields.and(UniqueField::ExternalId);
        }
    }
    match released_usernames::reject_reserved(db, digests, user, at).await {
        Ok(()) => Ok(fields),
        Err(OperationError::Port(WriteError::Taken(_))) => Ok(fields.and(UniqueField::Username)),
        Err(error) => Err(error),
    }
}
