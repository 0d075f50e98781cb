//! Counts the relationships of users, and reads their stored counts.

use chrono::{DateTime, Utc};
use sea_orm::{ConnectionTrait, DbErr, QueryResult, Value};
use user_domain::values::UserId;
use uuid::Uuid;

use crate::sea_orm::connection::{Pool, TransactionMode};
use crate::sea_orm::errors::OperationError;
use crate::sea_orm::relationships::locking::IS_COUNTED;
use crate::sea_orm::{list_params, raw_sql};

/// The most follows of one user, in each direction, that are counted in a statement for several users.
const MAX_FOLLOWS: i64 = 2000;
/// The most follows that one statement counts.
const SLICE: i64 = 50_000;

/// The stored and the actual counts of a user, from one snapshot.
#[derive(Debug, Clone)]
pub(super) struct Measurement {
    pub(super) user: UserId,
    pub(super) user_exists: bool,
    pub(super) is_pending: bool,
    /// The stored counts: followers and following.
    pub(super) stored: [i64; 2],
    /// The number of repairs of the stored counts.
    pub(super) repairs: i64,
    /// The follows of other users by this user.
    pub(super) outgoing: FollowTally,
    /// The follows of this user.
    pub(super) incoming: FollowTally,
}

/// The number of follows of a user in one direction.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct FollowTally {
    seen: i64,
    /// The number that the stored count must have: follows whose other user is counted.
    pub(super) others: i64,
    /// The number of follows with a wrong status of this user.
    pub(super) wrong: i64,
}

impl Measurement {
    /// Whether the user has more follows than were counted.
    pub(super) fn is_truncated(&self) -> bool {
        self.outgoing.seen > MAX_FOLLOWS || self.incoming.seen > MAX_FOLLOWS
    }

    /// The errors of the stored counts: followers and following.
    pub(super) fn drift(&self) -> [i64; 2] {
        let [followers, following] = self.stored;
        [
            self.incoming.others - followers,
            self.outgoing.others - following,
        ]
    }
}

impl FollowTally {
    fn parse(text: &str) -> Option<Self> {
        let mut numbers = text.split(' ').map(str::parse);
        let mut next = || numbers.next()?.ok();
        Some(Self {
            seen: next()?,
            others: next()?,
            wrong: next()?,
        })
    }
}

/// Measures users with one statement.
pub(super) async fn measure(
    db: &impl ConnectionTrait,
    users: &[UserId],
) -> Result<Vec<Measurement>, OperationError> {
    if users.is_empty() {
        return Ok(Vec::new());
    }
    let sql = statement(&list_params::id_table(db), MAX_FOLLOWS + 1);
    let rows = raw_sql::query(db, sql, [list_params::id_list(users.iter().copied())]).await?;
    Ok(rows.iter().map(to_measurement).collect::<Result<_, _>>()?)
}

/// Measures one user with many follows, in slices of one snapshot. It may take longer than
/// [`transaction::run`](crate::sea_orm::transaction::run) allows; the timeout of each statement limits it.
pub(super) async fn measure_in_slices(
    db: &Pool,
    user: UserId,
) -> Result<Measurement, OperationError> {
    let tx = db.begin(TransactionMode::Snapshot).await?;
    let sql = statement(&list_params::id_table(&tx), 0);
    let rows = raw_sql::query(&tx, sql, [list_params::id_list([user])]).await?;
    let row = rows
        .first()
        .ok_or_else(|| DbErr::Custom("the query returned no row for the user".to_owned()))?;
    let mut measurement = to_measurement(row)?;
    let is_counted = row.try_get("", "is_counted")?;
    measurement.outgoing = count_in_slices(&tx, user, is_counted, OUTGOING).await?;
    measurement.incoming = count_in_slices(&tx, user, is_counted, INCOMING).await?;
    tx.commit().await?;
    Ok(measurement)
}

/// A direction of follows: the columns of the user and of the other user, and the columns that say whether each is
/// counted.
#[derive(Clone, Copy)]
struct Direction {
    own: &'static str,
    other: &'static str,
    own_flag: &'static str,
    other_flag: &'static str,
}

const OUTGOING: Direction = Direction {
    own: "follower_id",
    other: "target_id",
    own_flag: "follower_counted",
    other_flag: "target_counted",
};

const INCOMING: Direction = Direction {
    own: "target_id",
    other: "follower_id",
    own_flag: "target_counted",
    other_flag: "follower_counted",
};

