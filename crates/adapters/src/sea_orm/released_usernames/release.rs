//! Reserves and frees usernames, and replaces those of erased users by digests.

use sea_orm::sea_query::OnConflict;
use sea_orm::{
    ActiveValue::Set, ColumnTrait, ConnectionTrait, DbErr, EntityTrait, QueryFilter, QueryResult,
};
use user_domain::ports::ReservedName;
use user_domain::values::{Timestamp, UserId, Username};
use user_domain::write::MAX_RESERVED_NAMES;
use uuid::Uuid;

use super::{confusable, to_reserved};
use crate::sea_orm::connection::Pool;
use crate::sea_orm::digests::{AFTER_DIGESTS, NameDigests};
use crate::sea_orm::entities::released_usernames::{ActiveModel, Column, Entity};
use crate::sea_orm::errors::OperationError;
use crate::sea_orm::{list_params, raw_sql, transaction};

/// The number of rows that [`hash_orphaned_names`] reads at a time.
const PAGE_SIZE: i64 = 500;
/// The most names that one transaction replaces by digests. Each takes two statements, within the transaction's
/// timeout.
const MAX_NAMES_PER_TRANSACTION: usize = 50;

/// Reserves a released username.
pub(in crate::sea_orm) async fn release(
    tx: &impl ConnectionTrait,
    name: &Username,
    user: UserId,
    at: Timestamp,
) -> Result<(), OperationError> {
    release_all(tx, &[(name.clone(), user, at)]).await
}

/// Reserves released usernames, each at most once. Deletes reservations beyond the limit of a user, and those whose
/// user has the name again. Must run after the users' rows are written.
pub(in crate::sea_orm) async fn release_all(
    tx: &impl ConnectionTrait,
    released: &[(Username, UserId, Timestamp)],
) -> Result<(), OperationError> {
    for part in list_params::batches(released) {
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
            .await?;
    }
    if released.is_empty() {
        return Ok(());
    }
    let mut users: Vec<UserId> = released.iter().map(|(_, user, _)| *user).collect();
    users.sort_unstable();
    users.dedup();
    let sql = DELETE_SURPLUS.replace("{list}", &list_params::id_table(tx));
    let limit = i64::try_from(MAX_RESERVED_NAMES).unwrap_or(i64::MAX);
    raw_sql::execute(tx, sql, [list_params::id_list(users), limit.into()]).await?;
    Ok(())
}

/// Ranks the reserved names of each user, separately from names that the user has again.
const DELETE_SURPLUS: &str = "
    DELETE FROM released_usernames WHERE username_key IN (
        SELECT username_key FROM (
            SELECT r.username_key, u.id IS NOT NULL AS is_held, row_number() OVER (
                PARTITION BY r.user_id, u.id IS NOT NULL ORDER BY r.released_at DESC, r.username_key DESC
            ) AS place
            FROM {list} JOIN released_usernames AS r ON r.user_id = g.id
            LEFT JOIN users AS u ON u.id = r.user_id AND u.username_key = r.username_key
        ) AS ranked
        WHERE is_held OR place > $2
    )";

/// Frees a name and confusable ones, independent of the users that released them.
pub(in crate::sea_orm) async fn free_name(
    db: &Pool,
    digests: &NameDigests,
    name: &Username,
) -> Result<Vec<ReservedName>, OperationError> {
    let freed = transaction::run(db, async |tx| {
        let matching = Entity::find()
            .filter(confusable(digests, name))
            .all(tx)
            .await?;
        let keys = matching.iter().map(|row| row.username_key.clone());
        Entity::delete_many()
            .filter(Column::UsernameKey.is_in(list_params::padded(keys)))
            .exec(tx)
            .await?;
        Ok(matching)
    })
    .await?;
    Ok(freed.into_iter().map(to_reserved).collect())
}

/// A name as plain text that is to be replaced by a digest.
struct PlainName {
    key: String,
    skeleton: String,
    owner: Uuid,
}

/// Replaces the names of an erased user by digests, in the transaction of its erasure.
pub(in crate::sea_orm) async fn hash_names_of(
    tx: &impl ConnectionTrait,
    digests: &NameDigests,
    user: UserId,
) -> Result<(), OperationError> {
    let names = Entity::find()
        .filter(Column::UserId.eq(user.as_uuid()))
        .all(tx)
        .await?;
    let names = names.into_iter().map(|row| PlainName {
        key: row.username_key,
        skeleton: row.username_skeleton,
        owner: row.user_id,
    });
    hash_names(tx, digests, names).await
}

/// Replaces the names of users that no longer exist by digests. Only an older release without digests leaves such
/// names.
pub(in crate::sea_orm) async fn hash_orphaned_names(
    reads: &impl ConnectionTrait,
    writes: &Pool,
    digests: &NameDigests,
) -> Result<(), OperationError> {
    let mut after = AFTER_DIGESTS.to_owned();
    loop {
        let page = raw_sql::query(reads, ORPHANS, [after.clone().into(), PAGE_SIZE.into()]).await?;
        let page: Vec<_> = page.iter().map(to_orphan).collect::<Result<_, _>>()?;
        let Some((last, _)) = page.last() else {
            return Ok(());
        };
        after.clone_from(&last.key);
        let orphans = page
            .into_iter()
            .filter_map(|(name, is_orphan)| is_orphan.then_some(name));
        let orphans: Vec<PlainName> = orphans.collect();
        let mut orphans = orphans.into_iter().peekable();
        while orphans.peek().is_some() {
            let batch = orphans.by_ref().take(MAX_NAMES_PER_TRANSACTION);
            transaction::run(writes, async |tx| hash_names(tx, digests, batch).await).await?;
        }
    }
}

const ORPHANS: &str = "
    SELECT r.username_key, r.username_skeleton, r.user_id, u.id IS NULL AS is_orphan
    FROM (
        SELECT username_key, username_skeleton, user_id FROM released_usernames
        WHERE username_key > $1 ORDER BY username_key LIMIT $2
    ) AS r LEFT JOIN users AS u ON u.id = r.user_id
    ORDER BY r.username_key";

fn to_orphan(row: &QueryResult) -> Result<(PlainName, bool), DbErr> {
    let name = PlainName {
        key: row.try_get("", "username_key")?,
        skeleton: row.try_get("", "username_skeleton")?,
        owner: row.try_get("", "user_id")?,
    };
    Ok((name, row.try_get("", "is_orphan")?))
}

/// Replaces an older digest of the same name too: that name was free before it was released again.
async fn hash_names(
    tx: &impl ConnectionTrait,
    digests: &NameDigests,
    names: impl Iterator<Item = PlainName>,
) -> Result<(), OperationError> {
    for PlainName {
        key,
        skeleton,
        owner,
    } in names
    {
        let (digest, skeleton) = (digests.key(&key), digests.skeleton(&skeleton));
        Entity::delete_by_id(digest.clone()).exec(tx).await?;
        let row = ActiveModel {
            username_key: Set(digest),
            username_skeleton: Set(skeleton),
            ..Default::default()
        };
        Entity::update_many()
            .set(row)
            .filter(Column::UsernameKey.eq(key))
            .filter(Column::UserId.eq(owner))
            .exec(tx)
            .await?;
    }
    Ok(())
}
