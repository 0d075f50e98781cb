//! Reads the follow counts of users.

use sea_orm::{ConnectionTrait, DbErr, Value};
use user_domain::relationship::Counts;
use user_domain::values::UserId;

use crate::sea_orm::errors::OperationError;
use crate::sea_orm::relationships::locking::IS_COUNTED;
use crate::sea_orm::{list_params, raw_sql};

/// Returns the counts of users, from one statement and therefore one snapshot.
pub(crate) async fn counts(
    db: &impl ConnectionTrait,
    users: &[UserId],
    viewer: Option<UserId>,
) -> Result<Vec<Counts>, OperationError> {
    if users.is_empty() {
        return Ok(Vec::new());
    }
    let list = list_params::id_table(db);
    let pending = pending_count(db).await?;
    let mut followers = counted("followers");
    let mut following = counted("following");
    let mut ctes = Vec::new();
    if pending > 0 {
        ctes.push(UNSETTLED);
        followers += &correction("target_id", "follower_id", "follower_counted");
        following += &correction("follower_id", "target_id", "target_counted");
    }
    let mut values: Vec<Value> = vec![list_params::id_list(users.iter().copied())];
    let mut hidden = [String::from("0"), String::from("0")];
    if let Some(viewer) = viewer {
        values.push(viewer.as_uuid().into());
        ctes.push(HIDDEN);
        hidden = [
            count_hidden("target_id", "follower_id"),
            count_hidden("follower_id", "target_id"),
        ];
    }
    let [hidden_followers, hidden_following] = hidden;
    let ctes = match ctes.join(", ") {
        ctes if ctes.is_empty() => ctes,
        ctes => format!("WITH {ctes}"),
    };
    // PostgreSQL caches a plan per SQL text. The plan for few pending users would take many seconds with many.
    let magnitude = pending.checked_ilog2().unwrap_or_default();
    let sql = format!(
        "{ctes} SELECT /* {magnitude} */ g.place,
            CAST({followers} - {hidden_followers} AS bigint) AS followers,
            CAST({following} - {hidden_following} AS bigint) AS following
        FROM {list} WHERE (SELECT 1 FROM users AS u WHERE u.id = g.id) IS NOT NULL"
    );
    let mut counts = vec![Counts::default(); users.len()];
    for row in raw_sql::query(db, sql, values).await? {
        let number = |column: &str| -> Result<u64, DbErr> {
            let number: i64 = row.try_get("", column)?;
            Ok(u64::try_from(number).unwrap_or_default())
        };
        let place: i64 = row.try_get("", "place")?;
        if let Some(entry) = usize::try_from(place)
            .ok()
            .and_then(|at| counts.get_mut(at))
        {
            *entry = Counts {
                followers: number("followers")?,
                following: number("following")?,
            };
        }
    }
    Ok(counts)
}

/// Returns the number of users with pending count changes, up to a limit. A change after this query may be missed; the
/// counts are then those of the moment before it.
async fn pending_count(db: &impl ConnectionTrait) -> Result<i64, DbErr> {
    let rows = raw_sql::query(db, WAITING, []).await?;
    rows.first().map_or(Ok(0), |row| row.try_get("", "waiting"))
}

/// Returns an expression for the sum of the stored parts.
fn counted(parts: &str) -> String {
    format!("coalesce((SELECT sum(c.{parts}) FROM follow_counts AS c WHERE c.user_id = g.id), 0)")
}

/// Returns an expression for the pending changes of a count.
///
/// It iterates over the smaller set: the follows of the user or the users with pending changes. Neither many followers
/// nor many simultaneous status changes make a read slow.
fn correction(own: &str, other: &str, flag: &str) -> String {
    format!(
        " + CASE
            WHEN (SELECT 1 FROM follows AS f WHERE f.{own} = g.id ORDER BY f.created_at LIMIT 1 OFFSET (SELECT n FROM unsettled)) IS NULL
            THEN coalesce((SELECT sum((
                SELECT CASE WHEN s.is_counted THEN 1 ELSE -1 END FROM unsettled_users AS s
                WHERE s.user_id = f.{other} AND s.is_counted <> f.{flag}
            )) FROM follows AS f WHERE f.{own} = g.id), 0)
            ELSE coalesce((SELECT sum((
                SELECT CASE WHEN s.is_counted THEN 1 ELSE -1 END FROM follows AS f
                WHERE f.{other} = s.user_id AND f.{own} = g.id AND f.{flag} <> s.is_counted
            )) FROM unsettled_users AS s), 0)
        END"
    )
}

/// Returns an expression for the number of users in a list that are hidden from the viewer. It also iterates over the
/// smaller set.
fn count_hidden(own: &str, other: &str) -> String {
    format!(
        "CASE WHEN (SELECT n FROM hidden) = 0 THEN 0
            WHEN (SELECT 1 FROM follows AS f WHERE f.{own} = g.id ORDER BY f.created_at LIMIT 1 OFFSET (SELECT n FROM hidden)) IS NULL
            THEN (SELECT count(*) FROM follows AS f
                WHERE f.{own} = g.id
                AND ((SELECT 1 FROM blocks AS b WHERE b.blocker_id = $2 AND b.target_id = f.{other}) IS NOT NULL
                    OR (SELECT 1 FROM blocks AS b WHERE b.blocker_id = f.{other} AND b.target_id = $2) IS NOT NULL)
                AND (SELECT 1 FROM users AS u WHERE u.id = f.{other} AND {IS_COUNTED}) IS NOT NULL)
            ELSE (SELECT count(*) FROM hiders AS h
                WHERE (SELECT 1 FROM follows AS f WHERE f.{other} = h.id AND f.{own} = g.id) IS NOT NULL
                AND (SELECT 1 FROM users AS u WHERE u.id = h.id AND {IS_COUNTED}) IS NOT NULL)
        END"
    )
}

const UNSETTLED: &str = "unsettled AS (SELECT count(*) AS n FROM unsettled_users)";

const HIDDEN: &str = "hiders AS (
        SELECT b.target_id AS id FROM blocks AS b WHERE b.blocker_id = $2
        UNION SELECT b.blocker_id FROM blocks AS b WHERE b.target_id = $2
    ), hidden AS (SELECT count(*) AS n FROM hiders)";

const WAITING: &str = "
    SELECT count(*) AS waiting FROM (SELECT 1 AS one FROM unsettled_users LIMIT 65536) AS those";
