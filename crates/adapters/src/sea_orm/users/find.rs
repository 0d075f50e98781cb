//! Finds users by their keys.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::{Arc, LazyLock};

use sea_orm::sea_query::{Expr, SimpleExpr};
use sea_orm::{ColumnTrait, ConnectionTrait, DbErr, EntityTrait, QueryFilter, QueryResult, Value};
use user_domain::ports::{UserKey, UserKeys};
use user_domain::user::User;
use user_domain::values::UserId;

use crate::sea_orm::dialect::Dialect;
use crate::sea_orm::entities::users::{COLUMNS, Column, Entity, Model};
use crate::sea_orm::errors::OperationError;
use crate::sea_orm::{list_params, raw_sql, row};

static BY_ID: LazyLock<String> =
    LazyLock::new(|| format!("SELECT {} FROM users AS u WHERE u.id = $1", *COLUMNS));
static BY_ID_LOCKED: LazyLock<String> = LazyLock::new(|| format!("{} FOR UPDATE", *BY_ID));
/// One SQL text for any number of ids. `LIMIT` makes PostgreSQL use the index, even with the statistics of a table that
/// was empty.
static BY_IDS: LazyLock<String> = LazyLock::new(|| {
    format!(
        "SELECT {} FROM unnest($1::text::uuid[]) AS sought (id)
        CROSS JOIN LATERAL (SELECT * FROM users WHERE users.id = sought.id LIMIT 1) AS u",
        *COLUMNS
    )
});

/// Finds one user.
pub(crate) async fn find(
    db: &impl ConnectionTrait,
    key: &UserKey,
) -> Result<Option<Arc<User>>, OperationError> {
    let found = match key {
        UserKey::Id(id) => by_id(db, *id).await,
        _ => Entity::find().filter(matches_key(key)).one(db).await,
    };
    let user = found?.map(row::to_user).transpose()?;
    Ok(user.map(Arc::new))
}

/// Finds a row by its id.
pub(crate) async fn by_id(db: &impl ConnectionTrait, id: UserId) -> Result<Option<Model>, DbErr> {
    first(&raw_sql::query(db, BY_ID.as_str(), [id.as_uuid().into()]).await?)
}

/// Finds a row by its id and locks it. SQLite has no row locks.
pub(crate) async fn by_id_locked(
    tx: &impl ConnectionTrait,
    id: UserId,
) -> Result<Option<Model>, DbErr> {
    let sql = Dialect::of(tx).choose(BY_ID_LOCKED.as_str(), BY_ID.as_str());
    first(&raw_sql::query(tx, sql, [id.as_uuid().into()]).await?)
}

fn first(rows: &[QueryResult]) -> Result<Option<Model>, DbErr> {
    rows.first().map(Model::from_columns).transpose()
}

/// Finds rows by their ids, in no order. On PostgreSQL one prepared statement serves any number of ids.
async fn by_ids(db: &impl ConnectionTrait, ids: &[UserId]) -> Result<Vec<Model>, DbErr> {
    if !Dialect::of(db).has_arrays() {
        let ids = list_params::padded(ids.iter().map(|id| id.as_uuid()));
        return Entity::find().filter(Column::Id.is_in(ids)).all(db).await;
    }
    let rows = raw_sql::query(db, BY_IDS.as_str(), [list_params::id_array(ids)]).await?;
    rows.iter().map(Model::from_columns).collect()
}

/// Returns the condition that a user has a key.
pub(crate) fn matches_key(key: &UserKey) -> SimpleExpr {
    match key {
        UserKey::Id(id) => Column::Id.eq(id.as_uuid()),
        UserKey::Username(key) => Column::UsernameKey.eq(key.as_str()),
        UserKey::Email(key) => Column::EmailKey.eq(key.as_str()),
        UserKey::ExternalId(id) => Column::ExternalId.eq(id.as_str()),
    }
}

/// Returns a condition that matches no user: a comparison with NULL is never true. `ColumnTrait::eq` would write
/// `IS NULL` instead, which matches rows of nullable columns.
pub(crate) fn matches_nothing() -> SimpleExpr {
    // Imported only here: elsewhere its `eq` and `is_in` would take precedence over those of `ColumnTrait`.
    use sea_orm::sea_query::ExprTrait as _;

    Expr::col(Column::UsernameKey.as_column_ref()).eq(Expr::val(None::<String>))
}

/// Finds many users with one query.
pub(crate) async fn find_many(
    db: &impl ConnectionTrait,
    keys: &UserKeys,
) -> Result<Vec<Option<Arc<User>>>, OperationError> {
    match keys {
        UserKeys::Ids(ids) => {
            if ids.is_empty() {
                return Ok(Vec::new());
            }
            let rows = by_ids(db, ids).await?;
            let mut found = HashMap::with_capacity(rows.len());
            for row in rows {
                found.insert(UserId::from_uuid(row.id), Arc::new(row::to_user(row)?));
            }
            Ok(ids.iter().map(|id| found.get(id).cloned()).collect())
        }
        UserKeys::Usernames(names) => {
            let keys: Vec<_> = names.iter().map(|name| name.as_str().to_owned()).collect();
            find_by(db, Column::UsernameKey, &keys, |row| {
                Some(row.username_key.clone())
            })
            .await
        }
        UserKeys::Emails(emails) => {
            let keys: Vec<_> = emails
                .iter()
                .map(|email| email.as_str().to_owned())
                .collect();
            find_by(db, Column::EmailKey, &keys, |row| {
                Some(row.email_key.clone())
            })
            .await
        }
        UserKeys::ExternalIds(ids) => {
            let keys: Vec<_> = ids.iter().map(|id| id.as_str().to_owned()).collect();
            find_by(db, Column::ExternalId, &keys, |row| row.external_id.clone()).await
        }
    }
}

async fn find_by<K: Clone + Eq + Hash + Into<Value>>(
    db: &impl ConnectionTrait,
    column: Column,
    keys: &[K],
    key_of: impl Fn(&Model) -> Option<K>,
) -> Result<Vec<Option<Arc<User>>>, OperationError> {
    let rows = Entity::find()
        .filter(column.is_in(list_params::padded(keys.iter().cloned())))
        .all(db)
        .await?;
    let mut found = HashMap::with_capacity(rows.len());
    for row in rows {
        if let Some(key) = key_of(&row) {
            found.insert(key, Arc::new(row::to_user(row)?));
        }
    }
    Ok(keys.iter().map(|key| found.get(key).cloned()).collect())
}
