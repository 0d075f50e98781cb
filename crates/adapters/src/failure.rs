//! Describes for the log why the store or Redis gave no usable reply.

use std::fmt::Display;

use tokio::time::error::Elapsed;

/// Returns why a call with a timeout gave no usable reply. The text leaves out the reply itself, which may contain
/// personal data.
pub(crate) fn failure<T, E: Display>(waited: Result<Result<T, E>, Elapsed>) -> String {
    match waited {
        Ok(Ok(_)) => "the reply has an unexpected form".to_owned(),
        Ok(Err(error)) => error.to_string(),
        Err(_) => "timed out".to_owned(),
    }
}
