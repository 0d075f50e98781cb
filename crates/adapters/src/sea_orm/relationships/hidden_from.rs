//! Tells who is hidden from a viewer.

use std::collections::HashSet;

use sea_orm::{ConnectionTrait, DbErr};
use user_domain::StoreError;
use user_domain::values::UserId;
use uuid::Uuid;

use crate::sea_orm::{errors, given};

/// Finds who of some users blocks the viewer or is blocked by it, by keys and one statement.
pub(crate) async fn hidden_from(
    db: &impl ConnectionTrait,
    viewer: UserId,
    others: &[UserId],
) -> Result<HashSet<UserId>, StoreError> {
    if others.is_empty() {
        return Ok(HashSet::new());
    }
    let sql = HIDDEN.replace("{given}", &given::ids(db.get_database_backend()));
    let values = [
        given::of_ids(others.iter().copied()),
        viewer.as_uuid().into(),
    ];
    let hidden = async {
        let rows = given::query(db, sql, values).await?;
        let ids = rows.iter().map(|row| row.try_get::<Uuid>("", "id"));
        ids.map(|id| id.map(UserId::from_uuid))
            .collect::<Result<HashSet<UserId>, DbErr>>()
    };
    hidden.await.map_err(|error| errors::store(&error))
}

const HIDDEN: &str = "
    SELECT g.id FROM {given}
    WHERE (SELECT 1 FROM blocks AS b WHERE b.blocker_id = $2 AND b.target_id = g.id) IS NOT NULL
        OR (SELECT 1 FROM blocks AS b WHERE b.blocker_id = g.id AND b.target_id = $2) IS NOT NULL";
