//! Password hashing with Argon2id, and verification with the algorithms of other platforms.

use std::io;
use std::num::NonZeroUsize;
use std::thread;
use std::time::Duration;

use async_trait::async_trait;
use user_domain::Violation;
use user_domain::ports::{HashingError, PasswordHasher, Verdict};
use user_domain::values::{
    Argon2, Argon2Variant, Argon2Version, HashAlgorithm, ParsedHash, PasswordHash, PasswordOrigin,
    PreparedPassword, StoredPassword, SubmittedPassword,
};

mod compute;
mod meters;
mod thread_pool;

pub use meters::{HASHING_DURATION, HASHING_DURATION_BUCKETS, describe_metrics};

use compute::derive;
use meters::{Meters, Operation};
use thread_pool::ThreadPool;

const MAX_QUEUE_WAIT: Duration = Duration::from_secs(1);
/// The number of passwords that may wait for each thread.
const QUEUE_PER_THREAD: usize = 32;
const SALT_BYTES: usize = 16;
const OUTPUT_BYTES: usize = 32;

/// The parameters of new hashes, and the concurrency.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HashingOptions {
    /// The memory of Argon2id, at least 8 KiB a lane.
    pub memory_kib: u32,
    /// The passes of Argon2id over its memory.
    pub iterations: u32,
    /// The lanes of Argon2id. One thread computes them one after the other.
    pub parallelism: u32,
    /// The number of threads, which is the maximum number of concurrent hashes.
    pub threads: NonZeroUsize,
    /// The number of passwords that may wait. Further ones are refused at once.
    pub queue: usize,
    /// The longest time that a password waits for a thread.
    pub max_queue_wait: Duration,
}

/// Why the pool could not be started.
#[derive(Debug, thiserror::Error)]
pub enum HashingPoolError {
    /// Argon2 does not accept the parameters.
    #[error("Argon2 does not accept its parameters: {0}")]
    Parameters(argon2::Error),
    /// A thread could not be started.
    #[error("a thread for hashing cannot be started: {0}")]
    Thread(#[from] io::Error),
}

/// Hashes and verifies passwords on dedicated threads with a lower priority.
///
/// The memory of a hash is allocated for it and freed afterwards. Reused buffers would hold the memory of the peak load
/// for ever, and the allocation is a small part of the time.
pub struct HashingPool {
    current: Argon2,
    threads: ThreadPool,
    meters: Meters,
}

impl HashingOptions {
    /// Creates options for Argon2id with these parameters. `None` threads means half of the cores.
    pub fn new(
        memory_kib: u32,
        iterations: u32,
        parallelism: u32,
        threads: Option<NonZeroUsize>,
    ) -> Self {
        let threads = threads.unwrap_or_else(half_of_the_cores);
        Self {
            memory_kib,
            iterations,
            parallelism,
            threads,
            queue: threads.get().saturating_mul(QUEUE_PER_THREAD),
            max_queue_wait: MAX_QUEUE_WAIT,
        }
    }
}

impl Default for HashingOptions {
    /// The parameters that OWASP recommends, on half of the cores.
    fn default() -> Self {
        Self::new(19 * 1024, 2, 1, None)
    }
}

fn half_of_the_cores() -> NonZeroUsize {
    let cores = thread::available_parallelism().map_or(1, NonZeroUsize::get);
    NonZeroUsize::new(cores / 2).unwrap_or(NonZeroUsize::MIN)
}

impl HashingPool {
    /// Starts the threads. After the pool is dropped, each ends once its current hash is finished.
    ///
    /// # Errors
    /// If the parameters are out of the bounds of Argon2, or a thread cannot be started.
    pub fn start(options: &HashingOptions) -> Result<Self, HashingPoolError> {
        let current = Argon2 {
            variant: Argon2Variant::Id,
            version: Argon2Version::V19,
            memory_kib: options.memory_kib,
            iterations: options.iterations,
            parallelism: options.parallelism,
        };
        compute::argon2(current).map_err(HashingPoolError::Parameters)?;
        let meters = Meters::default();
        let threads = ThreadPool::start(
            options.threads.get(),
            options.queue,
            options.max_queue_wait,
            meters.queue.clone(),
        )?;
        Ok(Self {
            current,
            threads,
            meters,
        })
    }

