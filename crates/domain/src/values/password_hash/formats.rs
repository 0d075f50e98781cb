//! Parsers of hash formats. Each parses the text after its prefix and returns `None` for any other format.
//!
//! To add a format:
//! 1. Add its prefix and its parser to [`FORMATS`]. A new algorithm also needs a [`HashAlgorithm`] with its limits
//!    (`parsed_hash.rs`) and its computation (`crates/adapters/src/passwords/compute.rs`).
//! 2. Add a hash that the original library made to `tests.rs` and to `tests/data/password_hashes.json`, with which a test
//!    logs in.
//! 3. Name the format in `docs/operating.md` and in `CHANGELOG.md`.

use base64::Engine as _;
use base64::alphabet::{BCRYPT, STANDARD};
use base64::engine::general_purpose::{GeneralPurpose, GeneralPurposeConfig, NO_PAD};

use super::parsed_hash::{
    Argon2, Argon2Variant, Argon2Version, HashAlgorithm, ParsedHash, Pbkdf2Digest,
};
use crate::Violation;

/// The length of a hash output in bytes, as in the PHC format. Shorter outputs could be guessed.
const OUTPUT_BYTES: std::ops::RangeInclusive<usize> = 10..=64;
/// The minimum length of an Argon2 salt in bytes (RFC 9106).
const MIN_ARGON2_SALT_BYTES: usize = 8;
/// The minimum number of PBKDF2 iterations (RFC 8018).
const MIN_PBKDF2_ITERATIONS: u32 = 1000;
/// The exclusive maximum of scrypt's r times p (RFC 7914).
const MAX_SCRYPT_BLOCKS: u64 = 1 << 30;
/// The base-64 alphabet of crypt.
const CRYPT_ALPHABET: &str = "./0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

const BASE64: GeneralPurpose = GeneralPurpose::new(&STANDARD, NO_PAD);
/// The bcrypt salt ends within a character, and some programs do not clear the trailing bits.
const BCRYPT_BASE64: GeneralPurpose = GeneralPurpose::new(&BCRYPT, LENIENT);
const LENIENT: GeneralPurposeConfig = NO_PAD.with_decode_allow_trailing_bits(true);

type Parser = fn(&str) -> Option<ParsedHash>;

/// The prefix and parser of each format.
const FORMATS: [(&str, Parser); 13] = [
    ("$argon2id$", |rest| argon2(Argon2Variant::Id, rest)),
    ("$argon2i$", |rest| argon2(Argon2Variant::I, rest)),
    ("$argon2d$", |rest| argon2(Argon2Variant::D, rest)),
    ("$2a$", bcrypt),
    ("$2b$", bcrypt),
    ("$2y$", bcrypt),
    ("$scrypt$", scrypt),
    ("$7$", scrypt_of_crypt),
    ("scrypt:", scrypt_of_werkzeug),
    ("$pbkdf2-sha256$", |rest| pbkdf2(Pbkdf2Digest::Sha256, rest)),
    ("$pbkdf2-sha512$", |rest| pbkdf2(Pbkdf2Digest::Sha512, rest)),
    ("pbkdf2:sha256:", |rest| {
        pbkdf2_of_werkzeug(Pbkdf2Digest::Sha256, rest)
    }),
    ("pbkdf2:sha512:", |rest| {
        pbkdf2_of_werkzeug(Pbkdf2Digest::Sha512, rest)
    }),
];

/// Parses a hash in any supported format. Violations: `unknown_algorithm`, `format`.
pub(super) fn parse(text: &str) -> Result<ParsedHash, Violation> {
    let (rest, parser) = FORMATS
        .iter()
        .find_map(|(prefix, parser)| Some((text.strip_prefix(prefix)?, parser)))
        .ok_or_else(|| {
            Violation::new(
                "unknown_algorithm",
                "Must be a hash by argon2, bcrypt, scrypt or pbkdf2 with SHA-256 or SHA-512.",
            )
        })?;
    parser(rest).ok_or_else(|| {
        Violation::new(
            "format",
            "Must be a whole hash in the PHC or crypt form of its algorithm, or in Werkzeug's.",
        )
    })
}

