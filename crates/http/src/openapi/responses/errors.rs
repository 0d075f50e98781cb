//! The errors of all operations: one response for the statuses from 400, and one for those from 500.

use std::fmt::Write as _;

use user_domain::{Fault, Violation};
use utoipa::openapi::example::ExampleBuilder;
use utoipa::openapi::{Content, Ref, Response, ResponseBuilder};

use super::{REQUEST_ID, add_header};
use crate::problem::{Code, PROBLEM_JSON, Problem, render};

/// Creates the response of the statuses from 400: the request was refused.
pub(super) fn client_error() -> Response {
    let about = "The request was refused, and nothing was changed.";
    let mut response = error(about, |code| code.status().is_client_error());
    for name in [
        "WWW-Authenticate",
        "Allow",
        "Retry-After",
        "RateLimit-Limit",
        "RateLimit-Remaining",
        "RateLimit-Reset",
    ] {
        add_header(&mut response, name);
    }
    response
}

/// Creates the response of the statuses from 500: the service failed.
pub(super) fn server_error() -> Response {
    let about =
        "The service did not complete the request. Only after a 504 may a write have been applied.";
    let mut response = error(about, |code| code.status().is_server_error());
    add_header(&mut response, "Retry-After");
    response
}

fn error(about: &str, is_member: impl Fn(Code) -> bool) -> Response {
    let mut response = ResponseBuilder::new()
        .description(about)
        .content(
            PROBLEM_JSON,
            Content::new(Some(Ref::from_schema_name("Problem"))),
        )
        .build();
    add_header(&mut response, "X-Request-Id");
    let mut last_status = 0;
    for code in Code::ALL.into_iter().filter(|code| is_member(*code)) {
        let status = code.status().as_u16();
        let start = if status == last_status {
            "; ".to_owned()
        } else {
            format!("\n\n**{status}** ")
        };
        last_status = status;
        // Writing to a string never fails.
        let _ = write!(
            response.description,
            "{start}`{}`: {}",
            code.as_str(),
            code.title()
        );
        let written = render(&example(code), REQUEST_ID);
        let example = ExampleBuilder::new()
            .value(serde_json::from_slice(&written).ok())
            .build();
        if let Some(utoipa::openapi::RefOr::T(content)) = response.content.get_mut(PROBLEM_JSON) {
            content
                .examples
                .insert(code.as_str().to_owned(), example.into());
        }
    }
    response
}

fn example(code: Code) -> Problem {
    let fault = |path, code, detail: &'static str| Fault::new(path, &Violation::new(code, detail));
    match code {
        Code::Invalid => Problem::invalid(&[fault(
            "profile.website",
            "url_scheme",
            "Must be an http or https address.",
        )]),
        Code::ForbiddenField => {
            Problem::new(code, format!("{}.", code.title())).with_faults(&[fault(
                "roles",
                "forbidden_field",
                "May not be written by this caller.",
            )])
        }
        Code::InsufficientScope => Problem::new(code, "The scope users:write is required.")
            .with_required_scope("users:write"),
        _ => Problem::new(code, format!("{}.", code.title())),
    }
}
