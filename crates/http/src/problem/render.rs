//! What the client is told of a problem, and what the log.

use actix_web::http::StatusCode;
use serde::ser::SerializeMap as _;
use serde::{Serialize, Serializer};

use super::{Place, Problem, ShownFault};
use crate::metrics::PROBLEMS;

/// The media type of a problem.
pub(crate) const PROBLEM_JSON: &str = "application/problem+json";

/// Writes the body of a problem that is being answered: counts it, and tells the log what the client is not told.
pub(crate) fn answer(problem: &Problem, request_id: &str) -> Vec<u8> {
    let parts = &problem.0;
    metrics::counter!(PROBLEMS, "code" => parts.code.as_str()).increment(1);
    if let Some(cause) = &parts.cause {
        let code = parts.code.as_str();
        match parts.code.status() {
            StatusCode::INTERNAL_SERVER_ERROR => {
                tracing::error!(request_id, code, cause, "the service failed");
            }
            status if status.is_server_error() => {
                tracing::warn!(request_id, code, cause, "a request was not served");
            }
            _ => tracing::debug!(request_id, code, cause, "a request was refused"),
        }
    }
    render(problem, request_id)
}

/// Writes a problem's body.
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

impl Serialize for ShownFault {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(3))?;
        match &self.place {
            Place::Pointer(pointer) => map.serialize_entry("pointer", pointer)?,
            Place::Parameter(name) => map.serialize_entry("parameter", name)?,
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
    fn a_problem_has_the_members_of_the_contract() {
        let fault = Fault::new(
            "profile.website",
            &Violation::new("url_scheme", "Must be http or https."),
        );
        assert_eq!(
            rendered(&Problem::invalid(&[fault])),
            json!({
                "type": "urn:user-service:problem:invalid",
                "title": "The input breaks rules",
                "status": 422,
                "detail": "The body breaks the rules listed under errors.",
                "code": "invalid",
                "request_id": "r-1",
                "errors": [
                    {"pointer": "/profile/website", "code": "url_scheme", "detail": "Must be http or https."}
                ],
            })
        );
    }

    #[test]
    fn a_fault_of_the_query_names_the_parameter() {
        let fault = Fault::new(
            "limit",
            &Violation::new("out_of_range", "Must be a whole number from 1 to 200."),
        );
        let body = rendered(&Problem::invalid_query(&[fault]));
        assert_eq!(body["errors"][0]["parameter"], "limit");
        assert_eq!(body["errors"][0].get("pointer"), None);
    }

    #[test]
    fn the_cause_of_a_500_is_not_told() {
        let body = rendered(&Problem::internal("password=hunter2"));
        assert!(!body.to_string().contains("hunter2"));
        assert_eq!(body.get("errors"), None);
    }
}