async fn count_in_slices(
    tx: &impl ConnectionTrait,
    user: UserId,
    is_counted: bool,
    direction: Direction,
) -> Result<FollowTally, DbErr> {
    let Direction {
        own,
        other,
        own_flag,
        other_flag,
    } = direction;
    let mut tally = FollowTally::default();
    let mut position: Option<(DateTime<Utc>, Uuid)> = None;
    loop {
        let mut values: Vec<Value> = vec![user.as_uuid().into()];
        let mut after = String::new();
        if let Some((at, id)) = position {
            values.extend([at.into(), id.into()]);
            after = format!("AND (f.created_at, f.{other}) > ($2, $3)");
        }
        let source = format!("follows AS f WHERE f.{own} = $1 {after}");
        let order = format!("ORDER BY f.created_at, f.{other}");
        let sql = format!(
            "SELECT f.created_at, f.{other} AS other FROM {source} {order} LIMIT 1 OFFSET {}",
            SLICE - 1
        );
        let end = raw_sql::query(tx, sql, values.clone()).await?;
        let end = end.first().map(|row| -> Result<_, DbErr> {
            Ok((row.try_get("", "created_at")?, row.try_get("", "other")?))
        });
        position = end.transpose()?;
        let mut until = String::new();
        if let Some((at, id)) = position {
            values.extend([at.into(), id.into()]);
            let last = values.len();
            until = format!("AND (f.created_at, f.{other}) <= (${}, ${last})", last - 1);
        }
        let own_count = if is_counted { "NOT" } else { "" };
        let sql = format!(
            "SELECT count(*) AS seen, coalesce(sum(CASE WHEN f.{other_flag} THEN 1 ELSE 0 END), 0) AS others,
                coalesce(sum(CASE WHEN {own_count} f.{own_flag} THEN 1 ELSE 0 END), 0) AS wrong
            FROM {source} {until}"
        );
        for row in raw_sql::query(tx, sql, values).await? {
            tally.seen += row.try_get::<i64>("", "seen")?;
            tally.others += row.try_get::<i64>("", "others")?;
            tally.wrong += row.try_get::<i64>("", "wrong")?;
        }
        if position.is_none() {
            return Ok(tally);
        }
    }
}

/// Returns the statement that measures users, by at most `limit` follows in each direction. It reads each follow once
/// and returns the three numbers of a [`FollowTally`] as text.
fn statement(list: &str, limit: i64) -> String {
    let follows = |direction: Direction| {
        let Direction {
            own,
            own_flag,
            other_flag,
            ..
        } = direction;
        format!(
            "(SELECT count(*) || ' ' || coalesce(sum(CASE WHEN e.other_flag THEN 1 ELSE 0 END), 0)
                || ' ' || coalesce(sum(CASE WHEN e.own_flag <> p.is_counted THEN 1 ELSE 0 END), 0)
            FROM (SELECT f.{own_flag} AS own_flag, f.{other_flag} AS other_flag
                FROM follows AS f WHERE f.{own} = p.id ORDER BY f.created_at LIMIT {limit}) AS e)"
        )
    };
    let (outgoing, incoming) = (follows(OUTGOING), follows(INCOMING));
    format!(
        "SELECT p.id, p.user_exists, p.is_counted, {outgoing} AS outgoing, {incoming} AS incoming,
            CAST(coalesce((SELECT sum(c.followers) FROM follow_counts AS c WHERE c.user_id = p.id), 0) AS bigint) AS followers,
            CAST(coalesce((SELECT sum(c.following) FROM follow_counts AS c WHERE c.user_id = p.id), 0) AS bigint) AS following,
            coalesce((SELECT c.repairs FROM follow_counts AS c WHERE c.user_id = p.id AND c.part = 0), 0) AS repairs,
            (SELECT 1 FROM unsettled_users AS s WHERE s.user_id = p.id) IS NOT NULL AS is_pending
        FROM (SELECT g.id, (SELECT 1 FROM users AS u WHERE u.id = g.id) IS NOT NULL AS user_exists,
            (SELECT 1 FROM users AS u WHERE u.id = g.id AND {IS_COUNTED}) IS NOT NULL AS is_counted
            FROM {list}) AS p"
    )
}

fn to_measurement(row: &QueryResult) -> Result<Measurement, DbErr> {
    let follows = |column: &str| -> Result<FollowTally, DbErr> {
        let text: String = row.try_get("", column)?;
        FollowTally::parse(&text)
            .ok_or_else(|| DbErr::Custom("a follow tally does not have three numbers".to_owned()))
    };
    Ok(Measurement {
        user: UserId::from_uuid(row.try_get("", "id")?),
        user_exists: row.try_get("", "user_exists")?,
        is_pending: row.try_get("", "is_pending")?,
        stored: [row.try_get("", "followers")?, row.try_get("", "following")?],
        repairs: row.try_get("", "repairs")?,
        outgoing: follows("outgoing")?,
        incoming: follows("incoming")?,
    })
}
