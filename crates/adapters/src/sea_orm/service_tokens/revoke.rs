//! Revokes a token.

use sea_orm::sea_query::Expr;
use sea_orm::{ColumnTrait, EntityTrait, QueryFilter, QuerySelect};
use user_domain::ports::TokenRevocation;
use user_domain::values::{ServiceTokenId, Timestamp};
use user_domain::write::{WriteContext, WriteError};

use super::to_token;
use crate::sea_orm::connection::{Pool, Transaction};
use crate::sea_orm::entities::service_tokens::{Column, Entity};
use crate::sea_orm::errors::OperationError;
use crate::sea_orm::idempotency::{self, Claim};
use crate::sea_orm::{outbox, transaction};

/// Revokes a token by [`ServiceToken::revoke`](user_domain::service_token::ServiceToken::revoke) while its row is
/// locked, and writes the event and the record of the idempotency key.
pub(crate) async fn revoke(
    db: &Pool,
    id: ServiceTokenId,
    context: &WriteContext,
) -> Result<TokenRevocation, OperationError> {
    transaction::run(db, async |tx| write(tx, id, context).await).await
}

async fn write(
    tx: &Transaction,
    id: ServiceTokenId,
    context: &WriteContext,
) -> Result<TokenRevocation, OperationError> {
    if let Claim::Replay(_) = idempotency::claim(tx, id.as_uuid(), context).await? {
        return Ok(TokenRevocation::Replayed);
    }
    let found = Entity::find_by_id(id.as_uuid())
        .lock_exclusive()
        .one(tx)
        .await?;
    let Some(row) = found else {
        return Err(WriteError::NotFound.into());
    };
    let token = to_token(row)?.token;
    let Some(applied) = token.revoke(context) else {
        return Ok(TokenRevocation::Revoked(token));
    };
    let revoked_at = applied.token.revoked_at.map(Timestamp::as_utc);
    Entity::update_many()
        .col_expr(Column::RevokedAt, Expr::value(revoked_at))
        .filter(Column::Id.eq(id.as_uuid()))
        .exec(tx)
        .await?;
    outbox::append_of_token(tx, &applied.event).await?;
    Ok(TokenRevocation::Revoked(applied.token))
}
