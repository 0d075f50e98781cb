//! Runs a fault while clients read and write, and checks the expectations of it.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use tokio::time::sleep;
use user_tests::history::{FailuresAllowed, Limits};

use super::responses::{CompletedRequest, RequestKind, Response, ResponseCounts, count_by};
use super::stored_state;
use super::workload::Workload;

/// How long clients read and write before the fault, and after the recovery.
const HEALTHY_DURATION: Duration = Duration::from_secs(1);
/// The time by which a response may exceed its deadline on a busy machine.
const DEADLINE_TOLERANCE: Duration = Duration::from_secs(2);
/// The number of requests of which one may fail where none should: on a busy machine it may wait too long for a connection.
const REQUESTS_PER_FAILURE: usize = 200;
/// The number of cached reads of which one may fail: on a busy machine a replica may receive nothing from Redis for a second.
/// Without a working cache, all of them after the first second would fail.
const CACHED_READS_PER_FAILURE: usize = 10;
/// The time within which the service must recover by itself after a fault.
const RECOVERY_TIMEOUT: Duration = Duration::from_secs(30);
/// The service has recovered if this many of the latest reads, and of the latest writes, succeeded.
const RECOVERY_SUCCESSES: usize = 25;

/// The duration of each fault: `FAULT_SECONDS`, by default 2.5 seconds.
pub(super) fn fault_duration() -> Duration {
    let seconds = std::env::var("FAULT_SECONDS").ok();
    seconds.map_or(Duration::from_millis(2500), |seconds| {
        Duration::from_secs_f64(seconds.parse().unwrap())
    })
}

/// A property that the responses during a fault must have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Expectation {
    /// Reads of users that were cached before the fault succeed.
    CachedReadsSucceed,
    /// All reads succeed.
    ReadsSucceed,
    /// Some requests of each group succeed, if necessary at another replica.
    EachGroupSucceeds,
    /// No request fails.
    NoFailures,
    /// Some requests that need the database fail. Otherwise the fault had no effect.
    SomeFailures,
    /// No write has an unknown outcome.
    NoUnknownOutcomes,
    /// Connections to the service may break.
    BrokenConnections,
}

/// All expectations of a fault.
#[derive(Debug, Clone, Copy)]
pub(super) struct Expectations {
    expected: &'static [Expectation],
    /// The time by which a response may exceed its deadline because the service itself is paused.
    pause: Duration,
}

impl Expectations {
    /// The database is unavailable: reads of cached users succeed, and other requests are refused.
    pub(super) const CACHED_READS: Self =
        Self::of(&[Expectation::CachedReadsSucceed, Expectation::SomeFailures]);
    /// The database is unavailable, and nothing is cached.
    pub(super) const REFUSALS: Self = Self::of(&[Expectation::SomeFailures]);
    /// Clients see no effect.
    pub(super) const NO_EFFECT: Self =
        Self::of(&[Expectation::NoFailures, Expectation::EachGroupSucceeds]);
    /// Connections break, and requests on new connections succeed.
    pub(super) const BROKEN_CONNECTIONS: Self = Self::of(&[
        Expectation::BrokenConnections,
        Expectation::SomeFailures,
        Expectation::EachGroupSucceeds,
    ]);

    pub(super) const fn of(expected: &'static [Expectation]) -> Self {
        Self {
            expected,
            pause: Duration::ZERO,
        }
    }

    /// Allows for a service that is paused for this long.
    pub(super) const fn with_pause(self, pause: Duration) -> Self {
        Self { pause, ..self }
    }

    fn has(self, expectation: Expectation) -> bool {
        self.expected.contains(&expectation)
    }
}

