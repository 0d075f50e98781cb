//! What the text form of a hash says: algorithm, parameters, salt, and what came of them.

use secrecy::{ExposeSecret, SecretSlice};

/// How a hash was made and what came of it: all that it takes to compare a password with it.
#[derive(Debug)]
pub struct HashScheme {
    algorithm: HashAlgorithm,
    salt: SecretSlice<u8>,
    output: SecretSlice<u8>,
}

/// An algorithm with its parameters, which are within its own bounds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HashAlgorithm {
    /// Argon2 (RFC 9106).
    Argon2(Argon2),
    /// bcrypt of the bytes, at most 72 of them.
    Bcrypt {
        /// The binary logarithm of the rounds, 4 to 31.
        cost: u32,
    },
    /// scrypt (RFC 7914).
    Scrypt {
        /// The binary logarithm of N.
        log_n: u8,
        /// The size of a block in 128 bytes.
        r: u32,
        /// How often it is done.
        p: u32,
    },
    /// PBKDF2 with HMAC (RFC 8018).
    Pbkdf2 {
        /// The hash of the HMAC.
        digest: Pbkdf2Digest,
        /// The iterations, at least 1000.
        iterations: u32,
    },
}

/// The parameters of Argon2.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Argon2 {
    /// How memory is walked through.
    pub variant: Argon2Variant,
    /// The version of the algorithm.
    pub version: Argon2Version,
    /// The memory, at least 8 KiB a lane.
    pub memory_kib: u32,
    /// The passes over the memory, at least one.
    pub iterations: u32,
    /// The lanes, at least one.
    pub parallelism: u32,
}

/// How Argon2 walks through its memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Argon2Variant {
    /// By the password.
    D,
    /// Without regard to the password.
    I,
    /// Without regard to the password in the first half pass.
    Id,
}

/// A version of Argon2.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Argon2Version {
    /// 1.0, which hashes without a version have.
    V16,
    /// 1.3, today's.
    V19,
}

/// The hash of PBKDF2's HMAC.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pbkdf2Digest {
    /// SHA-256.
    Sha256,
    /// SHA-512.
    Sha512,
}

/// The most memory that one hash may take, in KiB.
const MOST_MEMORY_KIB: u32 = 256 * 1024;
/// The most passes of Argon2 over a KiB.
const MOST_ARGON2_WORK: u64 = 1280 * 1024;
/// The most of bcrypt's cost.
const MOST_BCRYPT_COST: u32 = 14;
/// The most of scrypt's N times r times p. A block of N takes 128 r bytes, so it bounds the memory too.
const MOST_SCRYPT_WORK: u64 = 1 << 21;
/// The most iterations of PBKDF2, over all blocks of its output.
const MOST_PBKDF2_WORK: u64 = 2_000_000;

impl HashScheme {
    /// Puts a scheme together.
    pub(super) fn new(algorithm: HashAlgorithm, salt: Vec<u8>, output: Vec<u8>) -> Self {
        Self {
            algorithm,
            salt: salt.into(),
            output: output.into(),
        }
    }

    /// The algorithm with its parameters.
    pub fn algorithm(&self) -> HashAlgorithm {
        self.algorithm
    }

    /// The salt. Hashes are not to be told by it: it is a secret.
    pub fn expose_salt(&self) -> &[u8] {
        self.salt.expose_secret()
    }

    /// What comes of the right password. It is a secret.
    pub fn expose_output(&self) -> &[u8] {
        self.output.expose_secret()
    }

    /// Says whether a password is verified within about a second and 256 MiB.
    pub(super) fn is_affordable(&self) -> bool {
        match self.algorithm {
            HashAlgorithm::Argon2(argon2) => {
                argon2.memory_kib <= MOST_MEMORY_KIB
                    && u64::from(argon2.memory_kib) * u64::from(argon2.iterations)
                        <= MOST_ARGON2_WORK
            }
            HashAlgorithm::Bcrypt { cost } => cost <= MOST_BCRYPT_COST,
            HashAlgorithm::Scrypt { log_n, r, p } => 2_u64
                .checked_pow(log_n.into())
                .and_then(|n| n.checked_mul(u64::from(r) * u64::from(p)))
                .is_some_and(|work| work <= MOST_SCRYPT_WORK),
            HashAlgorithm::Pbkdf2 { digest, iterations } => {
                let blocks = self.expose_output().len().div_ceil(digest.bytes());
                u64::try_from(blocks).is_ok_and(|blocks| {
                    blocks.saturating_mul(iterations.into()) <= MOST_PBKDF2_WORK
                })
            }
        }
    }
}

impl HashAlgorithm {
    /// The name, as in the text forms: `argon2id`, `bcrypt`, `scrypt`, `pbkdf2-sha256` …
    pub fn name(self) -> &'static str {
        match self {
            Self::Argon2(argon2) => argon2.variant.name(),
            Self::Bcrypt { .. } => "bcrypt",
            Self::Scrypt { .. } => "scrypt",
            Self::Pbkdf2 { digest, .. } => digest.name(),
        }
    }
}

impl Argon2Variant {
    /// The name in the PHC form.
    pub fn name(self) -> &'static str {
        match self {
            Self::D => "argon2d",
            Self::I => "argon2i",
            Self::Id => "argon2id",
        }
    }
}

impl Argon2Version {
    /// The number in the PHC form.
    pub fn number(self) -> u32 {
        match self {
            Self::V16 => 16,
            Self::V19 => 19,
        }
    }
}

impl Pbkdf2Digest {
    /// The bytes of one block of output.
    pub fn bytes(self) -> usize {
        match self {
            Self::Sha256 => 32,
            Self::Sha512 => 64,
        }
    }

    fn name(self) -> &'static str {
        match self {
            Self::Sha256 => "pbkdf2-sha256",
            Self::Sha512 => "pbkdf2-sha512",
        }
    }
}
