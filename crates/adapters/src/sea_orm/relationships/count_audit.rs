//! Counts the relationships of users again, in batches, and repairs wrong counts.
//!
//! Without faults all counts are correct. Causes of wrong counts are an older release without relationships that
//! suspends, deletes or erases users during a rollout, manual changes of rows, and defects. The audit finds and reports
//! them.
//!
//! Concurrent writes change the relationships and the stored count alike, so the error of a count stays constant. An
//! error that is measured at one time can therefore be repaired later. It is repaired once: a repair increments the
//! row's number of repairs, and applies only if that number is the measured one.

mod measure;
mod next_batch;
mod repair;

use user_domain::StoreError;
use user_domain::ports::CountAuditBatch;
use user_domain::values::Timestamp;

use crate::sea_orm::connection::Pool;
use crate::sea_orm::errors::OperationError;
use measure::Measurement;

/// Claims the next batch of users, counts their relationships, and repairs wrong counts.
pub(crate) async fn audit(
    reads: &Pool,
    writes: &Pool,
    at: Timestamp,
) -> Result<CountAuditBatch, OperationError> {
    if !next_batch::is_due(reads, at).await? {
        return Ok(CountAuditBatch::default());
    }
    let Some(batch) = next_batch::claim(writes, at).await? else {
        return Ok(CountAuditBatch::default());
    };
    let mut ids = batch.users.clone();
    match next_batch::find_orphans(reads, &batch).await {
        Ok(orphans) => ids.extend(orphans),
        // The users of the batch are counted regardless. The next pass searches this range again.
        Err(error) => {
            let error = StoreError::from(error);
            tracing::warn!(%error, "follow count audit could not search for relationships of deleted users");
        }
    }
    let mut measurements = measure::measure(reads, &ids).await?;
    for measurement in measurements
        .iter_mut()
        .filter(|measurement| measurement.is_truncated())
    {
        *measurement = measure::measure_in_slices(reads, measurement.user).await?;
    }
    let mut result = CountAuditBatch {
        users: u64::try_from(batch.users.len()).unwrap_or(u64::MAX),
        has_more: batch.has_more,
        ..CountAuditBatch::default()
    };
    repair::counts(writes, &measurements, &mut result).await?;
    for measurement in measurements.iter().filter(|one| one.has_wrong_flags()) {
        repair::flags(writes, measurement, at, &mut result).await?;
    }
    Ok(result)
}

impl Measurement {
    /// Whether follows are stored with a wrong status of the user, and no pending change will correct it.
    fn has_wrong_flags(&self) -> bool {
        let has_wrong = self.outgoing.wrong + self.incoming.wrong > 0;
        !self.is_pending && (has_wrong || !self.user_exists)
    }
}
