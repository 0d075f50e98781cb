//! Settles with the counts of others whoever has come or gone, a small batch at a time.

use chrono::{DateTime, Utc};
use sea_orm::{ConnectionTrait, DatabaseBackend, DbErr, QueryResult, Value};
use user_domain::StoreError;
use user_domain::ports::Settled;
use user_domain::values::UserId;
use user_domain::write::WriteError;
use uuid::Uuid;

use super::counters::{self, Deltas};
use crate::sea_orm::pool::Pool;
use crate::sea_orm::{errors, given, transaction};

/// The most who are counted as waiting; beyond that it is many.
const MOST_WAITING: i64 = 1000;

/// Settles one batch: one step of the user who has waited longest and whom nobody else is at.
pub(crate) async fn settle(reads: &Pool, writes: &Pool) -> Result<Settled, StoreError> {
    // Mostly there is nobody, and no need to keep SQLite's writer waiting to find that out.
    if waiting(reads).await? == 0 {
        return Ok(Settled::default());
    }
    let settled = async {
        let tx = transaction::begin(writes).await?;
        let settled = transaction::bounded(Box::pin(write(&tx))).await?;
        transaction::commit(tx).await?;
        Ok(settled)
    };
    let settled = settled.await.map_err(errors::unrefused)?;
    let waiting = waiting(reads).await?;
    Ok(Settled {
        relationships: settled.unwrap_or_default(),
        waiting,
        has_more: settled.is_some() && waiting > 0,
    })
}

/// Gives how many relationships were looked at; none where nobody is left to settle.
async fn write(tx: &impl ConnectionTrait) -> Result<Option<u64>, WriteError> {
    let Some(unsettled) = next(tx).await? else {
        return Ok(None);
    };
    let step = unsettled.step();
    let batch = step.next_batch(tx, &unsettled).await?;
    let mut deltas = Deltas::default();
    if !batch.is_empty() {
        step.work_in(tx, &unsettled, &batch, &mut deltas).await?;
    }
    let is_last_batch = batch.len() < usize::from(Settled::MOST);
    match batch.last() {
        Some(last) if !is_last_batch => unsettled.move_to(tx, unsettled.stage, Some(last)).await?,
        _ if unsettled.stage < unsettled.last_stage() => {
            unsettled.move_to(tx, unsettled.stage + 1, None).await?;
        }
        _ => unsettled.end(tx).await?,
    }
    // Last, since others wait for it.
    counters::add_all(tx, &deltas).await?;
    Ok(Some(u64::try_from(batch.len()).unwrap_or(u64::MAX)))
}

/// Somebody with whom there is more to settle, and how far that has come.
struct Unsettled {
    user: UserId,
    is_counted: bool,
    is_erased: bool,
    stage: i64,
    place: Option<(DateTime<Utc>, Uuid)>,
}

/// What there is to settle at one stage.
struct Step {
    table: &'static str,
    /// Where the user stands, and where the other.
    own: &'static str,
    other: &'static str,
    /// Whether the other's count has the user, if it is counted at all.
    flag: Option<&'static str>,
    /// Which of the other's counts that is.
    add: fn(&mut Deltas, UserId, i64),
}

/// A relationship of the user to another, and where its row stands until the transaction ends.
struct Walked {
    other: UserId,
    at: DateTime<Utc>,
    row: String,
}

impl Unsettled {
    fn step(&self) -> Step {
        let blocks = |own, other| Step {
            table: "blocks",
            own,
            other,
            flag: None,
            add: |_, _, _| (),
        };
        match self.stage {
            0 => Step {
                table: "follows",
                own: "follower_id",
                other: "target_id",
                flag: Some("follower_counted"),
                add: Deltas::add_followers,
            },
            1 => Step {
                table: "follows",
                own: "target_id",
                other: "follower_id",
                flag: Some("target_counted"),
                add: Deltas::add_following,
            },
            2 => blocks("blocker_id", "target_id"),
            _ => blocks("target_id", "blocker_id"),
        }
    }

    /// Blocks stay for as long as the user does.
    fn last_stage(&self) -> i64 {
        if self.is_erased { 3 } else { 1 }
    }

    async fn move_to(
        &self,
        tx: &impl ConnectionTrait,
        stage: i64,
        place: Option<&Walked>,
    ) -> Result<(), WriteError> {
        let at = place.map(|walked| walked.at);
        let id = place.map(|walked| walked.other.as_uuid());
        let values: [Value; 4] = [
            self.user.as_uuid().into(),
            stage.into(),
            at.into(),
            id.into(),
        ];
        let moved = given::execute(tx, MOVE, values).await;
        moved.map(drop).map_err(|error| errors::write(&error))
    }

    async fn end(&self, tx: &impl ConnectionTrait) -> Result<(), WriteError> {
        let statements: &[&str] = if self.is_erased {
            &[END, FORGET_COUNTS]
        } else {
            &[END]
        };
        for sql in statements {
            let ended = given::execute(tx, *sql, [self.user.as_uuid().into()]).await;
            ended.map_err(|error| errors::write(&error))?;
        }
        Ok(())
    }
}

