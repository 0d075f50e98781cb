//! `openapi`

use super::print_result;
use crate::cli::CommandOutcome;

pub(crate) fn run(as_3_0: bool) -> CommandOutcome {
    let document = if as_3_0 {
        user_http::openapi_3_0("")
    } else {
        user_http::openapi("")
    };
    print_result(document.trim_end());
    CommandOutcome::Success
}
