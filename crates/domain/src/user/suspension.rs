//! The reason and the end of a suspension.

use super::Standing;
use crate::values::{SuspensionReason, Timestamp};
use crate::{Fault, Violation};

/// The reason and the end of a suspension; both are optional.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Suspension {
    /// The reason.
    pub reason: Option<SuspensionReason>,
    /// When the user becomes active again; without it, when it is activated by a caller.
    pub until: Option<Timestamp>,
}

/// The unvalidated form of a suspension.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct SuspensionInput {
    /// The reason.
    pub reason: Option<String>,
    /// When it ends (RFC 3339).
    pub until: Option<String>,
    /// The fields that are unknown or have the wrong type.
    pub unexpected_fields: Vec<Fault>,
}

impl Suspension {
    /// A suspension without a reason and an end.
    pub(crate) const PLAIN: &'static Self = &Self {
        reason: None,
        until: None,
    };

    /// Whether the suspension has ended at a time.
    pub fn is_over(&self, at: Timestamp) -> bool {
        self.until.is_some_and(|until| until <= at)
    }

    /// Returns the suspension to store; none if the user is not suspended, or if there is neither a reason nor an end.
    pub fn into_stored(self, standing: Standing) -> Option<Box<Self>> {
        let is_stored = standing == Standing::Suspended && self != *Self::PLAIN;
        is_stored.then(|| Box::new(self))
    }
}

impl SuspensionInput {
    /// Validates all fields.
    ///
    /// # Errors
    /// A fault for each invalid field; `until` must be in the future.
    pub fn check(&self, now: Timestamp) -> Result<Suspension, Vec<Fault>> {
        let suspension = self.parse(&[])?;
        if suspension.is_over(now) {
            let violation = Violation::new("out_of_range", "Must lie ahead.");
            return Err(vec![Fault::new("until", &violation)]);
        }
        Ok(suspension)
    }

    /// Validates all fields, but accepts an end in the past.
    pub(crate) fn parse(&self, parents: &[&str]) -> Result<Suspension, Vec<Fault>> {
        let mut faults = self.unexpected_fields.clone();
        let mut fault = |name: &str, violation: Violation| {
            let path = parents.iter().copied().chain([name]);
            faults.push(Fault::at(path.map(str::to_owned).collect(), &violation));
        };
        let reason = self.reason.as_deref().map(SuspensionReason::parse);
        let until = self.until.as_deref().map(Timestamp::parse);
        let suspension = Suspension {
            reason: reason.and_then(|reason| reason.map_err(|no| fault("reason", no)).ok()),
            until: until.and_then(|until| until.map_err(|no| fault("until", no)).ok()),
        };
        if faults.is_empty() {
            Ok(suspension)
        } else {
            Err(faults)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::test_support::samples::{seconds, start};

    fn codes(reason: Option<&str>, until: Option<&str>) -> Vec<String> {
        let input = SuspensionInput {
            reason: reason.map(str::to_owned),
            until: until.map(str::to_owned),
            unexpected_fields: Vec::new(),
        };
        let faults = input.check(start()).err().unwrap_or_default();
        let describe = |fault: &Fault| format!("{} {}", fault.path().join("/"), fault.code());
        faults.iter().map(describe).collect()
    }

    #[test]
    fn a_reason_has_1_to_500_characters_and_may_have_several_lines() {
        for reason in ["x", "spam\nand more spam", &"é".repeat(500)] {
            assert_eq!(codes(Some(reason), None), [""; 0]);
        }
        for (reason, code) in [
            ("", "blank"),
            (" \n", "blank"),
            (&*"é".repeat(501), "too_long"),
            ("a\u{202e}b", "forbidden_character"),
        ] {
            assert_eq!(codes(Some(reason), None), [format!("reason {code}")]);
        }
    }

    #[test]
    fn an_end_is_in_the_future() {
        let [past, now, next] = [
            start().minus(std::time::Duration::from_micros(1)),
            start(),
            seconds(1),
        ]
        .map(|moment| moment.to_string());
        let out_of_range = ["until out_of_range"];
        assert_eq!(codes(None, Some(&past)), out_of_range);
        assert_eq!(codes(None, Some(&now)), out_of_range);
        assert_eq!(codes(None, Some(&next)), [""; 0]);
        let both = ["reason blank", "until format"];
        assert_eq!(codes(Some(""), Some("tomorrow")), both);
    }
}
