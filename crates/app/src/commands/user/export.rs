//! `user export`

use std::io::{self, BufWriter, Write as _};

use user_domain::directory::{CheckedQuery, DirectoryQuery, Sort};
use user_domain::use_cases::ListUsers;

use super::pages::Pages;
use super::{to_json_line, usage_error, with_use_cases};
use crate::cli::{CommandOutcome, ExportArguments};
use crate::commands::{fail, print_message};

/// The size of the output buffer.
const BUFFER_BYTES: usize = 256 * 1024;

pub(crate) async fn run(arguments: &ExportArguments) -> CommandOutcome {
    let wanted = DirectoryQuery {
        status: Some(arguments.status.clone()),
        // In this order, new users are appended and existing users never move. So the export ends, and is complete.
        sort: Some(Sort::CreatedAscending.as_str().to_owned()),
        ..DirectoryQuery::default()
    };
    let query = match wanted.check() {
        Ok(query) => query,
        Err(faults) => return usage_error(&faults),
    };
    with_use_cases(async |_, use_cases| export(&use_cases.list_users, query).await).await
}

async fn export(users: &ListUsers, query: CheckedQuery) -> CommandOutcome {
    let mut pages = Pages::new(users, query);
    let mut out = BufWriter::with_capacity(BUFFER_BYTES, io::stdout());
    let mut count = 0_u64;
    loop {
        let users = match pages.next().await {
            Ok(Some(users)) => users,
            Ok(None) => break,
            Err(error) => return fail(&error),
        };
        for user in &users {
            let line = match to_json_line(user) {
                Ok(line) => line,
                Err(error) => return fail(&error),
            };
            if let Err(error) = writeln!(out, "{line}") {
                return write_failure(&error);
            }
            count += 1;
        }
    }
    if let Err(error) = out.flush() {
        return write_failure(&error);
    }
    print_message(format_args!("{count} users exported"));
    CommandOutcome::Success
}

/// A closed pipe is not a failure; a full disk is one.
fn write_failure(error: &io::Error) -> CommandOutcome {
    if error.kind() == io::ErrorKind::BrokenPipe {
        return CommandOutcome::Success;
    }
    fail(&format_args!("cannot write the users: {error}"))
}
