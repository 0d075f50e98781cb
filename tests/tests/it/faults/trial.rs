//! A fault under clients, and what is asked of the service then.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use tokio::time::sleep;
use user_tests::history::{FailuresAllowed, Limits};

use super::answers::{Answer, Kind, Tally, What, tallied};
use super::ledger;
use super::workload::Workload;

/// How long clients read and write before the fault, and after everything is well again.
const HEALTHY: Duration = Duration::from_secs(1);
/// How much longer than its deadline an answer may take on a machine that does much else.
const SLACK: Duration = Duration::from_secs(2);
/// One request in so many may fail though none has to: on such a machine one may wait for a connection too long.
const NOISE: usize = 200;
/// One cached read in so many may fail on such a machine, where a replica may not hear from Redis for a second. Were
/// cached users not given at all, all but those of the first second would fail.
const NOISE_OF_CACHED: usize = 10;
/// How long the service may take to be well by itself after a fault.
const RECOVERY: Duration = Duration::from_secs(30);
/// The clients of a group whose last answers tell whether all is well.
const ENOUGH: usize = 25;

/// How long faults last: 2.5 seconds, or as many as `FAULT_SECONDS` says.
pub(super) fn fault_time() -> Duration {
    let seconds = std::env::var("FAULT_SECONDS").ok();
    seconds.map_or(Duration::from_millis(2500), |seconds| {
        Duration::from_secs_f64(seconds.parse().unwrap())
    })
}

/// What is asked of the service under a fault.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Clause {
    /// Users who were cached before are given.
    CachedGoOn,
    /// All users and lists are.
    ReadsGoOn,
    /// Reads and writes of every group are answered, be it by another replica.
    AllGoOn,
    /// Nobody notices anything.
    Unnoticed,
    /// Something is refused, or else the fault is none.
    Refuses,
    /// Each write is known to be done or not.
    Certain,
    /// Connections to the service may break, and do.
    Breaks,
}

/// What is asked of the service under a fault.
#[derive(Debug, Clone, Copy)]
pub(super) struct Promise {
    clauses: &'static [Clause],
    /// How much longer than its deadline an answer may take, since the service itself stands still.
    standstill: Duration,
}

impl Promise {
    /// The database cannot be used: what is cached is given, and the rest is refused.
    pub(super) const CACHED: Self = Self::of(&[Clause::CachedGoOn, Clause::Refuses]);
    /// The database cannot be used, and nothing is cached.
    pub(super) const REFUSED: Self = Self::of(&[Clause::Refuses]);
    /// Nobody notices.
    pub(super) const UNNOTICED: Self = Self::of(&[Clause::Unnoticed, Clause::AllGoOn]);
    /// Connections break, and those that are made anew are served.
    pub(super) const BROKEN: Self = Self::of(&[Clause::Breaks, Clause::Refuses, Clause::AllGoOn]);

    pub(super) const fn of(clauses: &'static [Clause]) -> Self {
        Self {
            clauses,
            standstill: Duration::ZERO,
        }
    }

    /// The same of a service that stands still itself for so long.
    pub(super) const fn with_standstill(self, standstill: Duration) -> Self {
        Self { standstill, ..self }
    }

    fn has(self, clause: Clause) -> bool {
        self.clauses.contains(&clause)
    }
}

/// Lets clients read and write before, during and after a fault, which is over when `fault` returns, and asserts what
/// clients may be answered, that all is well again soon, and that the database has what they were told.
pub(super) async fn tried(
    name: &str,
    uri: &str,
    workload: &Workload,
    promise: Promise,
    fault: impl AsyncFnOnce(),
) {
    let trouble = async {
        sleep(HEALTHY).await;
        let begin = Instant::now();
        workload.history.during(name, fault()).await;
        let mended = Instant::now();
        let is_well = until_well(workload, mended).await;
        sleep(HEALTHY).await;
        workload.end();
        (begin, mended, is_well)
    };
    let ((), (begin, mended, is_well)) = tokio::join!(workload.run(), trouble);
    let intents = workload.intents().clone();
    let differences = ledger::differences(uri, &intents, &workload.history).await;
    let trial = Trial {
        name,
        answers: workload.answers().clone(),
        begin,
        mended,
        seed: workload.seed,
    };
    trial.show();
    assert!(is_well, "{name}: not well after {RECOVERY:?}");
    trial.assert_answers(promise);
    assert!(
        differences.is_empty(),
        "{name}, seed {}: {} differences: {:#?}",
        trial.seed,
        differences.len(),
        &differences[..differences.len().min(10)]
    );
    let limits = Limits {
        // Tests beside this one take the cores for longer than the promised 50 ms.
        healthy: Duration::from_secs(1),
        failures: FailuresAllowed::Always,
        ..Limits::default()
    };
    workload.history.judge(&limits).assert_clean();
}

/// Waits until the newest reads and writes that only the database can answer have all been answered.
async fn until_well(workload: &Workload, mended: Instant) -> bool {
    while mended.elapsed() < RECOVERY {
        let is_well = {
            let answers = workload.answers();
            [true, false].iter().all(|writes| {
                let newest = answers
                    .iter()
                    .rev()
                    .filter(|answer| answer.begin > mended)
                    .filter(|answer| answer.kind.needs_the_database())
                    .filter(|answer| answer.kind.is_write() == *writes);
                let newest: Vec<&Answer> = newest.take(ENOUGH).collect();
                newest.len() == ENOUGH && newest.iter().all(|answer| answer.what.is_success())
            })
        };
        if is_well {
            return true;
        }
        sleep(Duration::from_millis(50)).await;
    }
    false
}