/// Runs clients before, during and after a fault, which ends when `fault` returns. Asserts that the responses are
/// allowed, that the service recovers, and that the database matches the responses.
pub(super) async fn run_trial(
    name: &str,
    uri: &str,
    workload: &Workload,
    expectations: Expectations,
    fault: impl AsyncFnOnce(),
) {
    let scenario = async {
        sleep(HEALTHY_DURATION).await;
        let fault_begin = Instant::now();
        workload.history.during(name, fault()).await;
        let fault_end = Instant::now();
        let has_recovered = wait_until_recovered(workload, fault_end).await;
        sleep(HEALTHY_DURATION).await;
        workload.stop();
        (fault_begin, fault_end, has_recovered)
    };
    let ((), (fault_begin, fault_end, has_recovered)) = tokio::join!(workload.run(), scenario);
    let writes = workload.writes().clone();
    let differences = stored_state::differences(uri, &writes, &workload.history).await;
    let trial = Trial {
        name,
        requests: workload.completed().clone(),
        fault_begin,
        fault_end,
        seed: workload.seed,
    };
    trial.print();
    assert!(
        has_recovered,
        "{name}: no recovery within {RECOVERY_TIMEOUT:?}"
    );
    trial.assert_responses(expectations);
    assert!(
        differences.is_empty(),
        "{name}, seed {}: {} differences: {:#?}",
        trial.seed,
        differences.len(),
        &differences[..differences.len().min(10)]
    );
    let limits = Limits {
        // Concurrent tests occupy the cores for longer than the promised 50 ms.
        healthy: Duration::from_secs(1),
        failures: FailuresAllowed::Always,
        ..Limits::default()
    };
    workload.history.check(&limits).assert_clean();
}

/// Waits until the latest reads and the latest writes that need the database have all succeeded.
async fn wait_until_recovered(workload: &Workload, fault_end: Instant) -> bool {
    while fault_end.elapsed() < RECOVERY_TIMEOUT {
        let has_recovered = {
            let completed = workload.completed();
            [true, false].into_iter().all(|is_write| {
                let newest = completed
                    .iter()
                    .rev()
                    .filter(|request| request.begin > fault_end)
                    .filter(|request| request.kind.needs_database())
                    .filter(|request| request.kind.is_write() == is_write);
                let newest: Vec<&CompletedRequest> = newest.take(RECOVERY_SUCCESSES).collect();
                newest.len() == RECOVERY_SUCCESSES
                    && newest.iter().all(|request| request.response.is_success())
            })
        };
        if has_recovered {
            return true;
        }
        sleep(Duration::from_millis(50)).await;
    }
    false
}

struct Trial<'a> {
    name: &'a str,
    requests: Vec<CompletedRequest>,
    fault_begin: Instant,
    fault_end: Instant,
    seed: u64,
}

