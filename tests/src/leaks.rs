//! Searches the logs, traces and metrics of the service for secrets and personal data of the tests.
//!
//! In tests, the service logs at the finest level to a writer that keeps only lines with a known secret or personal
//! value. [`assert_none`] reports them when an app stops. `scripts/test` reports them from the file after the whole
//! suite.

use std::fs::OpenOptions;
use std::io::{self, Write};
use std::path::PathBuf;
use std::sync::{LazyLock, Mutex, Once, PoisonError};

use aho_corasick::AhoCorasick;
use tracing::Level;
use tracing_subscriber::filter::{EnvFilter, LevelFilter, Targets};
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::fmt::format::FmtSpan;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;
use tracing_subscriber::{Layer, Registry};

use crate::credentials::{API_TOKEN, JWT_SECRET};

/// Values that must not be logged: parts of email addresses, tokens, keys, passwords and phone numbers of the tests.
const PLANTED: [&str; 18] = [
    API_TOKEN,
    JWT_SECRET,
    "the-tests-next-secret",
    "the-tests-own-sealing-key",
    "planted-in-the-address",
    // An email address, unencoded and in a URL.
    "@example.org",
    "%40example.org",
    "example.org/ann.png",
    // The start of a signed token.
    "eyJ",
    // A password, and the start of hashes.
    "correct horse battery staple",
    "$argon2id$",
    // The start of a service token.
    "ust_0",
    "+4930123456",
    "Ann Lee",
    "Annie",
    "1990-02-28",
    "First line.",
    "postgres://",
];

/// Finds the values. In the tests, the services log some million lines.
static PLANTED_VALUES: LazyLock<AhoCorasick> = LazyLock::new(|| AhoCorasick::new(PLANTED).unwrap());

static FOUND: Mutex<Vec<String>> = Mutex::new(Vec::new());

/// Starts to capture the logs and traces of the service in this process. Release builds do not, since they measure
/// speed.
pub(crate) fn capture() {
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

/// Searches a text for the values, such as a scrape of all metrics.
pub fn check_text(what: &str, text: &str) {
    if !PLANTED_VALUES.is_match(text) {
        return;
    }
    for line in text.lines() {
        if let Some(found) = PLANTED_VALUES.find(line) {
            let planted = &line[found.range()];
            report(format!("{what} contains {planted}: {line}"));
        }
    }
}

/// Asserts that none of the values was logged or traced until now.
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

/// The file of all leaks, in the target folder. `scripts/test` reads it after the whole suite.
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

/// Searches every line and discards it.
struct Reader;

impl MakeWriter<'_> for Reader {
    type Writer = Self;

    fn make_writer(&self) -> Self {
        Self
    }
}

impl Write for Reader {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        if PLANTED_VALUES.is_match(line) {
            check_text("the log", &String::from_utf8_lossy(line));
        }
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
