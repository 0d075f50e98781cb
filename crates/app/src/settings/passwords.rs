//! The settings of password hashing.

use std::num::NonZeroUsize;

use super::Read;
use super::reader::{Reader, number};

/// The minimum memory of a lane of Argon2.
const MIN_KIB_PER_LANE: u32 = 8;
/// Less memory causes a warning.
const MIN_MEMORY_WITHOUT_WARNING: u32 = 8192;

/// The parameters of Argon2id. They can change at any time: a password is hashed again when it is next entered
/// correctly.
#[derive(Clone, Debug)]
pub struct PasswordSettings {
    /// The memory of one hash in KiB (`ARGON2_MEMORY_KIB`).
    pub memory_kib: u32,
    /// The iterations (`ARGON2_ITERATIONS`).
    pub iterations: u32,
    /// The lanes (`ARGON2_PARALLELISM`).
    pub parallelism: u32,
    /// The number of threads that hash passwords (`PASSWORD_HASHING_THREADS`). `None`: half the number of cores.
    pub threads: Option<NonZeroUsize>,
}

impl PasswordSettings {
    pub(super) fn read(reader: &mut Reader) -> Read<Self> {
        let memory_kib = reader.number("ARGON2_MEMORY_KIB", 8..=262_144);
        let iterations = reader.number("ARGON2_ITERATIONS", 1..=16);
        let parallelism = reader.number("ARGON2_PARALLELISM", 1..=16);
        let threads = reader.optional("PASSWORD_HASHING_THREADS", |text| {
            number(text, &(1..=64)).map(NonZeroUsize::new)
        });
        let (memory_kib, parallelism) = (memory_kib?, parallelism?);
        if memory_kib < MIN_KIB_PER_LANE * parallelism {
            return Err(reader.report(
                "ARGON2_MEMORY_KIB",
                "must be at least 8 times ARGON2_PARALLELISM",
            ));
        }
        if memory_kib < MIN_MEMORY_WITHOUT_WARNING {
            reader.warn(
                "ARGON2_MEMORY_KIB",
                "is under 8192: passwords can be recovered quickly from stolen hashes",
            );
        }
        Ok(Self {
            memory_kib,
            iterations: iterations?,
            parallelism,
            threads: threads?.flatten(),
        })
    }
}