/// `[v=19$]m=65536,t=3,p=4$salt$hash`
fn argon2(variant: Argon2Variant, rest: &str) -> Option<ParsedHash> {
    let (version, rest) = match rest.strip_prefix("v=") {
        None => (Argon2Version::V16, rest),
        Some(versioned) => match versioned.split_once('$')? {
            ("16", rest) => (Argon2Version::V16, rest),
            ("19", rest) => (Argon2Version::V19, rest),
            _ => return None,
        },
    };
    let [parameters, salt, output] = fields(rest, '$')?;
    let [memory, iterations, parallelism] = fields(parameters, ',')?;
    let memory_kib = number(memory.strip_prefix("m=")?)?;
    let iterations = number(iterations.strip_prefix("t=")?)?;
    let parallelism = number(parallelism.strip_prefix("p=")?)?;
    let salt = BASE64.decode(salt).ok()?;
    let is_valid = parallelism >= 1
        && memory_kib / 8 >= parallelism
        && iterations >= 1
        && salt.len() >= MIN_ARGON2_SALT_BYTES;
    let argon2 = Argon2 {
        variant,
        version,
        memory_kib,
        iterations,
        parallelism,
    };
    let output = BASE64.decode(output).ok()?;
    parsed(HashAlgorithm::Argon2(argon2), salt, output).filter(|_| is_valid)
}

/// `12$`, then 22 characters of salt and 31 of hash
fn bcrypt(rest: &str) -> Option<ParsedHash> {
    let [cost, both] = fields(rest, '$')?;
    if cost.len() != 2 || !cost.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let cost = cost.parse().ok().filter(|cost| (4..=31).contains(cost))?;
    let (salt, output) = both.split_at_checked(22)?;
    if output.len() != 31 {
        return None;
    }
    let salt = BCRYPT_BASE64.decode(salt).ok()?;
    let output = BCRYPT_BASE64.decode(output).ok()?;
    parsed(HashAlgorithm::Bcrypt { cost }, salt, output)
}

/// `ln=16,r=8,p=1$salt$hash`
fn scrypt(rest: &str) -> Option<ParsedHash> {
    let [parameters, salt, output] = fields(rest, '$')?;
    let [log_n, r, p] = fields(parameters, ',')?;
    let algorithm = scrypt_algorithm(
        number(log_n.strip_prefix("ln=")?)?,
        number(r.strip_prefix("r=")?)?,
        number(p.strip_prefix("p=")?)?,
    )?;
    let (salt, output) = (BASE64.decode(salt).ok()?, BASE64.decode(output).ok()?);
    parsed(algorithm, salt, output)
}

/// One character of log N, five each of r and p, the raw salt, and `$hash`
fn scrypt_of_crypt(rest: &str) -> Option<ParsedHash> {
    let [settings, output] = fields(rest, '$')?;
    let (log_n, settings) = settings.split_at_checked(1)?;
    let (r, settings) = settings.split_at_checked(5)?;
    let (p, salt) = settings.split_at_checked(5)?;
    let algorithm = scrypt_algorithm(decode_number(log_n)?, decode_number(r)?, decode_number(p)?)?;
    let output = decode_crypt(output)?;
    parsed(algorithm, salt.as_bytes().to_vec(), output)
}

/// `32768:8:1$salt$hex`, with a raw salt
fn scrypt_of_werkzeug(rest: &str) -> Option<ParsedHash> {
    let [parameters, salt, output] = fields(rest, '$')?;
    let [n, r, p] = fields(parameters, ':')?;
    let n = number(n)?;
    if !n.is_power_of_two() {
        return None;
    }
    let algorithm = scrypt_algorithm(n.ilog2(), number(r)?, number(p)?)?;
    parsed(algorithm, salt.as_bytes().to_vec(), hex(output)?)
}

