//! The result of checking a history.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

/// The maximum number of displayed violations of a kind.
const MAX_SHOWN: usize = 5;

/// The guarantees to check.
#[derive(Debug, Clone)]
pub struct Limits {
    /// How stale a read of a write through another replica may be without faults.
    pub healthy: Duration,
    /// How stale it may be if it starts in a fault period or soon after.
    pub in_faults: Duration,
    /// How long after a fault period these larger limits apply.
    pub settling: Duration,
    /// When requests may fail.
    pub failures: FailuresAllowed,
}

/// When requests may fail. A refusal (4xx) is not a failure.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FailuresAllowed {
    /// Never.
    Never,
    /// During a fault period or soon after.
    InFaultPeriods,
    /// At any time.
    Always,
}

impl Default for Limits {
    /// The guarantees of the service: 50 ms, and 1 s during a fault.
    fn default() -> Self {
        Self {
            healthy: Duration::from_millis(50),
            in_faults: Duration::from_secs(1),
            settling: Duration::from_secs(1),
            failures: FailuresAllowed::Never,
        }
    }
}

/// The violations that were found. Times are relative to the start of the history.
#[derive(Debug, Clone, Default)]
pub struct Verdict {
    /// Writes that were acknowledged or seen, and are missing in a later state.
    pub lost_writes: Vec<LostWrite>,
    /// Reads that are older than a write that the same replica had acknowledged.
    pub stale_on_own_replica: Vec<StaleRead>,
    /// Reads that are older than a write that another replica had acknowledged, by more than the limit.
    pub stale_elsewhere: Vec<StaleRead>,
    /// Reads that are older than an earlier read of the same client at the same replica.
    pub backward_reads: Vec<BackwardRead>,
    /// Writes that were refused and yet seen.
    pub visible_refusals: Vec<VisibleRefusal>,
    /// Writes that were done twice, or two writes that created the same version.
    pub doubled_writes: Vec<DoubledWrite>,
    /// Versions that were seen with marks of a later version, or with different marks at different times.
    pub torn_reads: Vec<TornRead>,
    /// Requests that failed when failures are not allowed.
    pub failed_requests: Vec<FailedRequest>,
    /// The numbers of requests.
    pub counts: Counts,
    /// The staleness of reads compared with writes through the same replica.
    pub own_replica: Staleness,
    /// The staleness of reads outside fault periods, compared with writes through other replicas.
    pub other_replicas: Staleness,
    /// The same for reads in or soon after fault periods, by name of the period.
    pub other_replicas_in_faults: BTreeMap<String, Staleness>,
}

/// A lost write.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LostWrite {
    /// The id of the user.
    pub user: String,
    /// The mark of the write; empty if it has none.
    pub mark: String,
    /// The version that it created, or in which it was first seen.
    pub version: i64,
    /// Where it is missing.
    pub missing: String,
}

/// A stale read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StaleRead {
    /// The id of the user.
    pub user: String,
    /// The client.
    pub client: usize,
    /// The replica that responded.
    pub replica: usize,
    /// When the read started.
    pub at: Duration,
    /// The version that was seen; none if the user was absent.
    pub seen: Option<i64>,
    /// The time from the acknowledgement of the earliest newer write to the start of the read.
    pub age: Duration,
    /// The fault period in which it started, or soon after which it started.
    pub period: Option<String>,
}

/// A read that is older than an earlier read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BackwardRead {
    /// The id of the user.
    pub user: String,
    /// The client.
    pub client: usize,
    /// The replica that responded.
    pub replica: usize,
    /// When the read started.
    pub at: Duration,
    /// The version of the earlier read.
    pub before: i64,
    /// The version of this read; none if the user was absent.
    pub seen: Option<i64>,
}

/// A write that was refused and yet seen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VisibleRefusal {
    /// The id of the user.
    pub user: String,
    /// The mark of the write.
    pub mark: String,
    /// The version in which it was seen.
    pub version: i64,
    /// The first read that saw it.
    pub seen_by: String,
}

/// Acknowledgements that contradict each other.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DoubledWrite {
    /// The id of the user.
    pub user: String,
    /// What was acknowledged.
    pub acknowledged: [String; 2],
}

/// A version with the wrong marks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TornRead {
    /// The id of the user.
    pub user: String,
    /// The version.
    pub version: i64,
    /// What is wrong with it.
    pub what: String,
}

/// A request that failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FailedRequest {
    /// The id of the user.
    pub user: String,
    /// The replica that received the request.
    pub replica: usize,
    /// When it started.
    pub at: Duration,
    /// Whether it was a write.
    pub is_write: bool,
    /// Why it failed.
    pub reason: String,
}

