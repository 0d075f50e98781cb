//! What there is of users' relationships, and what is counted of them.

use chrono::{DateTime, Utc};
use sea_orm::{ConnectionTrait, DbErr, QueryResult, Value};
use user_domain::StoreError;
use user_domain::values::UserId;
use uuid::Uuid;

use crate::sea_orm::pool::Pool;
use crate::sea_orm::presence::IS_COUNTED;
use crate::sea_orm::{errors, given};

/// The most follows of one user, each way, that are looked at together with others'.
const MOST: i64 = 2000;
/// The most follows that are looked at by one statement.
const SLICE: i64 = 50_000;

/// A user, of one moment.
#[derive(Debug, Clone)]
pub(super) struct Looked {
    pub(super) user: UserId,
    pub(super) is_there: bool,
    pub(super) is_unsettled: bool,
    /// What is counted: followers, and those followed.
    pub(super) counted: [i64; 2],
    /// How often that has been corrected.
    pub(super) repairs: i64,
    /// Whom it follows.
    pub(super) outgoing: Follows,
    /// Who follow it.
    pub(super) incoming: Follows,
}

/// The follows of a user, one way.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Follows {
    seen: i64,
    /// How many of the others its own count has.
    pub(super) others: i64,
    /// How many say of the user itself what it is not.
    pub(super) wrong: i64,
}

impl Looked {
    /// Tells whether there is more than was looked at.
    pub(super) fn is_beyond(&self) -> bool {
        self.outgoing.seen > MOST || self.incoming.seen > MOST
    }

    /// By how much the counts are wrong: followers, and those followed.
    pub(super) fn drift(&self) -> [i64; 2] {
        let [followers, following] = self.counted;
        [
            self.incoming.others - followers,
            self.outgoing.others - following,
        ]
    }
}

