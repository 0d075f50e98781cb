//! `user export`

use std::io::{self, BufWriter, Write as _};

use user_domain::directory::{CheckedQuery, DirectoryQuery, Sort};
use user_domain::use_cases::ListUsers;

use super::walk::Walk;
use super::{line, misused, on_users};
use crate::cli::{ExportArguments, Outcome};
use crate::commands::{failed, say};

/// What is kept back until there is enough to write.
const BUFFER: usize = 256 * 1024;

pub(crate) async fn run(arguments: &ExportArguments) -> Outcome {
    let wanted = DirectoryQuery {
        status: Some(arguments.status.clone()),
        // New users come behind the place of the walk, so that it ends, and nobody moves in this order.
        sort: Some(Sort::CreatedAscending.as_str().to_owned()),
        ..DirectoryQuery::default()
    };
    let query = match wanted.check() {
        Ok(query) => query,
        Err(faults) => return misused(&faults),
    };
    on_users(async |_, use_cases| export(&use_cases.list_users, query).await).await
}

async fn export(users: &ListUsers, query: CheckedQuery) -> Outcome {
    let mut walk = Walk::new(users, query);
    let mut out = BufWriter::with_capacity(BUFFER, io::stdout());
    let mut count = 0_u64;
    loop {
        let users = match walk.next().await {
            Ok(Some(users)) => users,
            Ok(None) => break,
            Err(error) => return failed(&error),
        };
        for user in &users {
            let line = match line(user) {
                Ok(line) => line,
                Err(error) => return failed(&error),
            };
            if let Err(error) = writeln!(out, "{line}") {
                return unwritten(&error);
            }
            count += 1;
        }
    }
    if let Err(error) = out.flush() {
        return unwritten(&error);
    }
    say(format_args!("{count} users exported"));
    Outcome::Done
}

/// A reader that has seen enough is no failure; a full disk is one.
fn unwritten(error: &io::Error) -> Outcome {
    if error.kind() == io::ErrorKind::BrokenPipe {
        return Outcome::Done;
    }
    failed(&format_args!("the users cannot be written: {error}"))
}
