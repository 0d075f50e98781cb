//! Records when tokens were used.

use sea_orm::sea_query::Expr;
use sea_orm::{ColumnTrait, Condition, ConnectionTrait, EntityTrait, QueryFilter};
use user_domain::ports::TokenUse;

use crate::sea_orm::connection::Pool;
use crate::sea_orm::entities::service_tokens::{Column, Entity};
use crate::sea_orm::errors::OperationError;
use crate::sea_orm::transaction;

/// The most uses that one transaction records.
const BATCH_SIZE: usize = 100;

/// Records uses, in the same order on every replica, which prevents deadlocks.
pub(crate) async fn note_used(db: &Pool, uses: &[TokenUse]) -> Result<(), OperationError> {
    if uses.is_empty() {
        return Ok(());
    }
    let mut uses = uses.to_vec();
    uses.sort_by_key(|used| used.id);
    for part in uses.chunks(BATCH_SIZE) {
        transaction::run(db, async |tx| write(tx, part).await).await?;
    }
    Ok(())
}

async fn write(tx: &impl ConnectionTrait, uses: &[TokenUse]) -> Result<(), OperationError> {
    for TokenUse { id, at } in uses {
        let at = at.as_utc();
        let is_later = Condition::any()
            .add(Column::LastUsedAt.is_null())
            .add(Column::LastUsedAt.lt(at));
        Entity::update_many()
            .col_expr(Column::LastUsedAt, Expr::value(at))
            .filter(Column::Id.eq(id.as_uuid()))
            .filter(is_later)
            .exec(tx)
            .await?;
    }
    Ok(())
}
