//! `user release-name`

use user_domain::caller::Caller;
use user_domain::use_cases::ReleaseNameError;

use super::with_use_cases;
use crate::cli::CommandOutcome;
use crate::commands::{fail, print_message, print_result};

/// Ends the reservation of a username. Prints each username that became free, its former holder and the start of its
/// reservation.
pub(crate) async fn run(name: &str) -> CommandOutcome {
    with_use_cases(async |_, use_cases| {
        match use_cases.release_name.run(&Caller::Operator, name).await {
            Ok(released) => {
                for one in &released {
                    let key = one.key.as_deref().unwrap_or("-");
                    print_result(format_args!("{key} {} {}", one.owner, one.since));
                }
                if released.is_empty() {
                    print_message(
                        "user-service: there is no reservation of this username or of one that looks like it",
                    );
                }
                CommandOutcome::Success
            }
            Err(error @ ReleaseNameError::Invalid(_)) => {
                print_message(format_args!("user-service: {error}"));
                CommandOutcome::InvalidUsage
            }
            Err(error @ (ReleaseNameError::Denied(_) | ReleaseNameError::Store(_))) => {
                fail(&error)
            }
        }
    })
    .await
}
