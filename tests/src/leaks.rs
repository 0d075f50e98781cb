//! Looks for what the tests have planted in all that the service logs, traces and counts while they run.
//!
//! The service in a test's process logs at its finest level into a reader that keeps no line but those that hold what no
//! line may. They are found by [`assert_none`], at the stop of each app, and by `scripts/test`, in the file, after the whole
//! suite.

use std::fs::OpenOptions;
use std::io::{self, Write};
use std::path::PathBuf;
use std::sync::{Mutex, Once, PoisonError};

use tracing::Level;
use tracing_subscriber::filter::{EnvFilter, LevelFilter, Targets};
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::fmt::format::FmtSpan;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;
use tracing_subscriber::{Layer, Registry};

use crate::app::{API_TOKEN, JWT_SECRET};

/// What the tests give their users, and what nobody else is to read: parts of addresses, tokens, keys, passwords and numbers.
const PLANTED: [&str; 18] = [
    API_TOKEN,
    JWT_SECRET,
    "the-tests-next-secret",
    "the-tests-own-sealing-key",
    "planted-in-the-address",
    // An address, as typed and in a URL.
    "@example.org",
    "%40example.org",
    "example.org/ann.png",
    // A signed token begins so.
    "eyJ",
    // A password, and what hashes begin with.
    "correct horse battery staple",
    "$argon2id$",
    // A token of a service begins so.
    "ust_0",
    "+4930123456",
    "Ann Lee",
    "Annie",
    "1990-02-28",
    "First line.",
    "postgres://",
];

static FOUND: Mutex<Vec<String>> = Mutex::new(Vec::new());

/// Listens to what the service in this process logs and traces, from now on; not where the service is measured.
pub(crate) fn watch() {
    static ONCE: Once = Once::new();
    if !cfg!(debug_assertions) {
        return;
    }
    ONCE.call_once(|| {
        let log = tracing_subscriber::fmt::layer()
            .with_writer(Reader)
            .with_filter(EnvFilter::new(user_service::telemetry::directives("trace")));
        let traces = tracing_subscriber::fmt::layer()
            .with_span_events(FmtSpan::CLOSE)
            .with_writer(Reader)
            .with_filter(Targets::new().with_target("traces", LevelFilter::from(Level::TRACE)));
        let _ = Registry::default().with(log).with(traces).try_init();
    });
}

/// Looks for what was planted in a text, such as a scrape of all metrics.
pub fn look_into(what: &str, text: &str) {
    for line in text.lines() {
        if let Some(planted) = PLANTED.iter().find(|planted| line.contains(*planted)) {
            report(format!("{what} tells {planted}: {line}"));
        }
    }
}

/// Holds all that was logged and traced until now to be free of what was planted.
#[track_caller]
pub fn assert_none() {
    let found = FOUND.lock().unwrap_or_else(PoisonError::into_inner);
    assert!(found.is_empty(), "{}", found.join("\n"));
}

fn report(line: String) {
    if let Ok(mut file) = OpenOptions::new().create(true).append(true).open(file()) {
        let _ = writeln!(file, "{line}");
    }
    let mut found = FOUND.lock().unwrap_or_else(PoisonError::into_inner);
    found.push(line);
}

/// Where leaks are kept for whoever looks after the whole suite: beside the program of the tests.
fn file() -> PathBuf {
    std::env::current_exe()
        .ok()
        .and_then(|program| {
            program
                .ancestors()
                .nth(3)
                .map(|target| target.join("leaks.log"))
        })
        .unwrap_or_else(|| PathBuf::from("leaks.log"))
}

/// Reads every line and keeps none.
struct Reader;

impl MakeWriter<'_> for Reader {
    type Writer = Self;

    fn make_writer(&self) -> Self {
        Self
    }
}

impl Write for Reader {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        look_into("the log", &String::from_utf8_lossy(line));
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
