//! Adds a token.

use sea_orm::{ActiveValue::Set, ConnectionTrait, EntityTrait};
use user_domain::service_token::AppliedToken;
use user_domain::values::{Timestamp, TokenDigest};

use crate::sea_orm::connection::Pool;
use crate::sea_orm::entities::service_tokens::{ActiveModel, Entity};
use crate::sea_orm::errors::OperationError;
use crate::sea_orm::{outbox, row, transaction};

/// Adds a token and its event, atomically.
pub(crate) async fn add(
    db: &Pool,
    issued: &AppliedToken,
    digest: &TokenDigest,
) -> Result<(), OperationError> {
    transaction::run(db, async |tx| write(tx, issued, digest).await).await
}

async fn write(
    tx: &impl ConnectionTrait,
    issued: &AppliedToken,
    digest: &TokenDigest,
) -> Result<(), OperationError> {
    let token = &issued.token;
    let row = ActiveModel {
        id: Set(token.id.as_uuid()),
        digest: Set(digest.as_bytes().to_vec()),
        name: Set(token.name.as_str().to_owned()),
        scopes: Set(row::strings_to_json(
            token.scopes.iter().map(|scope| scope.as_str()),
        )),
        created_at: Set(token.created_at.as_utc()),
        created_by: Set(token.created_by.as_str().to_owned()),
        expires_at: Set(token.expires_at.map(Timestamp::as_utc)),
        revoked_at: Set(token.revoked_at.map(Timestamp::as_utc)),
        last_used_at: Set(token.last_used_at.map(Timestamp::as_utc)),
    };
    Entity::insert(row).exec_without_returning(tx).await?;
    outbox::append_of_token(tx, &issued.event).await
}
