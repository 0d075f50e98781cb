//! Whom to count again next.

use chrono::{DateTime, Utc};
use sea_orm::{ConnectionTrait, DatabaseBackend, DbErr, QueryResult, Value};
use user_domain::StoreError;
use user_domain::ports::Recounted;
use user_domain::values::{Timestamp, UserId};
use user_domain::write::WriteError;
use uuid::Uuid;

use crate::sea_orm::pool::Pool;
use crate::sea_orm::{errors, given, transaction};

/// The most users of one call.
const MOST: usize = 200;
/// The most who are looked at for being nobody any more.
const MOST_STRANGERS: i64 = 1000;

/// Some users, and the range of ids that they are of: behind the one, up to the other.
pub(super) struct Claimed {
    pub(super) users: Vec<UserId>,
    pub(super) has_more: bool,
    behind: Option<Uuid>,
}

/// How far a pass has come.
struct Place {
    began_at: Option<DateTime<Utc>>,
    place: Option<Uuid>,
}

impl Place {
    fn is_due(&self, at: Timestamp) -> bool {
        let next = |began: DateTime<Utc>| Timestamp::from_utc(began).plus(Recounted::EVERY);
        self.place.is_some() || self.began_at.is_none_or(|began| next(began) <= at)
    }
}

/// Tells whether there is anything to do, and keeps no writer waiting.
pub(super) async fn is_due(db: &impl ConnectionTrait, at: Timestamp) -> Result<bool, StoreError> {
    let rows = given::query(db, PLACE, []).await;
    let place = rows.and_then(|rows| to_place(&rows));
    let place = place.map_err(|error| errors::store(&error))?;
    Ok(place.is_due(at))
}

/// Claims the next users; none of another pass before its time.
pub(super) async fn claim(db: &Pool, at: Timestamp) -> Result<Option<Claimed>, StoreError> {
    let claimed = async {
        let tx = transaction::begin(db).await?;
        let claimed = transaction::bounded(Box::pin(write(&tx, at))).await?;
        transaction::commit(tx).await?;
        Ok(claimed)
    };
    claimed.await.map_err(errors::unrefused)
}

async fn write(tx: &impl ConnectionTrait, at: Timestamp) -> Result<Option<Claimed>, WriteError> {
    let claimed = async {
        let lock = match tx.get_database_backend() {
            DatabaseBackend::Postgres => "FOR UPDATE",
            _ => "",
        };
        let Place { began_at, place } =
            match to_place(&given::query(tx, format!("{PLACE} {lock}"), []).await?)? {
                place if place.is_due(at) => place,
                _ => return Ok(None),
            };
        let began_at = match place {
            Some(_) => began_at,
            None => Some(at.as_utc()),
        };
        let mut values: Vec<Value> = vec![i64::try_from(MOST).unwrap_or(i64::MAX).into()];
        let mut behind = "";
        if let Some(place) = place {
            values.push(place.into());
            behind = "WHERE id > $2";
        }
        let sql = format!("SELECT id FROM users {behind} ORDER BY id LIMIT $1");
        let users = to_ids(&given::query(tx, sql, values).await?)?;
        let has_more = users.len() == MOST;
        let next = users.last().filter(|_| has_more).map(|last| last.as_uuid());
        given::execute(tx, MOVE, [began_at.into(), next.into()]).await?;
        Ok(Some(Claimed {
            users,
            has_more,
            behind: place,
        }))
    };
    claimed.await.map_err(|error: DbErr| errors::write(&error))
}

/// Finds whoever has relationships, and is in the range, but is no user: erased by a release that knew of none.
pub(super) async fn strangers(
    db: &impl ConnectionTrait,
    claimed: &Claimed,
) -> Result<Vec<UserId>, StoreError> {
    let mut found = Vec::new();
    for (table, column) in [
        ("follows", "follower_id"),
        ("follows", "target_id"),
        ("blocks", "blocker_id"),
        ("blocks", "target_id"),
        ("follow_counts", "user_id"),
    ] {
        let (sql, values) = strangers_in(table, column, claimed);
        let strangers = given::query(db, sql, values).await;
        let strangers = strangers.and_then(|rows| to_ids(&rows));
        found.extend(strangers.map_err(|error| errors::store(&error))?);
    }
    found.sort_unstable();
    found.dedup();
    Ok(found)
}

/// Steps from each user to the next by an index, however many rows there are of one.
fn strangers_in(table: &str, column: &str, claimed: &Claimed) -> (String, Vec<Value>) {
    let mut values: Vec<Value> = vec![MOST_STRANGERS.into()];
    let mut is_first = String::from("true");
    if let Some(behind) = claimed.behind {
        values.push(behind.into());
        is_first = format!("t.{column} > ${}", values.len());
    }
    let mut is_in_range = String::from("true");
    if let Some(last) = claimed.users.last().filter(|_| claimed.has_more) {
        values.push(last.as_uuid().into());
        is_in_range = format!("t.{column} <= ${}", values.len());
    }
    let sql = format!(
        "WITH RECURSIVE s (id) AS (
            SELECT (SELECT t.{column} FROM {table} AS t WHERE {is_first} AND {is_in_range} ORDER BY t.{column} LIMIT 1)
            UNION ALL
            SELECT (SELECT t.{column} FROM {table} AS t WHERE t.{column} > s.id AND {is_in_range} ORDER BY t.{column} LIMIT 1)
            FROM s WHERE s.id IS NOT NULL
        )
        SELECT s.id FROM s
        WHERE s.id IS NOT NULL AND (SELECT 1 FROM users AS u WHERE u.id = s.id) IS NULL
        LIMIT $1"
    );
    (sql, values)
}

fn to_place(rows: &[QueryResult]) -> Result<Place, DbErr> {
    let row = rows
        .first()
        .ok_or_else(|| DbErr::Custom("there is no place of the recount".to_owned()))?;
    Ok(Place {
        began_at: row.try_get("", "began_at")?,
        place: row.try_get("", "place")?,
    })
}

fn to_ids(rows: &[QueryResult]) -> Result<Vec<UserId>, DbErr> {
    let ids = rows.iter().map(|row| row.try_get::<Uuid>("", "id"));
    ids.map(|id| id.map(UserId::from_uuid)).collect()
}

const PLACE: &str = "SELECT began_at, place FROM recount WHERE id = 1";

const MOVE: &str = "UPDATE recount SET began_at = $1, place = $2 WHERE id = 1";
