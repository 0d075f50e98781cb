//! Hashes of passwords: made by Argon2id, compared by any algorithm that other platforms use.

use std::io;
use std::num::NonZeroUsize;
use std::thread;
use std::time::Duration;

use async_trait::async_trait;
use user_domain::Violation;
use user_domain::ports::{HashingError, PasswordHasher, Verdict};
use user_domain::values::{
    Argon2, Argon2Variant, Argon2Version, HashAlgorithm, HashScheme, PasswordHash, PasswordOrigin,
    PreparedPassword, StoredPassword, TypedPassword,
};

mod compute;
mod meters;
mod threads;

pub use meters::{HASHING_DURATION, HASHING_DURATION_BUCKETS, describe_metrics};

use compute::derive;
use meters::{Meters, Operation};
use threads::Threads;

/// The longest that a password waits for its turn.
const PATIENCE: Duration = Duration::from_secs(1);
/// As many passwords may wait, for each thread.
const QUEUE_PER_THREAD: usize = 32;
const SALT_BYTES: usize = 16;
const OUTPUT_BYTES: usize = 32;

/// How passwords are hashed from now on, and by how many at a time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HashingOptions {
    /// The memory of Argon2id, at least 8 KiB a lane.
    pub memory_kib: u32,
    /// The passes of Argon2id over its memory.
    pub iterations: u32,
    /// The lanes of Argon2id. They are done one after the other.
    pub parallelism: u32,
    /// The threads, and so the passwords that are hashed at a time.
    pub threads: NonZeroUsize,
    /// The passwords that may wait; the next is refused at once.
    pub queue: usize,
}

/// Why there is no pool.
#[derive(Debug, thiserror::Error)]
pub enum HashingPoolError {
    /// Argon2 does not know such parameters.
    #[error("the parameters of Argon2 are out of its bounds: {0}")]
    Parameters(argon2::Error),
    /// A thread could not be started.
    #[error("a thread for hashing cannot be started: {0}")]
    Thread(#[from] io::Error),
}

/// Hashes and compares passwords on threads of its own, which give way to all others.
///
/// A hash has its memory while it is made, and gives it back: memory that is kept would be held for the busiest moment,
/// and getting it anew is a small part of the time.
pub struct HashingPool {
    today: Argon2,
    threads: Threads,
    meters: Meters,
}

impl HashingOptions {
    /// Argon2id by these parameters, on so many threads; `None` is half of the cores.
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
        }
    }
}

impl Default for HashingOptions {
    /// What OWASP recommends, on half of the cores.
    fn default() -> Self {
        Self::new(19 * 1024, 2, 1, None)
    }
}

fn half_of_the_cores() -> NonZeroUsize {
    let cores = thread::available_parallelism().map_or(1, NonZeroUsize::get);
    NonZeroUsize::new(cores / 2).unwrap_or(NonZeroUsize::MIN)
}

impl HashingPool {
    /// Starts the threads. They end when the pool is dropped, each with the hash that it is at.
    ///
    /// # Errors
    /// When the parameters are none of Argon2's, or a thread cannot be started.
    pub fn start(options: &HashingOptions) -> Result<Self, HashingPoolError> {
        let today = Argon2 {
            variant: Argon2Variant::Id,
            version: Argon2Version::V19,
            memory_kib: options.memory_kib,
            iterations: options.iterations,
            parallelism: options.parallelism,
        };
        compute::argon2(today).map_err(HashingPoolError::Parameters)?;
        let meters = Meters::default();
        let threads = Threads::start(
            options.threads.get(),
            options.queue,
            PATIENCE,
            meters.queue.clone(),
        )?;
        Ok(Self {
            today,
            threads,
            meters,
        })
    }

    /// Gives what a password is compared with where there is nothing else: a hash that takes as long as one of today, and
    /// that nobody has a password for.
    pub fn stand_in(&self) -> StoredPassword {
        StoredPassword {
            hash: PasswordHash::of_argon2(self.today, &[0; SALT_BYTES], &[0; OUTPUT_BYTES]),
            origin: PasswordOrigin::Own,
        }
    }

    /// Has something done by one of the threads, and counts whom none of them has time for.
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

    fn is_outdated(&self, scheme: &HashScheme, origin: PasswordOrigin) -> bool {
        origin != PasswordOrigin::Own
            || scheme.algorithm() != HashAlgorithm::Argon2(self.today)
            || scheme.expose_salt().len() != SALT_BYTES
            || scheme.expose_output().len() != OUTPUT_BYTES
    }
}

#[async_trait]
impl PasswordHasher for HashingPool {
    async fn hash(&self, password: PreparedPassword) -> Result<PasswordHash, HashingError> {
        let today = self.today;
        self.run(move || {
            let mut salt = [0; SALT_BYTES];
            getrandom::fill(&mut salt)
                .map_err(|cause| HashingError::Internal(format!("no randomness: {cause}")))?;
            let mut output = [0; OUTPUT_BYTES];
            let algorithm = HashAlgorithm::Argon2(today);
            meters::timed(Operation::Hash, algorithm, || {
                derive(algorithm, password.expose().as_bytes(), &salt, &mut output)
            })?;
            Ok(PasswordHash::of_argon2(today, &salt, &output))
        })
        .await
    }

    async fn verify(
        &self,
        password: TypedPassword,
        stored: StoredPassword,
    ) -> Result<Verdict, HashingError> {
        let scheme = stored
            .hash
            .scheme()
            .map_err(|refused| unreadable(&refused))?;
        let is_outdated = self.is_outdated(&scheme, stored.origin);
        let matches = self
            .run(move || {
                meters::timed(Operation::Verify, scheme.algorithm(), || {
                    matches(&password, &scheme, stored.origin)
                })
            })
            .await?;
        Ok(Verdict {
            matches,
            is_outdated,
        })
    }
}

/// Compares in a time that tells nothing of either side.
fn matches(
    password: &TypedPassword,
    scheme: &HashScheme,
    origin: PasswordOrigin,
) -> Result<bool, HashingError> {
    let prepared = match origin {
        PasswordOrigin::Own => password.prepared(),
        PasswordOrigin::Given | PasswordOrigin::Imported => None,
    };
    // What cannot be prepared is no password of ours, yet the same work is done.
    let is_possible = prepared.is_some() || origin != PasswordOrigin::Own;
    let text = prepared
        .as_ref()
        .map_or_else(|| password.expose(), PreparedPassword::expose);
    let equal = compute::verify(scheme, text.as_bytes())?;
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