impl Follows {
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

/// Looks at some users by one statement.
pub(super) async fn look(
    db: &impl ConnectionTrait,
    users: &[UserId],
) -> Result<Vec<Looked>, StoreError> {
    if users.is_empty() {
        return Ok(Vec::new());
    }
    let looked = async {
        let sql = statement(&given::ids(db.get_database_backend()), MOST + 1);
        let rows = given::query(db, sql, [given::of_ids(users.iter().copied())]).await?;
        rows.iter().map(to_looked).collect::<Result<_, DbErr>>()
    };
    looked.await.map_err(|error| errors::store(&error))
}

/// Looks at one user of very many follows, slice by slice, all of one moment.
pub(super) async fn look_through(db: &Pool, user: UserId) -> Result<Looked, StoreError> {
    let looked = async {
        let tx = db.begin_snapshot().await?;
        let sql = statement(&given::ids(tx.get_database_backend()), 0);
        let rows = given::query(&tx, sql, [given::of_ids([user])]).await?;
        let row = rows
            .first()
            .ok_or_else(|| DbErr::Custom("nobody was looked at".to_owned()))?;
        let mut looked = to_looked(row)?;
        let is_counted = row.try_get("", "is_counted")?;
        looked.outgoing = walk(&tx, user, is_counted, OUTGOING).await?;
        looked.incoming = walk(&tx, user, is_counted, INCOMING).await?;
        tx.commit().await?;
        Ok(looked)
    };
    looked.await.map_err(|error: DbErr| errors::store(&error))
}

/// One way that follows go: where the user stands, where the other, and which flags say that it and the other are counted.
#[derive(Clone, Copy)]
struct Way {
    own: &'static str,
    other: &'static str,
    own_flag: &'static str,
    other_flag: &'static str,
}

const OUTGOING: Way = Way {
    own: "follower_id",
    other: "target_id",
    own_flag: "follower_counted",
    other_flag: "target_counted",
};

const INCOMING: Way = Way {
    own: "target_id",
    other: "follower_id",
    own_flag: "target_counted",
    other_flag: "follower_counted",
};

async fn walk(
    tx: &impl ConnectionTrait,
    user: UserId,
    is_counted: bool,
    way: Way,
) -> Result<Follows, DbErr> {
    let Way {
        own,
        other,
        own_flag,
        other_flag,
    } = way;
    let mut follows = Follows::default();
    let mut place: Option<(DateTime<Utc>, Uuid)> = None;
    loop {
        let mut values: Vec<Value> = vec![user.as_uuid().into()];
        let mut behind = String::new();
        if let Some((at, id)) = place {
            values.extend([at.into(), id.into()]);
            behind = format!("AND (f.created_at, f.{other}) > ($2, $3)");
        }
        let walked = format!("follows AS f WHERE f.{own} = $1 {behind}");
        let order = format!("ORDER BY f.created_at, f.{other}");
        let sql = format!(
            "SELECT f.created_at, f.{other} AS other FROM {walked} {order} LIMIT 1 OFFSET {}",
            SLICE - 1
        );
        let end = given::query(tx, sql, values.clone()).await?;
        let end = end.first().map(|row| -> Result<_, DbErr> {
            Ok((row.try_get("", "created_at")?, row.try_get("", "other")?))
        });
        place = end.transpose()?;
        let mut until = String::new();
        if let Some((at, id)) = place {
            values.extend([at.into(), id.into()]);
            let last = values.len();
            until = format!("AND (f.created_at, f.{other}) <= (${}, ${last})", last - 1);
        }
        let own_count = if is_counted { "NOT" } else { "" };
        let sql = format!(
            "SELECT count(*) AS seen, coalesce(sum(CASE WHEN f.{other_flag} THEN 1 ELSE 0 END), 0) AS others,
                coalesce(sum(CASE WHEN {own_count} f.{own_flag} THEN 1 ELSE 0 END), 0) AS wrong
            FROM {walked} {until}"
        );
        for row in given::query(tx, sql, values).await? {
            follows.seen += row.try_get::<i64>("", "seen")?;
            follows.others += row.try_get::<i64>("", "others")?;
            follows.wrong += row.try_get::<i64>("", "wrong")?;
        }
        if place.is_none() {
            return Ok(follows);
        }
    }
}

/// Sums up at most so many follows each way: how many there are, how many count the other, and how many say of the user what
/// it is not, all three by one look at each, as text.
fn statement(given: &str, most: i64) -> String {
    let follows = |way: Way| {
        let Way {
            own,
            own_flag,
            other_flag,
            ..
        } = way;
        format!(
            "(SELECT count(*) || ' ' || coalesce(sum(CASE WHEN e.other_flag THEN 1 ELSE 0 END), 0)
                || ' ' || coalesce(sum(CASE WHEN e.own_flag <> p.is_counted THEN 1 ELSE 0 END), 0)
            FROM (SELECT f.{own_flag} AS own_flag, f.{other_flag} AS other_flag
                FROM follows AS f WHERE f.{own} = p.id ORDER BY f.created_at LIMIT {most}) AS e)"
        )
    };
    let (outgoing, incoming) = (follows(OUTGOING), follows(INCOMING));
    format!(
        "SELECT p.id, p.is_there, p.is_counted, {outgoing} AS outgoing, {incoming} AS incoming,
            CAST(coalesce((SELECT sum(c.followers) FROM follow_counts AS c WHERE c.user_id = p.id), 0) AS bigint) AS followers,
            CAST(coalesce((SELECT sum(c.following) FROM follow_counts AS c WHERE c.user_id = p.id), 0) AS bigint) AS following,
            coalesce((SELECT c.repairs FROM follow_counts AS c WHERE c.user_id = p.id AND c.part = 0), 0) AS repairs,
            (SELECT 1 FROM unsettled_users AS s WHERE s.user_id = p.id) IS NOT NULL AS is_unsettled
        FROM (SELECT g.id, (SELECT 1 FROM users AS u WHERE u.id = g.id) IS NOT NULL AS is_there,
            (SELECT 1 FROM users AS u WHERE u.id = g.id AND {IS_COUNTED}) IS NOT NULL AS is_counted
            FROM {given}) AS p"
    )
}

fn to_looked(row: &QueryResult) -> Result<Looked, DbErr> {
    let follows = |column: &str| -> Result<Follows, DbErr> {
        let text: String = row.try_get("", column)?;
        Follows::parse(&text).ok_or_else(|| DbErr::Custom("three numbers are missing".to_owned()))
    };
    Ok(Looked {
        user: UserId::from_uuid(row.try_get("", "id")?),
        is_there: row.try_get("", "is_there")?,
        is_unsettled: row.try_get("", "is_unsettled")?,
        counted: [row.try_get("", "followers")?, row.try_get("", "following")?],
        repairs: row.try_get("", "repairs")?,
        outgoing: follows("outgoing")?,
        incoming: follows("incoming")?,
    })
}
