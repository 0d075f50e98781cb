//! Released usernames, which are reserved for some time before other users can take them.
//!
//! They are stored as plain text while their former owner exists, and as digests ([`super::digests`]) after its
//! erasure. Each query therefore matches both forms.

mod release;

use std::sync::LazyLock;

use sea_orm::{
    ColumnTrait, Condition, ConnectionTrait, EntityTrait, PaginatorTrait, QueryFilter, QueryOrder,
    QuerySelect,
};
use user_domain::import::ReleasedUsername;
use user_domain::ports::ReservedName;
use user_domain::user::{Event, User};
use user_domain::values::{Timestamp, UserId, Username};
use user_domain::write::{USERNAME_RESERVATION, UniqueField, WriteError};

use super::digests::{NameDigests, is_name_digest};
use super::entities::released_usernames::{Column, Entity, Model};
use super::errors::OperationError;
use super::{list_params, outbox, raw_sql};

pub(super) use release::{free_name, hash_names_of, hash_orphaned_names, release, release_all};

/// The most reserved names of one user that are read. An earlier release may have left more of them than the limit.
const MAX_READ: u64 = 1_000;

/// Appends an event about a user, or rejects the user as [`reject_reserved`] does, with one statement.
pub(super) async fn append_event_unless_reserved(
    tx: &impl ConnectionTrait,
    digests: &NameDigests,
    user: &User,
    event: &Event,
    at: Timestamp,
) -> Result<(), OperationError> {
    let mut values = outbox::to_values(event);
    values.extend(digests.keys(&user.username).map(Into::into));
    values.extend(digests.skeletons(&user.username).map(Into::into));
    values.extend([
        at.minus(USERNAME_RESERVATION).as_utc().into(),
        user.id.as_uuid().into(),
    ]);
    let inserted = raw_sql::execute(tx, APPEND_EVENT_UNLESS_RESERVED.as_str(), values).await?;
    if inserted.rows_affected() > 0 {
        Ok(())
    } else {
        Err(WriteError::Taken(UniqueField::Username.into()).into())
    }
}

static APPEND_EVENT_UNLESS_RESERVED: LazyLock<String> = LazyLock::new(|| {
    let (placeholders, [key, hashed_key, skeleton, hashed_skeleton, since, user]) =
        outbox::placeholders();
    format!(
        "INSERT INTO events ({}) SELECT {placeholders}
        WHERE NOT EXISTS (
            SELECT 1 FROM released_usernames AS r
            WHERE (r.username_key IN ({key}, {hashed_key})
                    OR r.username_skeleton IN ({skeleton}, {hashed_skeleton}))
                AND r.released_at > {since} AND r.user_id <> {user}
        )",
        *outbox::COLUMNS
    )
});

/// Rejects a user if another user has recently released its name or a confusable one.
///
/// Must run after the user's row is written. A concurrent release of the name holds the entry in the unique index until
/// its commit, so this statement sees the released name.
pub(super) async fn reject_reserved(
    tx: &impl ConnectionTrait,
    digests: &NameDigests,
    user: &User,
    at: Timestamp,
) -> Result<(), OperationError> {
    let reserved = Entity::find()
        .filter(confusable(digests, &user.username))
        .filter(Column::ReleasedAt.gt(at.minus(USERNAME_RESERVATION).as_utc()))
        .filter(Column::UserId.ne(user.id.as_uuid()))
        .count(tx)
        .await?;
    if reserved == 0 {
        Ok(())
    } else {
        Err(WriteError::Taken(UniqueField::Username.into()).into())
    }
}

/// Matches a name and confusable ones, as plain text and as digests.
fn confusable(digests: &NameDigests, name: &Username) -> Condition {
    Condition::any()
        .add(Column::UsernameKey.is_in(digests.keys(name)))
        .add(Column::UsernameSkeleton.is_in(digests.skeletons(name)))
}

/// Returns the releases of these names and of confusable ones that are stored.
pub(super) async fn find_reserved<'a>(
    tx: &impl ConnectionTrait,
    digests: &NameDigests,
    names: impl Iterator<Item = &'a Username>,
) -> Result<Vec<ReleasedUsername>, OperationError> {
    let names = list_params::padded(names);
    if names.is_empty() {
        return Ok(Vec::new());
    }
    let keys = names.iter().flat_map(|name| digests.keys(name));
    let skeletons = names.iter().flat_map(|name| digests.skeletons(name));
    let found = Entity::find()
        .filter(
            Condition::any()
                .add(Column::UsernameKey.is_in(keys))
                .add(Column::UsernameSkeleton.is_in(skeletons)),
        )
        .all(tx)
        .await?;
    // The planner compares plain text. For a digest it is the requested name with this digest.
    let to_plain_text = |row: Model| {
        let requested = |column: &str, digest: fn(&NameDigests, &Username) -> String| {
            let has_digest = |name: &&&Username| digest(digests, name) == column;
            is_name_digest(column)
                .then(|| names.iter().find(has_digest))
                .flatten()
        };
        let by_key = requested(&row.username_key, |digests, name| digests.key(name.key()));
        let by_skeleton = requested(&row.username_skeleton, |digests, name| {
            digests.skeleton(name.skeleton())
        });
        ReleasedUsername {
            key: by_key.map_or(row.username_key, |name| name.key().to_owned()),
            skeleton: by_skeleton.map_or(row.username_skeleton, |name| name.skeleton().to_owned()),
            owner: UserId::from_uuid(row.user_id),
            released_at: Timestamp::from_utc(row.released_at),
        }
    };
    Ok(found.into_iter().map(to_plain_text).collect())
}

/// Returns the names that are reserved for a user, newest first.
pub(super) async fn of_user(
    db: &impl ConnectionTrait,
    user: UserId,
) -> Result<Vec<ReservedName>, OperationError> {
    let rows = Entity::find()
        .filter(Column::UserId.eq(user.as_uuid()))
        .order_by_desc(Column::ReleasedAt)
        .order_by_desc(Column::UsernameKey)
        .limit(MAX_READ)
        .all(db)
        .await?;
    Ok(rows.into_iter().map(to_reserved).collect())
}

fn to_reserved(row: Model) -> ReservedName {
    ReservedName {
        owner: UserId::from_uuid(row.user_id),
        since: Timestamp::from_utc(row.released_at),
        key: (!is_name_digest(&row.username_key)).then_some(row.username_key),
    }
}