/// The numbers of users and requests.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names say it")]
pub struct Counts {
    pub users: usize,
    pub reads: usize,
    pub failed_reads: usize,
    pub acknowledged_writes: usize,
    pub refused_writes: usize,
    pub unavailable_writes: usize,
    pub unknown_writes: usize,
    /// The failures of reads and writes that the limits allow.
    pub allowed_failures: usize,
}

/// The staleness of reads, within the limit or not.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Staleness {
    /// The number of reads that started after an acknowledgement, so that they could be stale.
    pub reads: usize,
    /// The ages of the stale reads, in ascending order.
    pub ages: Vec<Duration>,
}

impl Staleness {
    /// The number of stale reads.
    pub fn stale(&self) -> usize {
        self.ages.len()
    }

    /// The median age of the stale reads; zero if there are none.
    pub fn median(&self) -> Duration {
        self.percentile(50)
    }

    /// The age that 99 % of the stale reads do not exceed; zero if there are none.
    pub fn p99(&self) -> Duration {
        self.percentile(99)
    }

    /// The greatest age; zero if no read was stale.
    pub fn max(&self) -> Duration {
        self.percentile(100)
    }

    fn percentile(&self, percent: usize) -> Duration {
        let rank = (self.ages.len() * percent).div_ceil(100);
        let age = rank.checked_sub(1).map(|index| self.ages[index]);
        age.unwrap_or_default()
    }
}

impl Verdict {
    /// Whether there are no violations.
    pub fn is_clean(&self) -> bool {
        self.violations() == 0
    }

    /// The number of violations.
    pub fn violations(&self) -> usize {
        self.lost_writes.len()
            + self.stale_on_own_replica.len()
            + self.stale_elsewhere.len()
            + self.backward_reads.len()
            + self.visible_refusals.len()
            + self.doubled_writes.len()
            + self.torn_reads.len()
            + self.failed_requests.len()
    }

    /// Panics with the violations, if there are any.
    #[track_caller]
    pub fn assert_clean(&self) {
        assert!(self.is_clean(), "{self}");
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{} violations in {}", self.violations(), self.counts)?;
        writeln!(
            f,
            "reads after a write through the same replica: {}",
            self.own_replica
        )?;
        writeln!(
            f,
            "reads after a write through another replica: {}",
            self.other_replicas
        )?;
        for (name, staleness) in &self.other_replicas_in_faults {
            writeln!(
                f,
                "reads after a write through another replica, {name}: {staleness}"
            )?;
        }
        section(f, "lost writes", &self.lost_writes)?;
        section(
            f,
            "stale on the replica of the writer",
            &self.stale_on_own_replica,
        )?;
        section(f, "too stale on another replica", &self.stale_elsewhere)?;
        section(f, "backward reads", &self.backward_reads)?;
        section(f, "refused but visible", &self.visible_refusals)?;
        section(f, "doubled writes", &self.doubled_writes)?;
        section(f, "torn reads", &self.torn_reads)?;
        section(f, "failed requests", &self.failed_requests)
    }
}

fn section<T: fmt::Display>(
    f: &mut fmt::Formatter<'_>,
    title: &str,
    violations: &[T],
) -> fmt::Result {
    if violations.is_empty() {
        return Ok(());
    }
    writeln!(f, "{title}: {}", violations.len())?;
    for violation in violations.iter().take(MAX_SHOWN) {
        writeln!(f, "  - {violation}")?;
    }
    if violations.len() > MAX_SHOWN {
        writeln!(f, "  - and {} more", violations.len() - MAX_SHOWN)?;
    }
    Ok(())
}

impl fmt::Display for Counts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} reads of {} users ({} failed) and {} acknowledged, {} refused, {} unavailable, {} unknown writes; \
             {} failures were allowed",
            self.reads,
            self.users,
            self.failed_reads,
            self.acknowledged_writes,
            self.refused_writes,
            self.unavailable_writes,
            self.unknown_writes,
            self.allowed_failures
        )
    }
}

impl fmt::Display for Staleness {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} of {} stale", self.stale(), self.reads)?;
        if self.ages.is_empty() {
            return Ok(());
        }
        let [median, p99, max] = [self.median(), self.p99(), self.max()].map(millis);
        write!(f, ", median {median}, p99 {p99}, max {max}")
    }
}

pub(super) fn millis(duration: Duration) -> String {
    format!("{:.1} ms", duration.as_secs_f64() * 1000.0)
}