impl Step {
    /// Finds and locks the next batch, in the order of the walk. Who is gone before it is locked does not make it shorter.
    async fn next_batch(
        &self,
        tx: &impl ConnectionTrait,
        unsettled: &Unsettled,
    ) -> Result<Vec<Walked>, WriteError> {
        let Self {
            table, own, other, ..
        } = self;
        let (row, lock) = match tx.get_database_backend() {
            DatabaseBackend::Postgres => ("ctid", "FOR UPDATE"),
            _ => ("rowid", ""),
        };
        let mut values: Vec<Value> = vec![
            unsettled.user.as_uuid().into(),
            i64::from(Settled::MOST).into(),
        ];
        let mut behind = String::new();
        // Blocks are removed as they are walked, and few.
        if let (Some((at, id)), Some(_)) = (unsettled.place, self.flag) {
            values.extend([at.into(), id.into()]);
            behind = format!("AND (created_at, {other}) > ($3, $4)");
        }
        let order = match self.flag {
            Some(_) => format!("created_at, {other}"),
            None => (*other).to_owned(),
        };
        let sql = format!(
            "SELECT {other} AS other, created_at, CAST({row} AS text) AS place FROM {table}
            WHERE {own} = $1 {behind} ORDER BY {order} LIMIT $2 {lock}"
        );
        let walked = async {
            let rows = given::query(tx, sql, values).await?;
            rows.iter().map(to_walked).collect::<Result<_, DbErr>>()
        };
        walked.await.map_err(|error| errors::write(&error))
    }

    /// Lets the relationships say what has become of the user, or removes them, and collects what the others' counts gain.
    ///
    /// Rows are found by their places: no plan leads through all who follow the user.
    async fn work_in(
        &self,
        tx: &impl ConnectionTrait,
        unsettled: &Unsettled,
        batch: &[Walked],
        deltas: &mut Deltas,
    ) -> Result<(), WriteError> {
        let Self { table, other, .. } = self;
        let is_of_batch = match tx.get_database_backend() {
            DatabaseBackend::Postgres => "ctid = ANY (string_to_array($1, ';')::tid[])",
            _ => "rowid IN (SELECT value FROM json_each('[' || replace($1, ';', ',') || ']'))",
        };
        let rows: Vec<&str> = batch.iter().map(|walked| walked.row.as_str()).collect();
        let mut values: Vec<Value> = vec![rows.join(";").into()];
        let sql = match self.flag {
            flag if unsettled.is_erased => {
                let flag = flag.unwrap_or("false");
                format!(
                    "DELETE FROM {table} WHERE {is_of_batch} RETURNING {other} AS other, {flag} AS differed"
                )
            }
            Some(flag) => {
                values.push(unsettled.is_counted.into());
                format!(
                    "UPDATE {table} SET {flag} = $2 WHERE {is_of_batch} AND {flag} <> $2
                    RETURNING {other} AS other, true AS differed"
                )
            }
            None => return Ok(()),
        };
        let more = if unsettled.is_counted { 1 } else { -1 };
        let worked = async {
            for row in given::query(tx, sql, values).await? {
                if row.try_get("", "differed")? {
                    (self.add)(deltas, other_of(&row)?, more);
                }
            }
            Ok::<(), DbErr>(())
        };
        worked.await.map_err(|error| errors::write(&error))
    }
}

async fn next(tx: &impl ConnectionTrait) -> Result<Option<Unsettled>, WriteError> {
    let lock = match tx.get_database_backend() {
        DatabaseBackend::Postgres => "FOR UPDATE SKIP LOCKED",
        _ => "",
    };
    let found = async {
        let rows = given::query(tx, format!("{NEXT} {lock}"), []).await?;
        rows.first().map(to_unsettled).transpose()
    };
    found.await.map_err(|error| errors::write(&error))
}

fn to_unsettled(row: &QueryResult) -> Result<Unsettled, DbErr> {
    let at: Option<DateTime<Utc>> = row.try_get("", "place_at")?;
    let id: Option<Uuid> = row.try_get("", "place_id")?;
    Ok(Unsettled {
        user: UserId::from_uuid(row.try_get("", "user_id")?),
        is_counted: row.try_get("", "is_counted")?,
        is_erased: row.try_get("", "is_erased")?,
        stage: row.try_get("", "stage")?,
        place: at.zip(id),
    })
}

fn to_walked(row: &QueryResult) -> Result<Walked, DbErr> {
    Ok(Walked {
        other: other_of(row)?,
        at: row.try_get("", "created_at")?,
        row: row.try_get("", "place")?,
    })
}

fn other_of(row: &QueryResult) -> Result<UserId, DbErr> {
    row.try_get("", "other").map(UserId::from_uuid)
}

async fn waiting(db: &impl ConnectionTrait) -> Result<u64, StoreError> {
    let counted = async {
        let rows = given::query(db, WAITING, [MOST_WAITING.into()]).await?;
        let row = rows.first();
        row.map_or(Ok(0), |row| row.try_get::<i64>("", "waiting"))
    };
    let counted = counted.await.map_err(|error| errors::store(&error))?;
    Ok(u64::try_from(counted).unwrap_or_default())
}

const NEXT: &str = "
    SELECT user_id, is_counted, is_erased, stage, place_at, place_id FROM unsettled_users
    ORDER BY since, user_id LIMIT 1";

const MOVE: &str =
    "UPDATE unsettled_users SET stage = $2, place_at = $3, place_id = $4 WHERE user_id = $1";

const END: &str = "DELETE FROM unsettled_users WHERE user_id = $1";

const FORGET_COUNTS: &str = "DELETE FROM follow_counts WHERE user_id = $1";

const WAITING: &str = "
    SELECT count(*) AS waiting FROM (SELECT 1 AS one FROM unsettled_users LIMIT $1) AS some";
