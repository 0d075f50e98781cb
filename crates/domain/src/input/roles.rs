//! The roles of an input.

use garde::{Path, Report, Validate};

use super::rules::error;
use super::{FieldInput, WriteKind};
use crate::Violation;
use crate::values::Roles;

/// The violations of a list of roles. Each has the index of its name, or none if it concerns the whole list.
type ListViolations = Vec<(Option<usize>, Violation)>;

/// The roles of an input: parsed, or the violation of each invalid name.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct RolesInput(pub FieldInput<Result<Roles, ListViolations>>);

impl RolesInput {
    /// The maximum length of a list of roles. A longer list has too many roles or repeats them.
    const MAX_LISTED: usize = 4 * Roles::MAX;

    /// Parses the names of roles. A name that is no string is an error of the iterator.
    pub fn parse<'a>(names: impl ExactSizeIterator<Item = Result<&'a str, Violation>>) -> Self {
        let roles = if names.len() > Self::MAX_LISTED {
            let most = Self::MAX_LISTED;
            let rule = format!("Must list at most {most} roles, repetitions included.");
            Err(vec![(None, Violation::new("too_many", rule))])
        } else {
            Roles::parse_all(names)
        };
        Self(FieldInput::Value(roles))
    }

    /// Returns the roles to set, if the roles are to be set and are valid.
    pub(super) fn edit(&self) -> Option<Roles> {
        match &self.0 {
            FieldInput::Null => Some(Roles::default()),
            FieldInput::Value(Ok(roles)) => Some(roles.clone()),
            FieldInput::Absent | FieldInput::Invalid(_) | FieldInput::Value(Err(_)) => None,
        }
    }
}

impl Validate for RolesInput {
    type Context = WriteKind;

    fn validate_into(&self, _: &WriteKind, parent: &mut dyn FnMut() -> Path, report: &mut Report) {
        match &self.0 {
            FieldInput::Absent | FieldInput::Null | FieldInput::Value(Ok(_)) => {}
            FieldInput::Invalid(violation) => report.append(parent(), error(violation)),
            FieldInput::Value(Err(violations)) => {
                for (index, violation) in violations {
                    let list = parent();
                    let path = index.map_or(list.clone(), |index| list.join(index));
                    report.append(path, error(violation));
                }
            }
        }
    }
}
