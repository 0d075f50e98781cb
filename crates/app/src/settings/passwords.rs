//! How passwords are hashed.

use std::num::NonZeroUsize;

use super::Read;
use super::reader::{Reader, number};

/// What a lane of Argon2 needs at least.
const KIB_A_LANE: u32 = 8;
const LEAST_UNREMARKED_MEMORY: u32 = 8192;

/// How passwords are hashed: by Argon2id, with parameters that may change at any time. Whoever gives the right password
/// has it hashed by the new ones.
#[derive(Clone, Debug)]
pub struct PasswordSettings {
    /// The memory of one hash (`ARGON2_MEMORY_KIB`).
    pub memory_kib: u32,
    /// The passes over it (`ARGON2_ITERATIONS`).
    pub iterations: u32,
    /// The lanes it is parted into (`ARGON2_PARALLELISM`).
    pub parallelism: u32,
    /// The threads that hash (`PASSWORD_HASHING_THREADS`); `None` is half of the cores.
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
        if memory_kib < KIB_A_LANE * parallelism {
            return Err(reader.fault(
                "ARGON2_MEMORY_KIB",
                "must be at least 8 times ARGON2_PARALLELISM",
            ));
        }
        if memory_kib < LEAST_UNREMARKED_MEMORY {
            reader.warn(
                "ARGON2_MEMORY_KIB",
                "is under 8192: stolen hashes can be guessed fast",
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