    /// Returns a hash that no password matches, with the current parameters. It is verified for accounts
    /// without a password, so that the response takes the same time.
    pub fn dummy_hash(&self) -> StoredPassword {
        StoredPassword {
            hash: PasswordHash::of_argon2(self.current, &[0; SALT_BYTES], &[0; OUTPUT_BYTES]),
            origin: PasswordOrigin::Own,
        }
    }

    /// Runs a job on the pool, and counts refused ones.
    async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> Result<T, HashingError> + Send + 'static,
    ) -> Result<T, HashingError> {
        let outcome = self.threads.run(work).await.and_then(|done| done);
        if outcome
            .as_ref()
            .is_err_and(|error| *error == HashingError::Busy)
        {
            self.meters.refused.increment(1);
        }
        outcome
    }

    fn is_outdated(&self, parsed: &ParsedHash, origin: PasswordOrigin) -> bool {
        origin != PasswordOrigin::Own
            || parsed.algorithm() != HashAlgorithm::Argon2(self.current)
            || parsed.expose_salt().len() != SALT_BYTES
            || parsed.expose_output().len() != OUTPUT_BYTES
    }
}

#[async_trait]
impl PasswordHasher for HashingPool {
    async fn hash(&self, password: PreparedPassword) -> Result<PasswordHash, HashingError> {
        let current = self.current;
        self.run(move || {
            let mut salt = [0; SALT_BYTES];
            getrandom::fill(&mut salt)
                .map_err(|cause| HashingError::Internal(format!("no randomness: {cause}")))?;
            let mut output = [0; OUTPUT_BYTES];
            let algorithm = HashAlgorithm::Argon2(current);
            meters::timed(Operation::Hash, algorithm, || {
                derive(algorithm, password.expose().as_bytes(), &salt, &mut output)
            })?;
            Ok(PasswordHash::of_argon2(current, &salt, &output))
        })
        .await
    }

    async fn verify(
        &self,
        password: SubmittedPassword,
        stored: StoredPassword,
    ) -> Result<Verdict, HashingError> {
        let parsed = stored
            .hash
            .parsed()
            .map_err(|refused| unreadable(&refused))?;
        let is_outdated = self.is_outdated(&parsed, stored.origin);
        let matches = self
            .run(move || {
                meters::timed(Operation::Verify, parsed.algorithm(), || {
                    matches(&password, &parsed, stored.origin)
                })
            })
            .await?;
        Ok(Verdict {
            matches,
            is_outdated,
        })
    }
}

/// Whether a password matches a hash. The time taken does not depend on the result.
fn matches(
    password: &SubmittedPassword,
    parsed: &ParsedHash,
    origin: PasswordOrigin,
) -> Result<bool, HashingError> {
    let prepared = match origin {
        PasswordOrigin::Own => password.prepared(),
        PasswordOrigin::Given | PasswordOrigin::Imported => None,
    };
    // A password without a prepared form cannot match a hash of this service. It is verified anyway, to take the same
    // time.
    let is_possible = prepared.is_some() || origin != PasswordOrigin::Own;
    let text = prepared
        .as_ref()
        .map_or_else(|| password.expose(), PreparedPassword::expose);
    let equal = compute::verify(parsed, text.as_bytes())?;
    Ok(equal && is_possible)
}

fn unreadable(violation: &Violation) -> HashingError {
    HashingError::Internal(format!(
        "a stored hash cannot be read: {}",
        violation.code()
    ))
}

#[cfg(test)]
mod tests;
