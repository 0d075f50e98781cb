//! `openapi`

use super::result;
use crate::cli::Outcome;

pub(crate) fn run() -> Outcome {
    result(user_http::openapi("").trim_end());
    Outcome::Done
}
