//! Notes when tokens were used.

use sea_orm::sea_query::Expr;
use sea_orm::{ColumnTrait, Condition, ConnectionTrait, EntityTrait, QueryFilter};
use user_domain::ports::TokenUse;
use user_domain::write::WriteError;

use crate::sea_orm::entities::service_tokens::{Column, Entity};
use crate::sea_orm::pool::Pool;
use crate::sea_orm::{errors, transaction};

/// The most uses of one transaction.
const MOST: usize = 100;

/// Notes the uses, in one order on every replica, so that none waits for one that waits for it.
pub(crate) async fn note_used(db: &Pool, uses: &[TokenUse]) -> Result<(), WriteError> {
    if uses.is_empty() {
        return Ok(());
    }
    let mut uses = uses.to_vec();
    uses.sort_by_key(|used| used.id);
    for part in uses.chunks(MOST) {
        let tx = transaction::begin(db).await?;
        transaction::bounded(Box::pin(write(&tx, part))).await?;
        transaction::commit(tx).await?;
    }
    Ok(())
}

async fn write(tx: &impl ConnectionTrait, uses: &[TokenUse]) -> Result<(), WriteError> {
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
            .await
            .map_err(|error| errors::write(&error))?;
    }
    Ok(())
}
