//! Reads the relationships between a user and others.

use sea_orm::ConnectionTrait;
use user_domain::ports::Perspective;
use user_domain::relationship::RelationshipFlags;
use user_domain::values::UserId;

use crate::sea_orm::errors::OperationError;
use crate::sea_orm::{list_params, raw_sql};

/// Returns the relationship between a user and each of `others`, with one statement that uses only keys.
pub(crate) async fn relationship_flags(
    db: &impl ConnectionTrait,
    user: UserId,
    others: &[UserId],
    perspective: Perspective,
) -> Result<Vec<Option<RelationshipFlags>>, OperationError> {
    if others.is_empty() {
        return Ok(Vec::new());
    }
    let sql = RELATIONSHIP_FLAGS.replace("{list}", &list_params::id_table(db));
    let values = [
        list_params::id_list(others.iter().copied()),
        user.as_uuid().into(),
    ];
    let mut flags = vec![None; others.len()];
    for row in raw_sql::query(db, sql, values).await? {
        let place: i64 = row.try_get("", "place")?;
        let blocking: bool = row.try_get("", "blocking")?;
        let blocked: bool = row.try_get("", "blocked")?;
        let user_exists: bool = row.try_get("", "user_exists")?;
        let found = match (blocking, perspective) {
            // The current state of the blocked user is not disclosed.
            (true, _) => RelationshipFlags::BLOCKING,
            (false, Perspective::Own) if blocked => continue,
            (false, _) if !user_exists => continue,
            (false, _) => RelationshipFlags {
                following: row.try_get("", "following")?,
                followed_by: row.try_get("", "followed")?,
                blocking: false,
            },
        };
        if let Some(entry) = usize::try_from(place).ok().and_then(|at| flags.get_mut(at)) {
            *entry = Some(found);
        }
    }
    Ok(flags)
}

const RELATIONSHIP_FLAGS: &str = "
    SELECT g.place,
        (SELECT 1 FROM follows AS f WHERE f.follower_id = $2 AND f.target_id = g.id) IS NOT NULL AS following,
        (SELECT 1 FROM follows AS f WHERE f.follower_id = g.id AND f.target_id = $2) IS NOT NULL AS followed,
        (SELECT 1 FROM blocks AS b WHERE b.blocker_id = $2 AND b.target_id = g.id) IS NOT NULL AS blocking,
        (SELECT 1 FROM blocks AS b WHERE b.blocker_id = g.id AND b.target_id = $2) IS NOT NULL AS blocked,
        (SELECT 1 FROM users AS u WHERE u.id = g.id AND u.deleted_at IS NULL) IS NOT NULL AS user_exists
    FROM {list}";
