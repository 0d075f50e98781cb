//! Adds a user.

use std::sync::LazyLock;

use sea_orm::ConnectionTrait;
use user_domain::user::Applied;
use user_domain::write::{WriteContext, Written};

use super::change::columns;
use super::taken;
use crate::sea_orm::connection::{Pool, Transaction};
use crate::sea_orm::digests::NameDigests;
use crate::sea_orm::errors::OperationError;
use crate::sea_orm::idempotency::{self, Claim};
use crate::sea_orm::{credentials, errors, raw_sql, released_usernames, row, transaction};

/// Adds a user, its event, and the record of its idempotency key, atomically.
pub(crate) async fn add(
    db: &Pool,
    digests: &NameDigests,
    applied: &Applied,
    context: &WriteContext,
) -> Result<Written, OperationError> {
    let added = transaction::run(db, async |tx| write(tx, digests, applied, context).await).await;
    taken::find_all_taken(db, digests, added, context.at).await
}

async fn write(
    tx: &Transaction,
    digests: &NameDigests,
    applied: &Applied,
    context: &WriteContext,
) -> Result<Written, OperationError> {
    let id = applied.user.id.as_uuid();
    if let Claim::Replay(id) = idempotency::claim(tx, id, context).await? {
        return Ok(Written::Replayed(idempotency::subject(tx, id).await?));
    }
    insert(tx, applied).await?;
    if let Some(password) = &applied.password {
        credentials::write(tx, applied.user.id, password).await?;
    }
    released_usernames::append_event_unless_reserved(
        tx,
        digests,
        &applied.user,
        &applied.event,
        context.at,
    )
    .await?;
    Ok(Written::Applied(applied.user.clone()))
}

async fn insert(tx: &impl ConnectionTrait, applied: &Applied) -> Result<(), OperationError> {
    raw_sql::execute(tx, INSERT.as_str(), row::to_values(&applied.user))
        .await
        .map_err(|error| errors::of_row(error, &applied.user))?;
    Ok(())
}

static INSERT: LazyLock<String> = LazyLock::new(|| {
    let names: Vec<String> = columns().map(|(column, _)| column).collect();
    let placeholders: Vec<String> = columns().map(|(_, placeholder)| placeholder).collect();
    let (names, placeholders) = (names.join(", "), placeholders.join(", "));
    format!("INSERT INTO users ({names}) VALUES ({placeholders})")
});
