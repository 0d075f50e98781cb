//! Applies pending count changes of users whose status has changed, in small batches.

use chrono::{DateTime, Utc};
use sea_orm::{ConnectionTrait, DbErr, QueryResult, Value};
use user_domain::ports::PendingCountsBatch;
use user_domain::values::UserId;
use uuid::Uuid;

use super::counters::{self, Deltas};
use crate::sea_orm::connection::Pool;
use crate::sea_orm::dialect::Dialect;
use crate::sea_orm::errors::OperationError;
use crate::sea_orm::{list_params, raw_sql, transaction};

/// The maximum of the reported number of waiting users.
const MAX_WAITING: i64 = 1000;

/// The most steps of one call. Most users have few relationships and need one step for each kind.
const MAX_STEPS: u32 = 32;

/// Applies one batch. Each step handles the user that has waited longest and that no other transaction has locked.
pub(crate) async fn apply(
    reads: &Pool,
    writes: &Pool,
) -> Result<PendingCountsBatch, OperationError> {
    let mut done = PendingCountsBatch {
        // Usually no user waits. Finding that out must not occupy the single writer of SQLite.
        waiting: waiting(reads).await?,
        ..PendingCountsBatch::default()
    };
    done.has_more = done.waiting > 0;
    let mut steps = 0;
    while done.has_more && steps < MAX_STEPS {
        let limit =
            u64::from(PendingCountsBatch::MAX_RELATIONSHIPS).saturating_sub(done.relationships);
        if limit == 0 {
            break;
        }
        match transaction::run(writes, async |tx| write(tx, limit).await).await? {
            Some(relationships) => done.relationships += relationships,
            None => done.has_more = false,
        }
        steps += 1;
    }
    if steps > 0 {
        done.waiting = waiting(reads).await?;
        done.has_more &= done.waiting > 0;
    }
    Ok(done)
}

/// Processes at most `limit` relationships of the next user. Returns their number, or `None` if no user is left.
async fn write(tx: &impl ConnectionTrait, limit: u64) -> Result<Option<u64>, OperationError> {
    let Some(pending) = next(tx).await? else {
        return Ok(None);
    };
    let step = pending.step();
    let batch = step.next_batch(tx, &pending, limit).await?;
    let mut deltas = Deltas::default();
    if !batch.is_empty() {
        step.process(tx, &pending, &batch, &mut deltas).await?;
    }
    let processed = u64::try_from(batch.len()).unwrap_or(u64::MAX);
    let is_last_batch = processed < limit;
    match batch.last() {
        Some(last) if !is_last_batch => pending.move_to(tx, pending.stage, Some(last)).await?,
        _ if pending.stage < pending.last_stage() => {
            pending.move_to(tx, pending.stage + 1, None).await?;
        }
        _ => pending.end(tx).await?,
    }
    // Last, since concurrent transactions wait for these rows.
    counters::add_all(tx, &deltas).await?;
    Ok(Some(processed))
}

/// A user with pending count changes, and the progress of applying them.
struct PendingUser {
    user: UserId,
    is_counted: bool,
    is_erased: bool,
    stage: i64,
    position: Option<(DateTime<Utc>, Uuid)>,
}

/// The relationships that one stage processes.
struct Step {
    table: &'static str,
    /// The column of the user.
    own: &'static str,
    /// The column of the other user.
    other: &'static str,
    kind: StepKind,
}

/// How a step processes relationships.
#[derive(Clone, Copy)]
enum StepKind {
    /// Updates the flag of a follow, or deletes the follow of an erased user.
    Follow {
        /// The column that says whether the other user's count includes this user.
        flag: &'static str,
        /// Adds to that count of the other user.
        add: fn(&mut Deltas, UserId, i64),
    },
    /// Deletes a block by an erased user.
    OwnBlock,
    /// Removes the name of an erased user from a block, which stays.
    NamedBlock,
}

/// A relationship of the user, and the physical place of its locked row.
struct LockedRow {
    other: UserId,
    at: DateTime<Utc>,
    row: String,
}

