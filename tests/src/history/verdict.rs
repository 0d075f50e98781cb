//! What is found in a history.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use super::show::millis;

/// How many faults of a kind are shown.
const SHOWN: usize = 5;

/// What is allowed.
#[derive(Debug, Clone)]
pub struct Limits {
    /// How stale a read of what another replica wrote may be when nothing is wrong.
    pub healthy: Duration,
    /// How stale it may be if it begins within a fault period or soon after.
    pub in_faults: Duration,
    /// How long after a fault period is soon.
    pub settling: Duration,
    /// When requests may fail.
    pub failures: FailuresAllowed,
}

/// When requests may fail. A refusal by a rule is no failure.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FailuresAllowed {
    /// Never.
    Never,
    /// While a fault period lasts or soon after.
    InFaultPeriods,
    /// At any time.
    Always,
}

impl Default for Limits {
    /// What the service promises: 50 ms, and 1 s under a fault.
    fn default() -> Self {
        Self {
            healthy: Duration::from_millis(50),
            in_faults: Duration::from_secs(1),
            settling: Duration::from_secs(1),
            failures: FailuresAllowed::Never,
        }
    }
}

/// What was found. Each list is of faults; instants are given since the history's start.
#[derive(Debug, Clone, Default)]
pub struct Verdict {
    /// Writes that were acknowledged, or seen, and whose effect is missing where it has to be.
    pub lost_writes: Vec<LostWrite>,
    /// Reads that are older than what their own replica had acknowledged, by however little.
    pub stale_on_own_replica: Vec<StaleRead>,
    /// Reads that are older than what another replica had acknowledged, by more than the limit.
    pub stale_elsewhere: Vec<StaleRead>,
    /// Reads that led their client back behind what it had seen at the same replica.
    pub backward_reads: Vec<BackwardRead>,
    /// Writes that were refused and seen.
    pub visible_refusals: Vec<VisibleRefusal>,
    /// Writes that were done twice, or two that made one version.
    pub doubled_writes: Vec<DoubledWrite>,
    /// Versions that were seen with marks of a later one, or with different marks at different times.
    pub torn_reads: Vec<TornRead>,
    /// Requests that failed when they must not.
    pub failed_requests: Vec<FailedRequest>,
    /// How many there were of what.
    pub counts: Counts,
    /// The staleness of reads against what their own replica had acknowledged.
    pub own_replica: Staleness,
    /// The staleness of reads outside fault periods against what other replicas had acknowledged.
    pub other_replicas: Staleness,
    /// The same of reads in or soon after fault periods, by the period's name.
    pub other_replicas_in_faults: BTreeMap<String, Staleness>,
}

/// A write that is lost.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LostWrite {
    /// The user's id.
    pub user: String,
    /// The write's mark; empty if it had none.
    pub mark: String,
    /// The version that it made, or was first seen with.
    pub version: i64,
    /// Where it is missing.
    pub missing: String,
}

/// A stale read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StaleRead {
    /// The user's id.
    pub user: String,
    /// The client that read.
    pub client: usize,
    /// The replica that answered.
    pub replica: usize,
    /// When the read began.
    pub at: Duration,
    /// The version that was seen; none if the user was absent.
    pub seen: Option<i64>,
    /// From the acknowledgement of the earliest write that is newer to the beginning of the read.
    pub age: Duration,
    /// The fault period in which it began, or soon after which.
    pub period: Option<String>,
}

/// A read that led back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BackwardRead {
    /// The user's id.
    pub user: String,
    /// The client that read.
    pub client: usize,
    /// The replica that answered.
    pub replica: usize,
    /// When the read began.
    pub at: Duration,
    /// The version that it had seen before.
    pub before: i64,
    /// The version that it saw then; none if the user was absent.
    pub seen: Option<i64>,
}

/// A write that was refused and seen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VisibleRefusal {
    /// The user's id.
    pub user: String,
    /// The write's mark.
    pub mark: String,
    /// The version that it was seen with.
    pub version: i64,
    /// Who saw it first.
    pub seen_by: String,
}

/// Acknowledgements that contradict each other.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DoubledWrite {
    /// The user's id.
    pub user: String,
    /// What was acknowledged.
    pub acknowledged: [String; 2],
}

/// A version with the wrong marks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TornRead {
    /// The user's id.
    pub user: String,
    /// The version.
    pub version: i64,
    /// What is wrong with it.
    pub what: String,
}

/// A request that failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FailedRequest {
    /// The user's id.
    pub user: String,
    /// The replica that was asked.
    pub replica: usize,
    /// When it began.
    pub at: Duration,
    /// Whether it was a write.
    pub is_write: bool,
    /// Why it failed.
    pub reason: String,
}

/// How many there were of what.
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
    /// The failures that the limits allow, of reads and writes.
    pub allowed_failures: usize,
}

/// How stale reads were, within the limit or not.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Staleness {
    /// How many reads could have been stale: they began after an acknowledgement.
    pub reads: usize,
    /// The ages of those that were, in ascending order.
    pub ages: Vec<Duration>,
}

impl Staleness {
    /// How many reads were stale.
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
    /// Whether no fault was found.
    pub fn is_clean(&self) -> bool {
        self.faults() == 0
    }

    /// How many faults were found.
    pub fn faults(&self) -> usize {
        self.lost_writes.len()
            + self.stale_on_own_replica.len()
            + self.stale_elsewhere.len()
            + self.backward_reads.len()
            + self.visible_refusals.len()
            + self.doubled_writes.len()
            + self.torn_reads.len()
            + self.failed_requests.len()
    }

    /// Fails the test with what was found, if anything was.
    #[track_caller]
    pub fn assert_clean(&self) {
        assert!(self.is_clean(), "{self}");
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{} faults in {}", self.faults(), self.counts)?;
        writeln!(
            f,
            "read after a write of the same replica: {}",
            self.own_replica
        )?;
        writeln!(f, "read after a write of another: {}", self.other_replicas)?;
        for (name, staleness) in &self.other_replicas_in_faults {
            writeln!(f, "read after a write of another, {name}: {staleness}")?;
        }
        section(f, "lost writes", &self.lost_writes)?;
        section(
            f,
            "stale on the writer's own replica",
            &self.stale_on_own_replica,
        )?;
        section(f, "too stale on another replica", &self.stale_elsewhere)?;
        section(f, "led back", &self.backward_reads)?;
        section(f, "refused but visible", &self.visible_refusals)?;
        section(f, "doubled writes", &self.doubled_writes)?;
        section(f, "torn", &self.torn_reads)?;
        section(f, "failed", &self.failed_requests)
    }
}

fn section<T: fmt::Display>(f: &mut fmt::Formatter<'_>, title: &str, faults: &[T]) -> fmt::Result {
    if faults.is_empty() {
        return Ok(());
    }
    writeln!(f, "{title}: {}", faults.len())?;
    for fault in faults.iter().take(SHOWN) {
        writeln!(f, "  - {fault}")?;
    }
    if faults.len() > SHOWN {
        writeln!(f, "  - and {} more", faults.len() - SHOWN)?;
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
