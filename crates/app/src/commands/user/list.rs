//! `user list`

use std::io::{IsTerminal as _, stdout};

use user_domain::directory::{CheckedQuery, DirectoryQuery};
use user_domain::use_cases::ListUsers;
use user_domain::view::UserView;

use super::walk::Walk;
use super::{line, misused, on_users};
use crate::cli::{ListArguments, Outcome};
use crate::commands::table::{self, Row};
use crate::commands::{failed, result, say};

pub(crate) async fn run(arguments: &ListArguments) -> Outcome {
    let query = match query(arguments).check() {
        Ok(query) => query,
        Err(faults) => return misused(&faults),
    };
    on_users(async |_, use_cases| list(arguments, &use_cases.list_users, query).await).await
}

async fn list(arguments: &ListArguments, users: &ListUsers, query: CheckedQuery) -> Outcome {
    let as_table = stdout().is_terminal() && !arguments.json;
    let mut left = usize::try_from(arguments.limit).unwrap_or(usize::MAX);
    let mut walk = Walk::new(users, query);
    let mut shown = Vec::new();
    while left > 0 {
        let mut users = match walk.next().await {
            Ok(Some(users)) => users,
            Ok(None) => break,
            Err(error) => return failed(&error),
        };
        users.truncate(left);
        left -= users.len();
        if as_table {
            shown.extend(users);
            continue;
        }
        for user in &users {
            match line(user) {
                Ok(line) => result(line),
                Err(error) => return failed(&error),
            }
        }
    }
    if as_table {
        for line in table::lay_out(HEADINGS, shown.iter().map(row)) {
            result(line);
        }
        if left == 0 {
            say(format_args!(
                "the first {}; there may be more: --limit",
                arguments.limit
            ));
        }
    }
    Outcome::Done
}

fn query(arguments: &ListArguments) -> DirectoryQuery {
    let ListArguments {
        status,
        role,
        created_since,
        updated_since,
        email,
        external_id,
        username_prefix,
        q,
        sort,
        limit: _,
        json: _,
    } = arguments.clone();
    DirectoryQuery {
        status,
        role,
        created_since,
        updated_since,
        email,
        external_id,
        username_prefix,
        q,
        sort: Some(sort),
        limit: None,
    }
}

const HEADINGS: [&str; 6] = ["ID", "USERNAME", "STATUS", "EMAIL", "ROLES", "CREATED"];

fn row(view: &UserView) -> Row<6> {
    let (public, own) = (view.public(), view.own());
    let roles = own.map_or_else(Vec::new, |own| {
        own.roles.iter().map(ToString::to_string).collect()
    });
    [
        public.id.to_string(),
        public.username.as_str().to_owned(),
        public.status.as_str().to_owned(),
        own.map_or_else(String::new, |own| own.email.as_str().to_owned()),
        roles.join(","),
        public.created_at.to_string(),
    ]
}
