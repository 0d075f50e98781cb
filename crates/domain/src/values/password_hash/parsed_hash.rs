//! The content of a hash: algorithm, parameters, salt and output.

use secrecy::{ExposeSecret, SecretSlice};

/// The parsed content of a hash, with everything needed to verify a password.
#[derive(Debug)]
pub struct ParsedHash {
    algorithm: HashAlgorithm,
    salt: SecretSlice<u8>,
    output: SecretSlice<u8>,
}

/// An algorithm with parameters in their valid ranges.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HashAlgorithm {
    /// Argon2 (RFC 9106).
    Argon2(Argon2),
    /// bcrypt, which uses at most the first 72 bytes.
    Bcrypt {
        /// The binary logarithm of the number of rounds, 4 to 31.
        cost: u32,
    },
    /// scrypt (RFC 7914).
    Scrypt {
        /// The binary logarithm of N.
        log_n: u8,
        /// The block size in units of 128 bytes.
        r: u32,
        /// The parallelization parameter.
        p: u32,
    },
    /// PBKDF2 with HMAC (RFC 8018).
    Pbkdf2 {
        /// The hash function of the HMAC.
        digest: Pbkdf2Digest,
        /// The iterations, at least 1000.
        iterations: u32,
    },
}

/// The parameters of Argon2.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Argon2 {
    /// The memory access pattern.
    pub variant: Argon2Variant,
    /// The version of the algorithm.
    pub version: Argon2Version,
    /// The memory, at least 8 KiB per lane.
    pub memory_kib: u32,
    /// The passes over the memory, at least one.
    pub iterations: u32,
    /// The lanes, at least one.
    pub parallelism: u32,
}

/// The memory access pattern of Argon2.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Argon2Variant {
    /// Depends on the password.
    D,
    /// Independent of the password.
    I,
    /// Independent of the password in the first half pass, then dependent.
    Id,
}

/// A version of Argon2.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Argon2Version {
    /// 1.0, the version of hashes that do not state one.
    V16,
    /// 1.3, the current version.
    V19,
}

/// The hash function of PBKDF2's HMAC.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pbkdf2Digest {
    /// SHA-256.
    Sha256,
    /// SHA-512.
    Sha512,
}

/// The maximum memory of one hash, in KiB.
const MAX_MEMORY_KIB: u32 = 256 * 1024;
/// The maximum of Argon2's memory in KiB times iterations.
const MAX_ARGON2_WORK: u64 = 1280 * 1024;
/// The maximum bcrypt cost.
const MAX_BCRYPT_COST: u32 = 14;
/// The maximum of scrypt's N times r times p. It also bounds the memory, which is 128 times N times r bytes.
const MAX_SCRYPT_WORK: u64 = 1 << 21;
/// The maximum number of PBKDF2 iterations over all output blocks.
const MAX_PBKDF2_WORK: u64 = 2_000_000;

impl ParsedHash {
    /// Creates a parsed hash.
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

    /// The salt. It is secret, because it would identify the hash.
    pub fn expose_salt(&self) -> &[u8] {
        self.salt.expose_secret()
    }

    /// The secret output for the right password.
    pub fn expose_output(&self) -> &[u8] {
        self.output.expose_secret()
    }

    /// Whether a verification takes at most about one second and 256 MiB.
    pub(super) fn is_within_cost_limits(&self) -> bool {
        match self.algorithm {
            HashAlgorithm::Argon2(argon2) => {
                argon2.memory_kib <= MAX_MEMORY_KIB
                    && u64::from(argon2.memory_kib) * u64::from(argon2.iterations)
                        <= MAX_ARGON2_WORK
            }
            HashAlgorithm::Bcrypt { cost } => cost <= MAX_BCRYPT_COST,
            HashAlgorithm::Scrypt { log_n, r, p } => 2_u64
                .checked_pow(log_n.into())
                .and_then(|n| n.checked_mul(u64::from(r) * u64::from(p)))
                .is_some_and(|work| work <= MAX_SCRYPT_WORK),
            HashAlgorithm::Pbkdf2 { digest, iterations } => {
                let blocks = self.expose_output().len().div_ceil(digest.bytes());
                u64::try_from(blocks)
                    .is_ok_and(|blocks| blocks.saturating_mul(iterations.into()) <= MAX_PBKDF2_WORK)
            }
        }
    }
}

impl HashAlgorithm {
    /// The name as in the text formats: `argon2id`, `bcrypt`, `scrypt`, `pbkdf2-sha256` …
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
    /// The name in the PHC format.
    pub fn name(self) -> &'static str {
        match self {
            Self::D => "argon2d",
            Self::I => "argon2i",
            Self::Id => "argon2id",
        }
    }
}

impl Argon2Version {
    /// The number in the PHC format.
    pub fn number(self) -> u32 {
        match self {
            Self::V16 => 16,
            Self::V19 => 19,
        }
    }
}

impl Pbkdf2Digest {
    /// The output block size in bytes.
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