impl PendingUser {
    fn step(&self) -> Step {
        let blocks = |own, other, kind| Step {
            table: "blocks",
            own,
            other,
            kind,
        };
        match self.stage {
            0 => Step {
                table: "follows",
                own: "follower_id",
                other: "target_id",
                kind: StepKind::Follow {
                    flag: "follower_counted",
                    add: Deltas::add_followers,
                },
            },
            1 => Step {
                table: "follows",
                own: "target_id",
                other: "follower_id",
                kind: StepKind::Follow {
                    flag: "target_counted",
                    add: Deltas::add_following,
                },
            },
            2 => blocks("blocker_id", "target_id", StepKind::OwnBlock),
            _ => blocks("target_id", "blocker_id", StepKind::NamedBlock),
        }
    }

    /// Blocks are processed only for an erased user.
    fn last_stage(&self) -> i64 {
        if self.is_erased { 3 } else { 1 }
    }

    async fn move_to(
        &self,
        tx: &impl ConnectionTrait,
        stage: i64,
        position: Option<&LockedRow>,
    ) -> Result<(), OperationError> {
        let at = position.map(|row| row.at);
        let id = position.map(|row| row.other.as_uuid());
        let values: [Value; 4] = [
            self.user.as_uuid().into(),
            stage.into(),
            at.into(),
            id.into(),
        ];
        raw_sql::execute(tx, STORE_PROGRESS, values).await?;
        Ok(())
    }

    async fn end(&self, tx: &impl ConnectionTrait) -> Result<(), OperationError> {
        let statements: &[&str] = if self.is_erased {
            &[DELETE_PENDING, DELETE_COUNTS]
        } else {
            &[DELETE_PENDING]
        };
        for sql in statements {
            raw_sql::execute(tx, *sql, [self.user.as_uuid().into()]).await?;
        }
        Ok(())
    }
}

impl Step {
    /// Finds and locks the next relationships in order. A row that is deleted before it is locked does not shorten the
    /// batch.
    async fn next_batch(
        &self,
        tx: &impl ConnectionTrait,
        pending: &PendingUser,
        limit: u64,
    ) -> Result<Vec<LockedRow>, OperationError> {
        let Self {
            table, own, other, ..
        } = self;
        let dialect = Dialect::of(tx);
        let (row, lock) = (dialect.row_place(), dialect.for_update());
        let mut values: Vec<Value> = vec![
            pending.user.as_uuid().into(),
            i64::try_from(limit).unwrap_or(i64::MAX).into(),
        ];
        let mut after = String::new();
        // Blocks by the user need no position: they are few, and processed ones are deleted.
        match (pending.position, self.kind) {
            (Some((at, id)), StepKind::Follow { .. }) => {
                values.extend([at.into(), id.into()]);
                after = format!("AND (created_at, {other}) > ($3, $4)");
            }
            (Some((_, id)), StepKind::NamedBlock) => {
                values.push(id.into());
                after = format!("AND {other} > $3");
            }
            (Some(_), StepKind::OwnBlock) | (None, _) => {}
        }
        let order = match self.kind {
            StepKind::Follow { .. } => format!("created_at, {other}"),
            StepKind::OwnBlock | StepKind::NamedBlock => (*other).to_owned(),
        };
        let sql = format!(
            "SELECT {other} AS other, created_at, CAST({row} AS text) AS place FROM {table}
            WHERE {own} = $1 {after} ORDER BY {order} LIMIT $2 {lock}"
        );
        let rows = raw_sql::query(tx, sql, values).await?;
        Ok(rows.iter().map(to_locked_row).collect::<Result<_, _>>()?)
    }