/// `29000$salt$hash` as passlib writes it, or `i=600000[,l=32]$salt$hash`
fn pbkdf2(digest: Pbkdf2Digest, rest: &str) -> Option<ParsedHash> {
    let [parameters, salt, output] = fields(rest, '$')?;
    let decode = |text: &str| BASE64.decode(text.replace('.', "+")).ok();
    let (salt, output) = (decode(salt)?, decode(output)?);
    let iterations = match parameters.strip_prefix("i=") {
        None => parameters,
        Some(named) => match named.split_once(",l=") {
            None => named,
            Some((iterations, length)) if length == output.len().to_string() => iterations,
            Some(_) => return None,
        },
    };
    parsed(pbkdf2_algorithm(digest, iterations)?, salt, output)
}

/// `600000$salt$hex`, with a raw salt
fn pbkdf2_of_werkzeug(digest: Pbkdf2Digest, rest: &str) -> Option<ParsedHash> {
    let [iterations, salt, output] = fields(rest, '$')?;
    let algorithm = pbkdf2_algorithm(digest, iterations)?;
    parsed(algorithm, salt.as_bytes().to_vec(), hex(output)?)
}

fn scrypt_algorithm(log_n: u32, r: u32, p: u32) -> Option<HashAlgorithm> {
    let blocks = u64::from(r) * u64::from(p);
    let is_valid = (1..=31).contains(&log_n) && (1..MAX_SCRYPT_BLOCKS).contains(&blocks);
    let log_n = u8::try_from(log_n).ok()?;
    is_valid.then_some(HashAlgorithm::Scrypt { log_n, r, p })
}

fn pbkdf2_algorithm(digest: Pbkdf2Digest, iterations: &str) -> Option<HashAlgorithm> {
    let iterations =
        number(iterations).filter(|iterations| *iterations >= MIN_PBKDF2_ITERATIONS)?;
    Some(HashAlgorithm::Pbkdf2 { digest, iterations })
}

fn parsed(algorithm: HashAlgorithm, salt: Vec<u8>, output: Vec<u8>) -> Option<ParsedHash> {
    OUTPUT_BYTES
        .contains(&output.len())
        .then(|| ParsedHash::new(algorithm, salt, output))
}

/// Splits a text into exactly `N` fields.
fn fields<const N: usize>(text: &str, separator: char) -> Option<[&str; N]> {
    let fields: Vec<&str> = text.split(separator).collect();
    fields.try_into().ok()
}

/// Parses a decimal number without sign or leading zeros.
fn number(text: &str) -> Option<u32> {
    let is_plain = text.bytes().all(|byte| byte.is_ascii_digit())
        && (text.len() == 1 || !text.starts_with('0'));
    text.parse().ok().filter(|_| is_plain)
}

fn hex(text: &str) -> Option<Vec<u8>> {
    let digit = |byte: &u8| char::from(*byte).to_digit(16);
    let (pairs, []) = text.as_bytes().as_chunks::<2>() else {
        return None;
    };
    pairs
        .iter()
        .map(|[high, low]| u8::try_from(digit(high)? * 16 + digit(low)?).ok())
        .collect()
}

/// Decodes up to five characters of crypt's base 64 to a number, lowest six bits first.
fn decode_number(text: &str) -> Option<u32> {
    text.chars().rev().try_fold(0, |number, character| {
        let six = u32::try_from(CRYPT_ALPHABET.find(character)?).ok()?;
        Some(number << 6 | six)
    })
}

/// Decodes crypt's base 64 to bytes. Four characters are three bytes, lowest byte first.
fn decode_crypt(text: &str) -> Option<Vec<u8>> {
    let mut bytes = Vec::new();
    for four in text.as_bytes().chunks(4) {
        let whole = four.len() * 6 / 8;
        let number = decode_number(std::str::from_utf8(four).ok()?)?;
        bytes.extend(number.to_le_bytes().into_iter().take(whole));
    }
    Some(bytes)
}
