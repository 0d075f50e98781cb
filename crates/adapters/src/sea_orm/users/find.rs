//! Finds users by their keys.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::Arc;

use sea_orm::sea_query::SimpleExpr;
use sea_orm::{ColumnTrait, ConnectionTrait, EntityTrait, QueryFilter, Value};
use user_domain::StoreError;
use user_domain::ports::{UserKey, UserKeys};
use user_domain::user::User;

use crate::sea_orm::entities::users::{Column, Entity, Model};
use crate::sea_orm::{errors, row};

/// Finds one user.
pub(crate) async fn find(
    db: &impl ConnectionTrait,
    key: &UserKey,
) -> Result<Option<Arc<User>>, StoreError> {
    let found = Entity::find()
        .filter(bears(key))
        .one(db)
        .await
        .map_err(|error| errors::store(&error))?;
    found
        .map(|found| row::to_user(found).map(Arc::new))
        .transpose()
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
            let keys: Vec<_> = ids.iter().map(|id| id.as_uuid()).collect();
            find_by(db, Column::Id, &keys, |row| Some(row.id)).await
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
        .filter(column.is_in(keys.iter().cloned()))
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
