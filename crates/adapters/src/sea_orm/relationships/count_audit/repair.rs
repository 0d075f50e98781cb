//! Repairs wrong counts.

use sea_orm::ConnectionTrait;
use serde_json::json;
use user_domain::ports::CountAuditBatch;
use user_domain::values::{Timestamp, UserId};
use user_domain::write::WriteError;

use super::measure::Measurement;
use crate::sea_orm::connection::{Pool, Transaction};
use crate::sea_orm::errors::OperationError;
use crate::sea_orm::list_params::{self, ColumnType};
use crate::sea_orm::relationships::locking::{self, CountState};
use crate::sea_orm::users::change;
use crate::sea_orm::{raw_sql, transaction};

/// Adds the measured errors to the stored counts, ordered by user, unless they were repaired since the measurement.
/// Adds the repaired errors to `result`.
pub(super) async fn counts(
    db: &Pool,
    measurements: &[Measurement],
    result: &mut CountAuditBatch,
) -> Result<(), OperationError> {
    let wrong = measurements.iter().filter(|one| one.user_exists);
    let wrong: Vec<&Measurement> = wrong.filter(|one| one.drift() != [0, 0]).collect();
    if wrong.is_empty() {
        return Ok(());
    }
    let repaired = transaction::run(db, async |tx| add(tx, &wrong).await).await?;
    for one in wrong.iter().filter(|one| repaired.contains(&one.user)) {
        let [followers, following] = one.drift();
        result.followers_drift += followers.unsigned_abs();
        result.following_drift += following.unsigned_abs();
    }
    Ok(())
}

async fn add(
    tx: &impl ConnectionTrait,
    wrong: &[&Measurement],
) -> Result<Vec<UserId>, OperationError> {
    let rows = wrong.iter().map(|one| {
        let [followers, following] = one.drift();
        json!([
            list_params::id(one.user),
            followers,
            following,
            one.repairs + 1
        ])
    });
    let columns = [
        ("id", ColumnType::Id),
        ("followers", ColumnType::Number),
        ("following", ColumnType::Number),
        ("repairs", ColumnType::Number),
    ];
    let sql = ADD.replace("{list}", &list_params::row_table(tx, &columns));
    let rows = raw_sql::query(tx, sql, [list_params::row_list(rows)]).await?;
    rows.iter()
        .map(|row| Ok(UserId::from_uuid(row.try_get("", "user_id")?)))
        .collect()
}

/// Records the current status of a user as a pending change, which corrects the flags of its follows. Adds the wrong
/// counts of other users to `result`.
pub(super) async fn flags(
    db: &Pool,
    measurement: &Measurement,
    at: Timestamp,
    result: &mut CountAuditBatch,
) -> Result<(), OperationError> {
    transaction::run(db, async |tx| record(tx, measurement.user, at).await).await?;
    result.followers_drift += measurement.outgoing.wrong.unsigned_abs();
    result.following_drift += measurement.incoming.wrong.unsigned_abs();
    Ok(())
}

/// Reads the status again, since it may have changed since the measurement.
async fn record(tx: &Transaction, user: UserId, at: Timestamp) -> Result<(), OperationError> {
    let status = match change::lock(tx, user).await {
        Ok(user) => CountState::of(&user),
        Err(OperationError::Port(WriteError::NotFound)) => CountState::Erased,
        Err(error) => return Err(error),
    };
    locking::record_status_changes(tx, &[(user, status)], at).await
}

const ADD: &str = "
    INSERT INTO follow_counts (user_id, part, followers, following, repairs)
    SELECT g.id, 0, g.followers, g.following, g.repairs FROM {list} WHERE true ORDER BY g.id
    ON CONFLICT (user_id, part) DO UPDATE SET
        followers = follow_counts.followers + excluded.followers,
        following = follow_counts.following + excluded.following,
        repairs = excluded.repairs
    WHERE follow_counts.repairs = excluded.repairs - 1
    RETURNING user_id";