impl Trial<'_> {
    /// The requests that were sent during the fault.
    fn during_fault(&self) -> impl Iterator<Item = &CompletedRequest> {
        let is_during = |request: &&CompletedRequest| {
            (self.fault_begin..self.fault_end).contains(&request.begin)
        };
        self.requests.iter().filter(is_during)
    }

    /// The times from the end of the fault to the first success of a request sent after it, and to the last failure.
    fn recovery(&self, of: impl Fn(RequestKind) -> bool) -> (Duration, Duration) {
        let after =
            |request: &CompletedRequest| request.end.saturating_duration_since(self.fault_end);
        let selected = || self.requests.iter().filter(|request| of(request.kind));
        let later = selected().filter(|request| request.begin > self.fault_end);
        let first = later
            .filter(|request| request.response.is_success())
            .map(after);
        let last = selected().filter(|request| !request.response.is_success());
        (
            first.min().unwrap_or_default(),
            last.map(after).max().unwrap_or_default(),
        )
    }

    #[expect(clippy::print_stdout, reason = "the figures of docs/reliability.md")]
    fn print(&self) {
        let duration = (self.fault_end - self.fault_begin).as_secs_f64();
        println!(
            "{}, {duration:.1} s, seed {}, {} requests",
            self.name,
            self.seed,
            self.requests.len()
        );
        for (kind, counts) in count_by(self.during_fault(), |kind| kind) {
            println!("  {kind:?}: {counts}");
        }
        let since_begin =
            |request: &CompletedRequest| (request.begin - self.fault_begin).as_secs_f64();
        let failed = || {
            let cached = self
                .during_fault()
                .filter(|request| request.kind.is_cached());
            cached.filter(|request| !request.response.is_success())
        };
        if let (Some(first), Some(last)) = (failed().next(), failed().last()) {
            let [first, last] = [first, last].map(since_begin);
            println!(
                "  cached reads failed from {first:.2} s to {last:.2} s after the start of the fault"
            );
        }
        let row: Vec<String> = count_by(self.during_fault(), group)
            .into_iter()
            .map(|(name, counts)| format!("{name}: {counts}"))
            .collect();
        let [reads, writes] = [false, true].map(|is_write| {
            let (first, last) =
                self.recovery(|kind| kind.needs_database() && kind.is_write() == is_write);
            let [first, last] = [first, last].map(|time| time.as_secs_f64());
            format!("first success after {first:.2} s, last failure after {last:.2} s")
        });
        println!(
            "  row | {} | {} | reads: {reads} | writes: {writes}",
            self.name,
            row.join(" | ")
        );
    }

    fn assert_responses(&self, expectations: Expectations) {
        let name = self.name;
        let seed = self.seed;
        for request in &self.requests {
            match &request.response {
                Response::Forbidden(text) => panic!("{name}, seed {seed}: {text}"),
                Response::Broken(how) if !expectations.has(Expectation::BrokenConnections) => {
                    panic!("{name}: {how}")
                }
                _ => {}
            }
            let limit = request.kind.deadline() + DEADLINE_TOLERANCE + expectations.pause;
            let took = request.duration();
            assert!(took <= limit, "{name}: {:?} took {took:?}", request.kind);
        }
        let by_kind = count_by(self.requests.iter(), |kind| kind);
        assert!(
            by_kind.len() == 8 && by_kind.values().all(|counts| counts.done > 0),
            "{name}: some kind of request never succeeded: {by_kind:?}"
        );
        let during = count_by(self.during_fault(), |kind| kind);
        if expectations.has(Expectation::SomeFailures) {
            let (_, failed) = totals(&during, RequestKind::needs_database);
            assert!(failed > 0, "{name}: the fault had no effect");
        }
        let groups = count_by(self.during_fault(), group);
        let successful = groups.values().filter(|counts| counts.done > 0).count();
        assert!(
            successful == 4 || !expectations.has(Expectation::EachGroupSucceeds),
            "{name}: a group had no successes: {groups:?}"
        );
        let assert_few_failures =
            |what: &str, requests_per_failure: usize, (all, failed): (usize, usize)| {
                let allowed = all / requests_per_failure;
                assert!(failed <= allowed, "{name}: {failed} of {all} {what} failed");
            };
        if expectations.has(Expectation::CachedReadsSucceed) {
            assert_few_failures(
                "cached reads",
                CACHED_READS_PER_FAILURE,
                totals(&during, RequestKind::is_cached),
            );
        }
        if expectations.has(Expectation::ReadsSucceed) {
            assert_few_failures(
                "reads",
                REQUESTS_PER_FAILURE,
                totals(&during, |kind| !kind.is_write()),
            );
        }
        if expectations.has(Expectation::NoFailures) {
            assert_few_failures("requests", REQUESTS_PER_FAILURE, totals(&by_kind, |_| true));
        }
        if expectations.has(Expectation::NoUnknownOutcomes) {
            let unknown: usize = by_kind.values().map(|counts| counts.unknown).sum();
            assert_eq!(unknown, 0, "{name}: the outcome of a write was unknown");
        }
    }
}

/// The number of requests of some kinds, and the number of those that failed.
fn totals(
    counts: &BTreeMap<RequestKind, ResponseCounts>,
    of: impl Fn(RequestKind) -> bool,
) -> (usize, usize) {
    let selected = counts.iter().filter(|(kind, _)| of(**kind));
    selected.fold((0, 0), |(all, failed), (_, counts)| {
        let failures = counts.failures();
        (all + counts.done + failures, failed + failures)
    })
}

/// The group of a kind in the table of docs/reliability.md.
fn group(kind: RequestKind) -> &'static str {
    match kind {
        RequestKind::Cached | RequestKind::Own | RequestKind::Batch => "cached reads",
        RequestKind::Changing => "other reads",
        RequestKind::Fresh | RequestKind::List => "uncached reads",
        RequestKind::Create | RequestKind::Change => "writes",
    }
}
