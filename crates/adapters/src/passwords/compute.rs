//! The derivation of a hash with each algorithm.

use std::fmt::Display;

use argon2::{Algorithm, Params, Version};
use pbkdf2::pbkdf2_hmac_with_params;
use subtle::ConstantTimeEq;
use user_domain::ports::HashingError;
use user_domain::values::{
    Argon2, Argon2Variant, Argon2Version, HashAlgorithm, ParsedHash, Pbkdf2Digest,
};

/// The maximum number of bytes that bcrypt uses. Further bytes are ignored, as in the libraries that made the hashes.
const BCRYPT_MAX_KEY_BYTES: usize = 72;

/// Verifies a password. The comparison of the result takes constant time.
pub(super) fn verify(parsed: &ParsedHash, password: &[u8]) -> Result<bool, HashingError> {
    let mut output = vec![0; parsed.expose_output().len()];
    derive(
        parsed.algorithm(),
        password,
        parsed.expose_salt(),
        &mut output,
    )?;
    Ok(output.ct_eq(parsed.expose_output()).into())
}

/// Derives the hash of a password into the output.
pub(super) fn derive(
    algorithm: HashAlgorithm,
    password: &[u8],
    salt: &[u8],
    output: &mut [u8],
) -> Result<(), HashingError> {
    match algorithm {
        HashAlgorithm::Argon2(parameters) => argon2(parameters)
            .and_then(|argon2| argon2.hash_password_into(password, salt, output))
            .map_err(failed),
        HashAlgorithm::Bcrypt { cost } => bcrypt(cost, password, salt, output),
        HashAlgorithm::Scrypt { log_n, r, p } => {
            let parameters = scrypt::Params::new(log_n, r, p).map_err(failed)?;
            scrypt::scrypt(password, salt, &parameters, output).map_err(failed)
        }
        HashAlgorithm::Pbkdf2 { digest, iterations } => {
            let digest = match digest {
                Pbkdf2Digest::Sha256 => pbkdf2::Algorithm::Pbkdf2Sha256,
                Pbkdf2Digest::Sha512 => pbkdf2::Algorithm::Pbkdf2Sha512,
            };
            let parameters = pbkdf2::Params::new(iterations).map_err(failed)?;
            pbkdf2_hmac_with_params(password, salt, digest, parameters, output);
            Ok(())
        }
    }
}

/// Returns Argon2 with these parameters.
pub(super) fn argon2(parameters: Argon2) -> Result<argon2::Argon2<'static>, argon2::Error> {
    let variant = match parameters.variant {
        Argon2Variant::D => Algorithm::Argon2d,
        Argon2Variant::I => Algorithm::Argon2i,
        Argon2Variant::Id => Algorithm::Argon2id,
    };
    let version = match parameters.version {
        Argon2Version::V16 => Version::V0x10,
        Argon2Version::V19 => Version::V0x13,
    };
    let params = Params::new(
        parameters.memory_kib,
        parameters.iterations,
        parameters.parallelism,
        None,
    )?;
    Ok(argon2::Argon2::new(variant, version, params))
}

/// Derives bcrypt of the password with a terminating NUL, as `2a`, `2b` and `2y` specify.
fn bcrypt(cost: u32, password: &[u8], salt: &[u8], output: &mut [u8]) -> Result<(), HashingError> {
    let salt = salt.try_into().map_err(failed)?;
    let key: Vec<u8> = password
        .iter()
        .copied()
        .chain([0])
        .take(BCRYPT_MAX_KEY_BYTES)
        .collect();
    let hash = bcrypt::bcrypt(cost, salt, &key);
    // The text form omits the last byte.
    for (place, byte) in output.iter_mut().zip(hash) {
        *place = byte;
    }
    Ok(())
}

fn failed(cause: impl Display) -> HashingError {
    HashingError::Internal(cause.to_string())
}
