//! `events tail`

use std::fs;
use std::io::{self, Read as _, Write as _};
use std::net::SocketAddr;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use backon::{BackoffBuilder as _, ExponentialBuilder};
use secrecy::SecretString;
use tokio::sync::oneshot;
use tokio::time::sleep;

use super::feed::{Feed, FeedFailure, Page};
use crate::cli::{CommandOutcome, TailArguments};
use crate::commands::{fail, load_sections, print_message};
use crate::settings::{Section, Settings};
use crate::signals::Signals;

/// The pauses while the service does not answer. They end only with the command.
const BACKOFF: ExponentialBuilder = ExponentialBuilder::new()
    .with_min_delay(Duration::from_millis(200))
    .with_max_delay(Duration::from_secs(10))
    .without_max_times();
/// The pause after an early answer without an event.
const EARLY_PAUSE: Duration = Duration::from_secs(1);
/// How long a signal waits for a page that is being written. It takes longer only if the output is not read.
const WRITE_GRACE: Duration = Duration::from_secs(1);
const WRITE_CHECKS: Duration = Duration::from_millis(10);
const MAX_TOKEN_BYTES: u64 = 4096;

/// How far the events have been written.
struct Progress {
    /// The position after the last page that was written; none before the oldest event.
    cursor: Mutex<Option<String>>,
    /// Locked while a page is written, so that a signal does not end the command within a page.
    writing: Mutex<()>,
}

impl Progress {
    fn cursor(&self) -> MutexGuard<'_, Option<String>> {
        self.cursor.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Writes the events of a page at once, and moves the position.
    fn write(&self, page: Page) -> io::Result<()> {
        let mut lines = String::new();
        for event in &page.events {
            lines.push_str(&event.to_string());
            lines.push('\n');
        }
        let _writing = self.writing.lock();
        let mut out = io::stdout().lock();
        out.write_all(lines.as_bytes())?;
        out.flush()?;
        *self.cursor() = Some(page.cursor);
        Ok(())
    }

    /// Prevents further writes, and waits for the end of one in progress. A write that is stuck is abandoned.
    async fn stop(&self) {
        for _ in 0..WRITE_GRACE.as_millis() / WRITE_CHECKS.as_millis() {
            if let Ok(writing) = self.writing.try_lock() {
                // The process ends, and must not write until then.
                std::mem::forget(writing);
                return;
            }
            sleep(WRITE_CHECKS).await;
        }
    }

    fn print(&self) {
        let cursor = self.cursor();
        let cursor = cursor.as_deref().unwrap_or("oldest");
        print_message(format_args!("continue with --from {cursor}"));
    }
}

pub(crate) async fn run(arguments: &TailArguments) -> CommandOutcome {
    let settings = match load_sections(&[Section::Server]) {
        Ok(settings) => settings,
        Err(outcome) => return outcome,
    };
    let (feed, mut signals) = match prepare(arguments, &settings) {
        Ok(prepared) => prepared,
        Err(error) => return fail(&error),
    };
    let start = (arguments.from != "oldest").then(|| arguments.from.clone());
    let progress = Arc::new(Progress {
        cursor: Mutex::new(start),
        writing: Mutex::default(),
    });
    let (ended, end) = oneshot::channel();
    // Not a task: the end of the process must not wait for a write that is stuck.
    thread::spawn({
        let progress = progress.clone();
        move || ended.send(follow(&feed, &progress))
    });
    tokio::select! {
        outcome = end => outcome.unwrap_or(CommandOutcome::Failure),
        () = signals.next() => {
            progress.stop().await;
            progress.print();
            CommandOutcome::Success
        }
    }
}

fn prepare(
    arguments: &TailArguments,
    settings: &Settings,
) -> Result<(Feed, Signals), Box<dyn std::error::Error>> {
    let token = read_token(&arguments.token_file)
        .map_err(|error| format!("cannot read the token: {error}"))?;
    let types = arguments.types.join(",");
    let mut filters = Vec::new();
    if !types.is_empty() {
        filters.push(("types", types.as_str()));
    }
    filters.extend(arguments.subject.as_deref().map(|id| ("subject", id)));
    filters.extend(arguments.include.as_deref().map(|what| ("include", what)));
    let base = arguments.url.clone().unwrap_or_else(|| local_url(settings));
    Ok((Feed::new(&base, &token, &filters)?, Signals::listen()?))
}

fn read_token(path: &Path) -> io::Result<SecretString> {
    let mut token = String::new();
    if path == Path::new("-") {
        io::stdin()
            .take(MAX_TOKEN_BYTES)
            .read_to_string(&mut token)?;
    } else {
        let file = fs::File::open(path)?;
        file.take(MAX_TOKEN_BYTES).read_to_string(&mut token)?;
    }
    let token = token.trim();
    let is_sendable = token.bytes().all(|byte| byte.is_ascii_graphic());
    if token.is_empty() || !is_sendable {
        let reason = "the file must contain one token";
        return Err(io::Error::new(io::ErrorKind::InvalidData, reason));
    }
    Ok(token.into())
}

/// Returns the address of the service on this machine.
fn local_url(settings: &Settings) -> String {
    let server = &settings.server;
    format!(
        "http://{}",
        SocketAddr::new(server.local_host(), server.port)
    )
}

/// Prints events until the service refuses a request or the output ends.
fn follow(feed: &Feed, progress: &Progress) -> CommandOutcome {
    let mut pauses = BACKOFF.build();
    loop {
        let cursor = progress.cursor().clone();
        match feed.page(cursor.as_deref()) {
            Ok(page) => {
                pauses = BACKOFF.build();
                let is_early = page.is_early && cursor.as_deref() != Some("now");
                if let Err(error) = progress.write(page) {
                    if error.kind() == io::ErrorKind::BrokenPipe {
                        return CommandOutcome::Success;
                    }
                    progress.print();
                    return fail(&format_args!("cannot write the events: {error}"));
                }
                if is_early {
                    thread::sleep(EARLY_PAUSE);
                }
            }
            Err(FeedFailure::Temporary { cause, retry_after }) => {
                let pause = pauses.next().unwrap_or_default();
                let pause = retry_after.map_or(pause, |least| least.max(pause));
                print_message(format_args!(
                    "user-service: {cause}; next attempt in {:.1} s",
                    pause.as_secs_f64()
                ));
                thread::sleep(pause);
            }
            Err(FeedFailure::Refused {
                cause,
                is_cursor_gone,
            }) => {
                if is_cursor_gone {
                    print_message(
                        "events are missing: --from now starts after them; read all users again to replace them",
                    );
                    let cursor = cursor.unwrap_or_default();
                    print_message(format_args!("the last position was {cursor}"));
                } else {
                    progress.print();
                }
                return fail(&cause);
            }
        }
    }
}
