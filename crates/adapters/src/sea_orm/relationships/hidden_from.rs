//! Finds users that are hidden from a viewer.

use std::collections::HashSet;

use sea_orm::ConnectionTrait;
use user_domain::values::UserId;

use crate::sea_orm::errors::OperationError;
use crate::sea_orm::{list_params, raw_sql};

/// Returns the users among `others` that block the viewer or are blocked by it, with one statement that uses only keys.
pub(crate) async fn hidden_from(
    db: &impl ConnectionTrait,
    viewer: UserId,
    others: &[UserId],
) -> Result<HashSet<UserId>, OperationError> {
    if others.is_empty() {
        return Ok(HashSet::new());
    }
    let sql = HIDDEN.replace("{list}", &list_params::id_table(db));
    let values = [
        list_params::id_list(others.iter().copied()),
        viewer.as_uuid().into(),
    ];
    let rows = raw_sql::query(db, sql, values).await?;
    rows.iter()
        .map(|row| Ok(UserId::from_uuid(row.try_get("", "id")?)))
        .collect()
}

const HIDDEN: &str = "
    SELECT g.id FROM {list}
    WHERE (SELECT 1 FROM blocks AS b WHERE b.blocker_id = $2 AND b.target_id = g.id) IS NOT NULL
        OR (SELECT 1 FROM blocks AS b WHERE b.blocker_id = g.id AND b.target_id = $2) IS NOT NULL";
