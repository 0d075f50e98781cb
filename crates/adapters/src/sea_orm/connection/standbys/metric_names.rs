//! The metrics of standbys.

use metrics::{Unit, describe_counter, describe_gauge};

/// Reads that a standby or the primary server answered, by `route` and `reason`.
pub(super) const ROUTED: &str = "db_reads_routed_total";
/// How far a standby is behind the newest poll of the primary server, by `standby`.
pub(super) const LAG_BYTES: &str = "db_standby_replay_lag_bytes";
pub(super) const LAG_SECONDS: &str = "db_standby_replay_lag_seconds";

/// Registers the descriptions of the metrics of standbys.
pub(in crate::sea_orm::connection) fn describe_metrics() {
    describe_counter!(
        ROUTED,
        Unit::Count,
        "Reads that a standby or the primary server answered, by route and reason"
    );
    describe_gauge!(
        LAG_BYTES,
        Unit::Bytes,
        "How much of the log of the newest outbox poll a standby had not replayed when it was last asked"
    );
    describe_gauge!(
        LAG_SECONDS,
        Unit::Seconds,
        "The age of the last commit that a standby had replayed when it was last asked; 0 if it missed nothing"
    );
}
