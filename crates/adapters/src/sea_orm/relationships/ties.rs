//! Tells what a user and others are to each other.

use sea_orm::{ConnectionTrait, DbErr};
use user_domain::StoreError;
use user_domain::ports::Eyes;
use user_domain::relationship::Ties;
use user_domain::values::UserId;

use crate::sea_orm::{errors, given};

/// Finds the ties to each of some others, by keys and one statement.
pub(crate) async fn ties(
    db: &impl ConnectionTrait,
    user: UserId,
    others: &[UserId],
    eyes: Eyes,
) -> Result<Vec<Option<Ties>>, StoreError> {
    if others.is_empty() {
        return Ok(Vec::new());
    }
    let found = find(db, user, others, eyes).await;
    found.map_err(|error| errors::store(&error))
}

async fn find(
    db: &impl ConnectionTrait,
    user: UserId,
    others: &[UserId],
    eyes: Eyes,
) -> Result<Vec<Option<Ties>>, DbErr> {
    let sql = TIES.replace("{given}", &given::ids(db.get_database_backend()));
    let values = [given::of_ids(others.iter().copied()), user.as_uuid().into()];
    let mut ties = vec![None; others.len()];
    for row in given::query(db, sql, values).await? {
        let place: i64 = row.try_get("", "place")?;
        let blocking: bool = row.try_get("", "blocking")?;
        let blocked: bool = row.try_get("", "blocked")?;
        if eyes == Eyes::Own && blocked {
            continue;
        }
        let tie = Ties {
            following: row.try_get("", "following")?,
            followed_by: row.try_get("", "followed")?,
            blocking,
        };
        if let Some(there) = usize::try_from(place).ok().and_then(|at| ties.get_mut(at)) {
            *there = Some(tie);
        }
    }
    Ok(ties)
}

const TIES: &str = "
    SELECT g.place,
        (SELECT 1 FROM follows AS f WHERE f.follower_id = $2 AND f.target_id = g.id) IS NOT NULL AS following,
        (SELECT 1 FROM follows AS f WHERE f.follower_id = g.id AND f.target_id = $2) IS NOT NULL AS followed,
        (SELECT 1 FROM blocks AS b WHERE b.blocker_id = $2 AND b.target_id = g.id) IS NOT NULL AS blocking,
        (SELECT 1 FROM blocks AS b WHERE b.blocker_id = g.id AND b.target_id = $2) IS NOT NULL AS blocked
    FROM {given}
    WHERE (SELECT 1 FROM users AS u WHERE u.id = g.id AND u.deleted_at IS NULL) IS NOT NULL";
