//! Query strings.

use actix_web::HttpRequest;
use user_domain::{Fault, Violation};

use crate::problem::{MAX_FAULTS, Problem};

/// The parameters of a query string. Each route takes the parameters that it supports.
pub(crate) struct Query {
    pairs: Vec<(String, String)>,
    faults: Vec<Fault>,
}

/// The maximum number of values of a list parameter, and of fields to select.
pub(crate) const MAX_LIST_ITEMS: usize = 200;

/// Returns the violation of a list with more than [`MAX_LIST_ITEMS`] values.
pub(crate) fn too_many() -> Violation {
    Violation::new(
        "too_many",
        format!("Must have at most {MAX_LIST_ITEMS} values."),
    )
}

impl Query {
    /// Parses the query string of a request.
    pub(crate) fn of(request: &HttpRequest) -> Self {
        let text = request.query_string();
        // Never fails for pairs of strings: invalid percent-encoding is kept as it is.
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

    /// Takes a parameter that may occur at most once.
    pub(crate) fn take(&mut self, name: &str) -> Option<String> {
        let found = self.take_all(name);
        if found.len() > 1 {
            self.refuse(
                name,
                &Violation::new("repeated", "Must occur at most once."),
            );
        }
        found.into_iter().next()
    }

    /// Takes a list parameter: separated by commas, repeated, or both. At most [`MAX_LIST_ITEMS`] values are accepted.
    pub(crate) fn take_list(&mut self, name: &str) -> Option<Vec<String>> {
        let found = self.take_all(name);
        let mut parts = found.iter().flat_map(|value| value.split(','));
        let listed: Vec<String> = parts
            .by_ref()
            .take(MAX_LIST_ITEMS)
            .map(str::to_owned)
            .collect();
        if parts.next().is_some() {
            self.refuse(name, &too_many());
        }
        (!found.is_empty()).then_some(listed)
    }

    /// Takes a parameter that is repeated for each of its values. A comma is part of the value.
    pub(crate) fn take_repeated(&mut self, name: &str) -> Option<Vec<String>> {
        let found = self.take_all(name);
        (!found.is_empty()).then_some(found)
    }

    /// Takes a whole number within a range.
    pub(crate) fn take_number(&mut self, name: &str, least: u16, most: u16) -> Option<u16> {
        let parsed = self.take(name).map(|text| {
            let digits = text.bytes().all(|byte| byte.is_ascii_digit());
            let number = text
                .parse()
                .ok()
                .filter(|number| digits && (least..=most).contains(number));
            number.ok_or_else(|| {
                let rule = format!("Must be a whole number from {least} to {most}.");
                Violation::new("out_of_range", rule)
            })
        });
        self.valid(name, parsed)
    }

    /// Returns a value that was parsed, or records why it is invalid.
    pub(crate) fn valid<T>(
        &mut self,
        name: &str,
        parsed: Option<Result<T, Violation>>,
    ) -> Option<T> {
        match parsed? {
            Ok(value) => Some(value),
            Err(violation) => {
                self.refuse(name, &violation);
                None
            }
        }
    }

    /// Whether a parameter remains with a name that starts with `prefix`.
    pub(crate) fn has_prefix(&self, prefix: &str) -> bool {
        self.pairs.iter().any(|(name, _)| name.starts_with(prefix))
    }

    fn take_all(&mut self, name: &str) -> Vec<String> {
        let taken = self.pairs.extract_if(.., |(key, _)| key == name);
        taken.map(|(_, value)| value).collect()
    }

    /// Records a validation error of a parameter.
    pub(crate) fn refuse(&mut self, name: &str, violation: &Violation) {
        self.faults
            .push(Fault::at(vec![name.to_owned()], violation));
    }

    /// Records validation errors. Their paths are parameter names.
    pub(crate) fn refuse_all(&mut self, faults: Vec<Fault>) {
        self.faults.extend(faults);
    }

    /// Rejects each remaining parameter as unknown.
    pub(crate) fn refuse_unused(&mut self) {
        self.refuse_unknown("", "Is not a parameter of this resource.");
    }

    /// Rejects each remaining parameter with a name that starts with `prefix` as unknown.
    pub(crate) fn refuse_unknown(&mut self, prefix: &str, detail: &'static str) {
        let violation = Violation::new("unknown_parameter", detail);
        // Collected first: an iterator that ends early would leave the remaining parameters in the query.
        let refused: Vec<_> = self
            .pairs
            .extract_if(.., |(name, _)| name.starts_with(prefix))
            .collect();
        let refused = refused.into_iter().take(MAX_FAULTS);
        let faults = refused.map(|(name, _)| Fault::at(vec![name], &violation));
        self.faults.extend(faults);
    }

    /// Fails if a validation error was recorded.
    ///
    /// # Errors
    ///
    /// A problem with all recorded validation errors.
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
    fn a_repeated_and_a_comma_separated_list_are_equal() {
        for text in ["a=1,2,3", "a=1&a=2&a=3", "a=1%2C2&b=x&a=3"] {
            let listed = query(text).take_list("a").unwrap();
            assert_eq!(listed, ["1", "2", "3"], "{text}");
        }
        assert_eq!(query("b=1").take_list("a"), None);
        assert_eq!(query("a=").take_list("a").unwrap(), [""]);
        let (mut most, mut excess) = (query(&"a=x&".repeat(200)), query(&"a=x,y&".repeat(101)));
        assert_eq!(most.take_list("a").unwrap().len(), MAX_LIST_ITEMS);
        assert!(most.check().is_ok());
        assert_eq!(excess.take_list("a").unwrap().len(), MAX_LIST_ITEMS);
        assert!(excess.check().is_err());
    }

    #[test]
    fn a_repeated_parameter_keeps_commas_in_its_values() {
        let mut query = query("m.a=1,2&m.b=x&m.a=3");
        assert_eq!(query.take_repeated("m.a").unwrap(), ["1,2", "3"]);
        assert_eq!(query.take_repeated("m.a"), None);
        assert!(query.has_prefix("m.") && !query.has_prefix("n."));
        query.refuse_unknown("m.", "Is unknown.");
        assert!(!query.has_prefix("m."));
        assert!(query.check().is_err());
    }

    #[test]
    fn at_most_100_unknown_parameters_are_reported() {
        let names: Vec<_> = (0..=MAX_FAULTS).map(|n| format!("m.{n}=1")).collect();
        let mut query = query(&names.join("&"));
        query.refuse_unknown("m.", "Is unknown.");
        assert!(!query.has_prefix("m."));
        assert_eq!(query.faults.len(), MAX_FAULTS);
    }

    #[test]
    fn repeated_and_unknown_parameters_are_rejected() {
        let mut repeated = query("q=a&q=b");
        repeated.take("q");
        assert!(repeated.check().is_err());
        let mut unknown = query("q=a&z=b");
        unknown.take("q");
        unknown.refuse_unused();
        assert!(unknown.check().is_err());
        let mut valid = query("q=a");
        valid.take("q");
        valid.refuse_unused();
        assert!(valid.check().is_ok());
    }

    #[test]
    fn invalid_percent_encoding_is_accepted() {
        assert!(query("q=%zz%ff%").take("q").is_some());
    }
}