struct Trial<'a> {
    name: &'a str,
    answers: Vec<Answer>,
    begin: Instant,
    mended: Instant,
    seed: u64,
}

impl Trial<'_> {
    /// The answers to what was asked while the fault lasted.
    fn meanwhile(&self) -> impl Iterator<Item = &Answer> {
        let asked_then = |answer: &&Answer| (self.begin..self.mended).contains(&answer.begin);
        self.answers.iter().filter(asked_then)
    }

    /// How long after the mending the first of some requests begun since was answered, and the last one failed.
    fn recovery(&self, of: impl Fn(Kind) -> bool) -> (Duration, Duration) {
        let after = |answer: &Answer| answer.end.saturating_duration_since(self.mended);
        let these = || self.answers.iter().filter(|answer| of(answer.kind));
        let since = these().filter(|answer| answer.begin > self.mended);
        let first = since.filter(|answer| answer.what.is_success()).map(after);
        let last = these().filter(|answer| !answer.what.is_success());
        (
            first.min().unwrap_or_default(),
            last.map(after).max().unwrap_or_default(),
        )
    }

    #[expect(clippy::print_stdout, reason = "the figures of docs/reliability.md")]
    fn show(&self) {
        let lasted = (self.mended - self.begin).as_secs_f64();
        println!(
            "{}, {lasted:.1} s, seed {}, {} requests",
            self.name,
            self.seed,
            self.answers.len()
        );
        for (kind, tally) in tallied(self.meanwhile(), |kind| kind) {
            println!("  {kind:?}: {tally}");
        }
        let since_begin = |answer: &Answer| (answer.begin - self.begin).as_secs_f64();
        let refused = || {
            let cached = self.meanwhile().filter(|answer| answer.kind.is_cached());
            cached.filter(|answer| !answer.what.is_success())
        };
        if let (Some(first), Some(last)) = (refused().next(), refused().last()) {
            let [first, last] = [first, last].map(since_begin);
            println!("  cached reads failed from {first:.2} s to {last:.2} s after the beginning");
        }
        let row: Vec<String> = tallied(self.meanwhile(), group)
            .into_iter()
            .map(|(name, tally)| format!("{name}: {tally}"))
            .collect();
        let [reads, writes] = [Kind::Fresh, Kind::Change].map(|like| {
            let (first, last) = self
                .recovery(|kind| kind.needs_the_database() && kind.is_write() == like.is_write());
            let [first, last] = [first, last].map(|time| time.as_secs_f64());
            format!("first success after {first:.2} s, last failure after {last:.2} s")
        });
        println!(
            "  row | {} | {} | reads: {reads} | writes: {writes}",
            self.name,
            row.join(" | ")
        );
    }

    fn assert_answers(&self, promise: Promise) {
        let name = self.name;
        let seed = self.seed;
        for answer in &self.answers {
            match &answer.what {
                What::Wrong(what) => panic!("{name}, seed {seed}: {what}"),
                What::Broken(how) if !promise.has(Clause::Breaks) => panic!("{name}: {how}"),
                _ => {}
            }
            let limit = answer.kind.deadline() + SLACK + promise.standstill;
            let took = answer.took();
            assert!(took <= limit, "{name}: {:?} took {took:?}", answer.kind);
        }
        let by_kind = tallied(self.answers.iter(), |kind| kind);
        assert!(
            by_kind.len() == 8 && by_kind.values().all(|tally| tally.done > 0),
            "{name}: too little was asked: {by_kind:?}"
        );
        let meanwhile = tallied(self.meanwhile(), |kind| kind);
        if promise.has(Clause::Refuses) {
            let (_, refused) = counted(&meanwhile, Kind::needs_the_database);
            assert!(refused > 0, "{name}: the fault is none");
        }
        let groups = tallied(self.meanwhile(), group);
        let answered = groups.values().filter(|tally| tally.done > 0).count();
        assert!(
            answered == 4 || !promise.has(Clause::AllGoOn),
            "{name}: something came to a halt: {groups:?}"
        );
        let hardly_any = |what: &str, noise: usize, (all, failed): (usize, usize)| {
            let noise = all / noise;
            assert!(failed <= noise, "{name}: {failed} of {all} {what} failed");
        };
        if promise.has(Clause::CachedGoOn) {
            hardly_any(
                "cached reads",
                NOISE_OF_CACHED,
                counted(&meanwhile, Kind::is_cached),
            );
        }
        if promise.has(Clause::ReadsGoOn) {
            hardly_any("reads", NOISE, counted(&meanwhile, |kind| !kind.is_write()));
        }
        if promise.has(Clause::Unnoticed) {
            hardly_any("requests", NOISE, counted(&by_kind, |_| true));
        }
        if promise.has(Clause::Certain) {
            let unknown: usize = by_kind.values().map(|tally| tally.unknown).sum();
            assert_eq!(unknown, 0, "{name}: what became of a write was not told");
        }
    }
}

/// How many requests of some kinds there were, and how many of them failed.
fn counted(tallies: &BTreeMap<Kind, Tally>, of: impl Fn(Kind) -> bool) -> (usize, usize) {
    let those = tallies.iter().filter(|(kind, _)| of(**kind));
    those.fold((0, 0), |(all, failed), (_, tally)| {
        let failures = tally.failures();
        (all + tally.done + failures, failed + failures)
    })
}

/// The group of a kind in the table of docs/reliability.md.
fn group(kind: Kind) -> &'static str {
    match kind {
        Kind::Cached | Kind::Own | Kind::Batch => "cached reads",
        Kind::Changing => "other reads",
        Kind::Fresh | Kind::List => "reads past the cache",
        Kind::Create | Kind::Change => "writes",
    }
}
