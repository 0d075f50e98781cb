//! Names that were given up, and rest before somebody else may have them.

use std::sync::LazyLock;

use sea_orm::sea_query::OnConflict;
use sea_orm::{
    ActiveValue::Set, ColumnTrait, Condition, ConnectionTrait, EntityTrait, PaginatorTrait,
    QueryFilter,
};
use user_domain::import::RestingName;
use user_domain::user::{Event, User};
use user_domain::values::{Timestamp, UserId, Username};
use user_domain::write::{NAME_REST, UniqueField, WriteError};

use super::entities::released_usernames::{ActiveModel, Column, Entity};
use super::{errors, given, many, outbox};

/// Appends an event about a user by one statement with the question of [`refuse_resting`], and refuses the user as that does.
pub(super) async fn tell_unless_resting(
    tx: &impl ConnectionTrait,
    user: &User,
    event: &Event,
    at: Timestamp,
) -> Result<(), WriteError> {
    let mut values = outbox::to_values(event);
    values.extend([
        user.username.key().into(),
        user.username.skeleton().into(),
        at.minus(NAME_REST).as_utc().into(),
        user.id.as_uuid().into(),
    ]);
    let told = given::execute(tx, TELL_UNLESS_RESTING.as_str(), values)
        .await
        .map_err(|error| errors::write(&error))?;
    if told.rows_affected() > 0 {
        Ok(())
    } else {
        Err(WriteError::Taken(UniqueField::Username))
    }
}

static TELL_UNLESS_RESTING: LazyLock<String> = LazyLock::new(|| {
    format!(
        "INSERT INTO events ({}) SELECT $1, $2, $3, $4, $5, $6, $7, $8, $9
        WHERE NOT EXISTS (
            SELECT 1 FROM released_usernames AS r
            WHERE (r.username_key = $10 OR r.username_skeleton = $11) AND r.released_at > $12 AND r.user_id <> $13
        )",
        *outbox::COLUMNS
    )
});

/// Refuses a user whose name, or one that looks like it, somebody else has given up too recently.
///
/// It is asked after the user's row is written: whoever gives the name up meanwhile holds the unique index until its
/// own commit, so that this statement sees what it left.
pub(super) async fn refuse_resting(
    tx: &impl ConnectionTrait,
    user: &User,
    at: Timestamp,
) -> Result<(), WriteError> {
    let resting = Entity::find()
        .filter(
            Condition::any()
                .add(Column::UsernameKey.eq(user.username.key()))
                .add(Column::UsernameSkeleton.eq(user.username.skeleton())),
        )
        .filter(Column::ReleasedAt.gt(at.minus(NAME_REST).as_utc()))
        .filter(Column::UserId.ne(user.id.as_uuid()))
        .count(tx)
        .await
        .map_err(|error| errors::write(&error))?;
    if resting == 0 {
        Ok(())
    } else {
        Err(WriteError::Taken(UniqueField::Username))
    }
}

/// Finds which of these names, or of those that look like them, were ever given up, by whom and when.
pub(super) async fn resting<'a>(
    tx: &impl ConnectionTrait,
    names: impl Iterator<Item = &'a Username>,
) -> Result<Vec<RestingName>, WriteError> {
    let names = many::padded(names);
    let keys: Vec<&str> = names.iter().map(|name| name.key()).collect();
    let skeletons = names.iter().map(|name| name.skeleton());
    if keys.is_empty() {
        return Ok(Vec::new());
    }
    let found = Entity::find()
        .filter(
            Condition::any()
                .add(Column::UsernameKey.is_in(keys))
                .add(Column::UsernameSkeleton.is_in(skeletons)),
        )
        .all(tx)
        .await
        .map_err(|error| errors::write(&error))?;
    let rests = |row: super::entities::released_usernames::Model| RestingName {
        key: row.username_key,
        skeleton: row.username_skeleton,
        owner: UserId::from_uuid(row.user_id),
        since: Timestamp::from_utc(row.released_at),
    };
    Ok(found.into_iter().map(rests).collect())
}

/// Lets a name rest from now on.
pub(super) async fn release(
    tx: &impl ConnectionTrait,
    name: &Username,
    user: UserId,
    at: Timestamp,
) -> Result<(), WriteError> {
    release_all(tx, &[(name.clone(), user, at)]).await
}

/// Lets names rest, each there once.
pub(super) async fn release_all(
    tx: &impl ConnectionTrait,
    released: &[(Username, UserId, Timestamp)],
) -> Result<(), WriteError> {
    for part in many::parts(released) {
        let rows = part.iter().map(|(name, user, at)| ActiveModel {
            username_key: Set(name.key().to_owned()),
            username_skeleton: Set(name.skeleton().to_owned()),
            user_id: Set(user.as_uuid()),
            released_at: Set(at.as_utc()),
        });
        let latest = OnConflict::column(Column::UsernameKey)
            .update_columns([Column::UsernameSkeleton, Column::UserId, Column::ReleasedAt])
            .to_owned();
        Entity::insert_many(rows)
            .on_conflict(latest)
            .exec_without_returning(tx)
            .await
            .map_err(|error| errors::write(&error))?;
    }
    Ok(())
}
