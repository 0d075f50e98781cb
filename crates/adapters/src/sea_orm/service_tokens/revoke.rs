//! Revokes a token.

use sea_orm::sea_query::Expr;
use sea_orm::{ColumnTrait, ConnectionTrait, EntityTrait, QueryFilter, QuerySelect};
use user_domain::service_token::ServiceToken;
use user_domain::values::{ServiceTokenId, Timestamp};
use user_domain::write::{WriteContext, WriteError};

use super::to_token;
use crate::sea_orm::entities::service_tokens::{Column, Entity};
use crate::sea_orm::pool::Pool;
use crate::sea_orm::{errors, outbox, transaction};

/// Revokes a token by [`ServiceToken::revoke`] while its row is locked, with the event.
pub(crate) async fn revoke(
    db: &Pool,
    id: ServiceTokenId,
    context: &WriteContext,
) -> Result<Option<ServiceToken>, WriteError> {
    let tx = transaction::begin(db).await?;
    let revoked = transaction::bounded(Box::pin(write(&tx, id, context))).await?;
    transaction::commit(tx).await?;
    Ok(revoked)
}

async fn write(
    tx: &impl ConnectionTrait,
    id: ServiceTokenId,
    context: &WriteContext,
) -> Result<Option<ServiceToken>, WriteError> {
    let found = Entity::find_by_id(id.as_uuid())
        .lock_exclusive()
        .one(tx)
        .await
        .map_err(|error| errors::write(&error))?;
    let Some(row) = found else {
        return Ok(None);
    };
    let token = to_token(row)?.token;
    let Some(applied) = token.revoke(context) else {
        return Ok(Some(token));
    };
    let revoked_at = applied.token.revoked_at.map(Timestamp::as_utc);
    Entity::update_many()
        .col_expr(Column::RevokedAt, Expr::value(revoked_at))
        .filter(Column::Id.eq(id.as_uuid()))
        .exec(tx)
        .await
        .map_err(|error| errors::write(&error))?;
    outbox::append_of_token(tx, &applied.event).await?;
    Ok(Some(applied.token))
}