    /// Updates or deletes the relationships, and collects the changes of the other users' counts.
    ///
    /// Rows are found by their physical places, so that no plan scans all followers of the user.
    async fn process(
        &self,
        tx: &impl ConnectionTrait,
        pending: &PendingUser,
        batch: &[LockedRow],
        deltas: &mut Deltas,
    ) -> Result<(), OperationError> {
        let Self { table, other, .. } = self;
        let is_of_batch = list_params::is_in_places(tx);
        let places = batch.iter().map(|row| row.row.as_str());
        let mut values: Vec<Value> = vec![list_params::place_list(places)];
        match self.kind {
            StepKind::Follow { flag, add } => {
                let sql = if pending.is_erased {
                    format!(
                        "DELETE FROM {table} WHERE {is_of_batch} RETURNING {other} AS other, {flag} AS differed"
                    )
                } else {
                    values.push(pending.is_counted.into());
                    format!(
                        "UPDATE {table} SET {flag} = $2 WHERE {is_of_batch} AND {flag} <> $2
                        RETURNING {other} AS other, true AS differed"
                    )
                };
                let change = if pending.is_counted { 1 } else { -1 };
                for row in raw_sql::query(tx, sql, values).await? {
                    if row.try_get("", "differed")? {
                        add(deltas, other_of(&row)?, change);
                    }
                }
            }
            StepKind::OwnBlock | StepKind::NamedBlock if !pending.is_erased => {}
            StepKind::OwnBlock => {
                let sql = format!("DELETE FROM {table} WHERE {is_of_batch}");
                raw_sql::execute(tx, sql, values).await?;
            }
            StepKind::NamedBlock => {
                let sql = format!(
                    "UPDATE {table} SET target_username = NULL WHERE {is_of_batch} AND target_username IS NOT NULL"
                );
                raw_sql::execute(tx, sql, values).await?;
            }
        }
        Ok(())
    }
}

async fn next(tx: &impl ConnectionTrait) -> Result<Option<PendingUser>, OperationError> {
    let lock = Dialect::of(tx).for_update_skip_locked();
    let rows = raw_sql::query(tx, format!("{NEXT} {lock}"), []).await?;
    Ok(rows.first().map(to_pending).transpose()?)
}

fn to_pending(row: &QueryResult) -> Result<PendingUser, DbErr> {
    let at: Option<DateTime<Utc>> = row.try_get("", "place_at")?;
    let id: Option<Uuid> = row.try_get("", "place_id")?;
    Ok(PendingUser {
        user: UserId::from_uuid(row.try_get("", "user_id")?),
        is_counted: row.try_get("", "is_counted")?,
        is_erased: row.try_get("", "is_erased")?,
        stage: row.try_get("", "stage")?,
        position: at.zip(id),
    })
}

fn to_locked_row(row: &QueryResult) -> Result<LockedRow, DbErr> {
    Ok(LockedRow {
        other: other_of(row)?,
        at: row.try_get("", "created_at")?,
        row: row.try_get("", "place")?,
    })
}

fn other_of(row: &QueryResult) -> Result<UserId, DbErr> {
    row.try_get("", "other").map(UserId::from_uuid)
}

async fn waiting(db: &impl ConnectionTrait) -> Result<u64, OperationError> {
    let rows = raw_sql::query(db, WAITING, [MAX_WAITING.into()]).await?;
    let row = rows.first();
    let counted = row.map_or(Ok(0), |row| row.try_get::<i64>("", "waiting"))?;
    Ok(u64::try_from(counted).unwrap_or_default())
}

const NEXT: &str = "
    SELECT user_id, is_counted, is_erased, stage, place_at, place_id FROM unsettled_users
    ORDER BY since, user_id LIMIT 1";

const STORE_PROGRESS: &str =
    "UPDATE unsettled_users SET stage = $2, place_at = $3, place_id = $4 WHERE user_id = $1";

const DELETE_PENDING: &str = "DELETE FROM unsettled_users WHERE user_id = $1";

const DELETE_COUNTS: &str = "DELETE FROM follow_counts WHERE user_id = $1";

const WAITING: &str = "
    SELECT count(*) AS waiting FROM (SELECT 1 AS one FROM unsettled_users LIMIT $1) AS found";
