//! The keys that the Auth Service publishes (JSON Web Key Set, RFC 7517): read at the start, followed from then on, and
//! kept when their source fails.
//!
//! A thread of its own reads them: every few minutes, and at once when a token names a key that is not known. The second
//! is rationed, for anybody can name keys. What a good document has no more is no longer believed: that is how an issuer
//! withdraws a key.

mod document;
mod ration;
mod refresh;
mod source;
#[cfg(test)]
mod tests;

use std::fmt;
use std::path::PathBuf;
use std::sync::mpsc::{self, Sender};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError, RwLock};
use std::time::{Duration, Instant};

use metrics::{Unit, describe_counter, describe_gauge};
use tokio::sync::{Semaphore, watch};
use tokio::time;
use user_domain::ports::Clock;

use super::jwt::{Keys, Token, Verdict};
use ration::Ration;
use refresh::{Refresher, Wake};
use source::Source;

/// How long a token waits for the key that it names: half of what a request may take, so that it is answered.
const PATIENCE: Duration = Duration::from_secs(1);
/// How many tokens may wait so at a time; the next are refused at once.
const MOST_WAITING: usize = 1024;

/// The attempts to read the keys, by outcome.
const REFRESHES: &str = "jwks_refreshes_total";
/// The keys that are believed.
const KEYS: &str = "jwks_keys";
/// When all sources were last read.
const LAST_SUCCESS: &str = "jwks_last_success_timestamp_seconds";

/// Where keys are published.
#[derive(Debug, Clone)]
pub struct JwksOptions {
    /// The address of a document.
    pub url: Option<String>,
    /// The certificates to believe of its server, as PEM; `None`: the machine's.
    pub ca_file: Option<PathBuf>,
    /// A file that holds a document.
    pub file: Option<PathBuf>,
    /// How often they are read.
    pub refresh: Duration,
}

/// The keys that the Auth Service publishes, as far as they are known.
pub struct Jwks {
    options: JwksOptions,
    kept: Arc<Kept>,
    waiting: Semaphore,
    wake: OnceLock<Sender<Wake>>,
    clock: Arc<dyn Clock>,
}

/// Follows the keys until it is dropped.
#[must_use = "keys are followed until this is dropped"]
pub struct FollowedKeys(Sender<Wake>);

/// What is to be said of a token whose key was not known at first.
pub(super) enum Later {
    /// What the newest keys say.
    Verdict(Verdict),
    /// Its key may be in a source that has not been read yet.
    NotYet,
}

/// What the thread that reads the keys and those who use them share.
#[derive(Default)]
struct Kept {
    keys: RwLock<Arc<Keys>>,
    progress: Mutex<Progress>,
    /// How many attempts have ended.
    ended: watch::Sender<u64>,
}

struct Progress {
    /// An attempt is under way, or asked for.
    running: bool,
    /// Each source has been read once.
    is_whole: bool,
    ration: Ration,
}

impl Jwks {
    /// Knows no key yet; [`Jwks::follow`] reads them.
    pub fn new(options: JwksOptions, clock: Arc<dyn Clock>) -> Self {
        Self {
            options,
            kept: Arc::default(),
            waiting: Semaphore::new(MOST_WAITING),
            wake: OnceLock::new(),
            clock,
        }
    }

    /// Reads the keys now and follows them, on a thread of its own; to be called once.
    ///
    /// # Errors
    /// When there can be no such thread.
    pub fn follow(&self) -> std::io::Result<FollowedKeys> {
        let (wake, wakes) = mpsc::channel();
        self.kept.progress().running = true;
        let refresher = Refresher::new(
            Source::all(&self.options),
            self.options.refresh,
            self.kept.clone(),
            self.clock.clone(),
        );
        std::thread::Builder::new()
            .name("jwks".to_owned())
            .spawn(move || refresher.run(&wakes))?;
        let wake = self.wake.get_or_init(|| wake).clone();
        Ok(FollowedKeys(wake))
    }

    /// The keys that are known now.
    pub(super) fn known(&self) -> Arc<Keys> {
        let keys = self.kept.keys.read();
        keys.unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Holds a token whose key was not known to keys that are read after this was called, if they come soon.
    pub(super) async fn check_later(&self, token: &Token<'_>) -> Later {
        let deadline = time::Instant::now() + PATIENCE;
        let Ok(_turn) = self.waiting.try_acquire() else {
            return self.without_the_key();
        };
        // An attempt that began before may have missed the key.
        for _ in 0..2 {
            let Some(attempt) = self.ask() else { break };
            let Attempt {
                before,
                mut ended,
                had_begun,
            } = attempt;
            let newer = ended.wait_for(|ended| *ended > before);
            if !matches!(time::timeout_at(deadline, newer).await, Ok(Ok(_))) {
                break;
            }
            match self.known().check(token) {
                Verdict::Unknown => {}
                verdict => return Later::Verdict(verdict),
            }
            if !had_begun {
                break;
            }
        }
        self.without_the_key()
    }

    fn without_the_key(&self) -> Later {
        if self.kept.progress().is_whole {
            Later::Verdict(Verdict::Unknown)
        } else {
            Later::NotYet
        }
    }

    /// Asks for an attempt, or joins the one that is under way; `None` where the ration is used up.
    fn ask(&self) -> Option<Attempt> {
        let mut progress = self.kept.progress();
        let attempt = Attempt {
            before: *self.kept.ended.borrow(),
            ended: self.kept.ended.subscribe(),
            had_begun: progress.running,
        };
        if !progress.running {
            if !progress.ration.take(Instant::now()) {
                return None;
            }
            self.wake.get()?.send(Wake::Refresh).ok()?;
            progress.running = true;
        }
        Some(attempt)
    }
}

/// An attempt to read the keys, as one who waits for it sees it.
struct Attempt {
    before: u64,
    ended: watch::Receiver<u64>,
    had_begun: bool,
}

impl Kept {
    fn progress(&self) -> MutexGuard<'_, Progress> {
        self.progress.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Default for Progress {
    fn default() -> Self {
        Self {
            running: false,
            is_whole: false,
            ration: Ration::new(Instant::now()),
        }
    }
}

impl Drop for FollowedKeys {
    fn drop(&mut self) {
        // A thread that has ended needs no telling.
        let _ = self.0.send(Wake::Stop);
    }
}

impl fmt::Debug for Jwks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Jwks({} keys)", self.known().0.len())
    }
}

/// Says what each figure is, for whoever reads them.
pub fn describe_metrics() {
    describe_counter!(
        REFRESHES,
        Unit::Count,
        "Attempts to read the keys of tokens, by outcome"
    );
    describe_gauge!(
        KEYS,
        Unit::Count,
        "Published keys of tokens that are believed"
    );
    describe_gauge!(
        LAST_SUCCESS,
        Unit::Seconds,
        "When the keys of tokens were last read from all their sources, in Unix time; 0 before the first"
    );
}
