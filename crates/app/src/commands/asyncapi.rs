//! `asyncapi`

use super::print_result;
use crate::cli::CommandOutcome;

pub(crate) fn run() -> CommandOutcome {
    print_result(user_http::asyncapi("").trim_end());
    CommandOutcome::Success
}
