//! `user list`

use std::collections::BTreeMap;
use std::io::{IsTerminal as _, stdout};

use user_domain::directory::{CheckedQuery, DirectoryQuery};
use user_domain::use_cases::ListUsers;
use user_domain::view::UserView;

use super::pages::Pages;
use super::{to_json_line, usage_error, with_use_cases};
use crate::cli::{CommandOutcome, ListArguments};
use crate::commands::table::{self, Row};
use crate::commands::{fail, print_message, print_result};

pub(crate) async fn run(arguments: &ListArguments) -> CommandOutcome {
    let query = match query(arguments).check() {
        Ok(query) => query,
        Err(faults) => return usage_error(&faults),
    };
    with_use_cases(async |_, use_cases| list(arguments, &use_cases.list_users, query).await).await
}

async fn list(arguments: &ListArguments, users: &ListUsers, query: CheckedQuery) -> CommandOutcome {
    let as_table = stdout().is_terminal() && !arguments.json;
    let mut left = usize::try_from(arguments.limit).unwrap_or(usize::MAX);
    let mut pages = Pages::new(users, query);
    let mut shown = Vec::new();
    while left > 0 {
        let mut users = match pages.next().await {
            Ok(Some(users)) => users,
            Ok(None) => break,
            Err(error) => return fail(&error),
        };
        users.truncate(left);
        left -= users.len();
        if as_table {
            shown.extend(users);
            continue;
        }
        for user in &users {
            match to_json_line(user) {
                Ok(line) => print_result(line),
                Err(error) => return fail(&error),
            }
        }
    }
    if as_table {
        for line in table::lay_out(HEADINGS, shown.iter().map(row)) {
            print_result(line);
        }
        if left == 0 {
            print_message(format_args!(
                "listed the first {} users; there may be more (see --limit)",
                arguments.limit
            ));
        }
    }
    CommandOutcome::Success
}

fn query(arguments: &ListArguments) -> DirectoryQuery {
    let ListArguments {
        status,
        role,
        created_since,
        created_until,
        updated_since,
        updated_until,
        email,
        external_id,
        username_prefix,
        q,
        sort,
        limit: _,
        json: _,
    } = arguments.clone();
    DirectoryQuery {
        status: (!status.is_empty()).then_some(status),
        role: (!role.is_empty()).then_some(role),
        created_since,
        created_until,
        updated_since,
        updated_until,
        email,
        external_id,
        username_prefix,
        q,
        metadata: BTreeMap::new(),
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
