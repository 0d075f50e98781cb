//! Query strings.

use actix_web::HttpRequest;
use user_domain::{Fault, Violation};

use crate::problem::{MAX_FAULTS, Problem};

/// The parameters of a query, from which each route takes what it knows.
pub(crate) struct Query {
    pairs: Vec<(String, String)>,
    faults: Vec<Fault>,
}

impl Query {
    /// Reads the query of a request.
    pub(crate) fn of(request: &HttpRequest) -> Self {
        let text = request.query_string();
        // Never fails for pairs of text: what is not encoded well is read as it stands.
        let pairs = if text.is_empty() {
            Vec::new()
        } else {
            serde_urlencoded::from_str(text).unwrap_or_default()
        };
        Self {
            pairs,
            faults: Vec::new(),
        }
    }

    /// Takes a parameter that may stand once.
    pub(crate) fn take(&mut self, name: &str) -> Option<String> {
        let mut found = Vec::new();
        self.pairs.retain_mut(|(key, value)| {
            let other = key != name;
            if !other {
                found.push(std::mem::take(value));
            }
            other
        });
        if found.len() > 1 {
            self.refuse(
                name,
                &Violation::new("repeated", "Must stand at most once."),
            );
        }
        found.into_iter().next()
    }

    /// Notes a fault of a parameter.
    pub(crate) fn refuse(&mut self, name: &str, violation: &Violation) {
        self.faults
            .push(Fault::at(vec![name.to_owned()], violation));
    }

    /// Notes faults whose paths are parameters' names.
    pub(crate) fn refuse_all(&mut self, faults: Vec<Fault>) {
        self.faults.extend(faults);
    }

    /// Notes as a fault each parameter that was not taken.
    pub(crate) fn refuse_rest(&mut self) {
        let violation = Violation::new("unknown_parameter", "Is not a parameter of this resource.");
        let faults = self
            .pairs
            .iter()
            .take(MAX_FAULTS)
            .map(|(name, _)| Fault::at(vec![name.clone()], &violation));
        self.faults.extend(faults);
    }

    /// Tells whether nothing was wrong.
    pub(crate) fn check(self) -> Result<(), Problem> {
        if self.faults.is_empty() {
            Ok(())
        } else {
            Err(Problem::invalid_query(&self.faults))
        }
    }
}

#[cfg(test)]
mod tests {
    use actix_web::test::TestRequest;

    use super::*;

    fn query(text: &str) -> Query {
        Query::of(&TestRequest::with_uri(&format!("/?{text}")).to_http_request())
    }

    #[test]
    fn a_parameter_is_decoded() {
        assert_eq!(
            query("q=%C3%A9+x%26&a=b").take("q").as_deref(),
            Some("é x&")
        );
        assert_eq!(query("q").take("q").as_deref(), Some(""));
        assert_eq!(query("a=b").take("q"), None);
    }

    #[test]
    fn repeated_and_unknown_parameters_are_faults() {
        let mut repeated = query("q=a&q=b");
        repeated.take("q");
        assert!(repeated.check().is_err());
        let mut unknown = query("q=a&z=b");
        unknown.take("q");
        unknown.refuse_rest();
        assert!(unknown.check().is_err());
        let mut fine = query("q=a");
        fine.take("q");
        fine.refuse_rest();
        assert!(fine.check().is_ok());
    }

    #[test]
    fn badly_encoded_text_is_no_error_of_the_service() {
        assert!(query("q=%zz%ff%").take("q").is_some());
    }
}
