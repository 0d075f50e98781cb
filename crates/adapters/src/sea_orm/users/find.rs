//! Finds users by their keys.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::{Arc, LazyLock};

use sea_orm::sea_query::SimpleExpr;
use sea_orm::{
    ColumnTrait, ConnectionTrait, DatabaseBackend, DbErr, EntityTrait, QueryFilter, QueryResult,
    Value,
};
use user_domain::StoreError;
use user_domain::ports::{UserKey, UserKeys};
use user_domain::user::User;
use user_domain::values::UserId;

use crate::sea_orm::entities::users::{COLUMNS, Column, Entity, Model};
use crate::sea_orm::{errors, given, many, row};

static BY_ID: LazyLock<String> =
    LazyLock::new(|| format!("SELECT {} FROM users AS u WHERE u.id = $1", *COLUMNS));
static BY_ID_LOCKED: LazyLock<String> = LazyLock::new(|| format!("{} FOR UPDATE", *BY_ID));
/// One shape for any number of ids. The limit leaves PostgreSQL no way but the index, whatever it believes of a table that
/// has just been filled.
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
) -> Result<Option<Arc<User>>, StoreError> {
    let found = match key {
        UserKey::Id(id) => by_id(db, *id).await,
        _ => Entity::find().filter(bears(key)).one(db).await,
    };
    found
        .map_err(|error| errors::store(&error))?
        .map(|found| row::to_user(found).map(Arc::new))
        .transpose()
}

/// Finds a row by its id.
pub(crate) async fn by_id(db: &impl ConnectionTrait, id: UserId) -> Result<Option<Model>, DbErr> {
    first(&given::query(db, BY_ID.as_str(), [id.as_uuid().into()]).await?)
}

/// Finds a row by its id, and locks it: on PostgreSQL alone, since SQLite knows no such thing.
pub(crate) async fn by_id_locked(
    tx: &impl ConnectionTrait,
    id: UserId,
) -> Result<Option<Model>, DbErr> {
    if tx.get_database_backend() != DatabaseBackend::Postgres {
        return by_id(tx, id).await;
    }
    first(&given::query(tx, BY_ID_LOCKED.as_str(), [id.as_uuid().into()]).await?)
}

fn first(rows: &[QueryResult]) -> Result<Option<Model>, DbErr> {
    rows.first().map(Model::from_columns).transpose()
}

/// Finds rows by their ids, in no order, by a statement that is prepared once however many there are.
async fn by_ids(db: &impl ConnectionTrait, ids: &[UserId]) -> Result<Vec<Model>, DbErr> {
    if db.get_database_backend() != DatabaseBackend::Postgres {
        let ids = many::padded(ids.iter().map(|id| id.as_uuid()));
        return Entity::find().filter(Column::Id.is_in(ids)).all(db).await;
    }
    let mut list = String::with_capacity(2 + 33 * ids.len());
    let mut text = uuid::Uuid::encode_buffer();
    for id in ids {
        list.push(if list.is_empty() { '{' } else { ',' });
        list.push_str(id.as_uuid().simple().encode_lower(&mut text));
    }
    list.push('}');
    let rows = given::query(db, BY_IDS.as_str(), [list.into()]).await?;
    rows.iter().map(Model::from_columns).collect()
}

/// Matches whoever bears a key.
pub(crate) fn bears(key: &UserKey) -> SimpleExpr {
    match key {
        UserKey::Id(id) => Column::Id.eq(id.as_uuid()),
        UserKey::Username(key) => Column::UsernameKey.eq(key.as_str()),
        UserKey::Email(key) => Column::EmailKey.eq(key.as_str()),
        UserKey::ExternalId(id) => Column::ExternalId.eq(id.as_str()),
    }
}

/// Finds many users by one query.
pub(crate) async fn find_many(
    db: &impl ConnectionTrait,
    keys: &UserKeys,
) -> Result<Vec<Option<Arc<User>>>, StoreError> {
    match keys {
        UserKeys::Ids(ids) => {
            if ids.is_empty() {
                return Ok(Vec::new());
            }
            let rows = by_ids(db, ids)
                .await
                .map_err(|error| errors::store(&error))?;
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
) -> Result<Vec<Option<Arc<User>>>, StoreError> {
    let rows = Entity::find()
        .filter(column.is_in(many::padded(keys.iter().cloned())))
        .all(db)
        .await
        .map_err(|error| errors::store(&error))?;
    let mut found = HashMap::with_capacity(rows.len());
    for row in rows {
        if let Some(key) = key_of(&row) {
            found.insert(key, Arc::new(row::to_user(row)?));
        }
    }
    Ok(keys.iter().map(|key| found.get(key).cloned()).collect())
}
