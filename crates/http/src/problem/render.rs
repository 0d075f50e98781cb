//! The body of a problem, and the details that only the log gets.

use serde::ser::SerializeMap as _;
use serde::{Serialize, Serializer};

use super::{ErrorEntry, ErrorLocation, Problem};
use crate::metric_names::PROBLEMS;
use crate::request_context::{Failure, RequestContext};

/// The media type of a problem.
pub(crate) const PROBLEM_JSON: &str = "application/problem+json";

/// Returns the body of a problem response, increments the problem metric and records the cause for the log.
///
/// The cause of a 5xx is part of the request's log line; any other cause is a debug line.
pub(crate) fn record_and_render(problem: &Problem, context: &RequestContext) -> Vec<u8> {
    let parts = &problem.0;
    let (code, request_id) = (parts.code.as_str(), context.id.as_str());
    metrics::counter!(PROBLEMS, "code" => code).increment(1);
    if let Some(cause) = &parts.cause {
        if parts.code.status().is_server_error() {
            let cause = cause.clone();
            context.failure.replace(Some(Failure { code, cause }));
        } else {
            tracing::debug!(request_id, code, cause, "request rejected");
        }
    }
    render(problem, request_id)
}

/// Returns the JSON body of a problem.
pub(crate) fn render(problem: &Problem, request_id: &str) -> Vec<u8> {
    serde_json::to_vec(&Body {
        problem,
        request_id,
    })
    .unwrap_or_default()
}

struct Body<'a> {
    problem: &'a Problem,
    request_id: &'a str,
}

impl Serialize for Body<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let parts = &self.problem.0;
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry(
            "type",
            &format_args!("urn:user-service:problem:{}", parts.code.as_str()),
        )?;
        map.serialize_entry("title", parts.code.title())?;
        map.serialize_entry("status", &parts.code.status().as_u16())?;
        map.serialize_entry("detail", &parts.detail)?;
        map.serialize_entry("code", parts.code.as_str())?;
        map.serialize_entry("request_id", self.request_id)?;
        if let Some(scope) = parts.required_scope {
            map.serialize_entry("required_scope", scope)?;
        }
        if !parts.faults.is_empty() {
            map.serialize_entry("errors", &parts.faults)?;
        }
        map.end()
    }
}

impl Serialize for ErrorEntry {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(3))?;
        match &self.location {
            ErrorLocation::Pointer(pointer) => map.serialize_entry("pointer", pointer)?,
            ErrorLocation::Parameter(name) => map.serialize_entry("parameter", name)?,
        }
        map.serialize_entry("code", &self.code)?;
        map.serialize_entry("detail", &self.detail)?;
        map.end()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;
    use user_domain::{Fault, Violation};

    use super::*;

    fn rendered(problem: &Problem) -> serde_json::Value {
        serde_json::from_slice(&render(problem, "r-1")).unwrap()
    }

    #[test]
    fn a_problem_has_the_documented_members() {
        let fault = Fault::new(
            "profile.website",
            &Violation::new("url_scheme", "Must be http or https."),
        );
        assert_eq!(
            rendered(&Problem::invalid(&[fault])),
            json!({
                "type": "urn:user-service:problem:invalid",
                "title": "The input is invalid",
                "status": 422,
                "detail": "The body is invalid; see errors.",
                "code": "invalid",
                "request_id": "r-1",
                "errors": [
                    {"pointer": "/profile/website", "code": "url_scheme", "detail": "Must be http or https."}
                ],
            })
        );
    }

    #[test]
    fn an_error_of_the_query_names_the_parameter() {
        let fault = Fault::new(
            "limit",
            &Violation::new("out_of_range", "Must be a whole number from 1 to 200."),
        );
        let body = rendered(&Problem::invalid_query(&[fault]));
        assert_eq!(body["errors"][0]["parameter"], "limit");
        assert_eq!(body["errors"][0].get("pointer"), None);
    }

    #[test]
    fn the_cause_of_a_500_is_not_sent() {
        let body = rendered(&Problem::internal("password=hunter2"));
        assert!(!body.to_string().contains("hunter2"));
        assert_eq!(body.get("errors"), None);
    }
}
