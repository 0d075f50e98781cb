//! Counts who follow users, and whom they follow.

use sea_orm::{ConnectionTrait, DbErr, Value};
use user_domain::StoreError;
use user_domain::relationship::Counts;
use user_domain::values::UserId;

use crate::sea_orm::presence::IS_COUNTED;
use crate::sea_orm::{errors, given};

/// Counts for each of some users, by one statement, and so of one moment.
pub(crate) async fn counts(
    db: &impl ConnectionTrait,
    users: &[UserId],
    viewer: Option<UserId>,
) -> Result<Vec<Counts>, StoreError> {
    if users.is_empty() {
        return Ok(Vec::new());
    }
    let found = find(db, users, viewer).await;
    found.map_err(|error| errors::store(&error))
}

async fn find(
    db: &impl ConnectionTrait,
    users: &[UserId],
    viewer: Option<UserId>,
) -> Result<Vec<Counts>, DbErr> {
    let given = given::ids(db.get_database_backend());
    let waiting = how_many_wait(db).await?;
    let mut followers = counted("followers");
    let mut following = counted("following");
    let mut begin = Vec::new();
    if waiting > 0 {
        begin.push(UNSETTLED);
        followers += &correction("target_id", "follower_id", "follower_counted");
        following += &correction("follower_id", "target_id", "target_counted");
    }
    let mut values: Vec<Value> = vec![given::of_ids(users.iter().copied())];
    let mut hidden = [String::from("0"), String::from("0")];
    if let Some(viewer) = viewer {
        values.push(viewer.as_uuid().into());
        begin.push(HIDDEN);
        hidden = [
            count_hidden("target_id", "follower_id"),
            count_hidden("follower_id", "target_id"),
        ];
    }
    let [hidden_followers, hidden_following] = hidden;
    let begin = match begin.join(", ") {
        begin if begin.is_empty() => begin,
        begin => format!("WITH {begin}"),
    };
    // PostgreSQL keeps the plan of a text: that of few who wait would take many seconds for many.
    let magnitude = waiting.checked_ilog2().unwrap_or_default();
    let sql = format!(
        "{begin} SELECT /* {magnitude} */ g.place,
            CAST({followers} - {hidden_followers} AS bigint) AS followers,
            CAST({following} - {hidden_following} AS bigint) AS following
        FROM {given} WHERE (SELECT 1 FROM users AS u WHERE u.id = g.id) IS NOT NULL"
    );
    let mut counts = vec![Counts::default(); users.len()];
    for row in given::query(db, sql, values).await? {
        let number = |column: &str| -> Result<u64, DbErr> {
            let number: i64 = row.try_get("", column)?;
            Ok(u64::try_from(number).unwrap_or_default())
        };
        let place: i64 = row.try_get("", "place")?;
        if let Some(there) = usize::try_from(place)
            .ok()
            .and_then(|at| counts.get_mut(at))
        {
            *there = Counts {
                followers: number("followers")?,
                following: number("following")?,
            };
        }
    }
    Ok(counts)
}

/// Tells how many are unsettled, as far as it matters. Who begins to be before the counts are read may be left out: they
/// are then those of just before.
async fn how_many_wait(db: &impl ConnectionTrait) -> Result<i64, DbErr> {
    let rows = given::query(db, WAITING, []).await?;
    rows.first().map_or(Ok(0), |row| row.try_get("", "waiting"))
}

/// Sums up the parts.
fn counted(parts: &str) -> String {
    format!("coalesce((SELECT sum(c.{parts}) FROM follow_counts AS c WHERE c.user_id = g.id), 0)")
}

/// Corrects what was counted by who has come or gone since.
///
/// Of two ways to the corrections the shorter is taken, by the user's follows or by those who are unsettled: neither many
/// followers nor many who leave at once make a read long.
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

/// Counts, by the shorter way too, those of the list whom the viewer does not see.
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
