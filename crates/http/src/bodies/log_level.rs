//! The body of a request that changes the log level.

use serde_json::{Map, Value};

use super::RequestBody;
use super::members::Members;
use crate::problem::Problem;

/// A new log level. The management port has no description.
pub(crate) struct NewLogLevel;

impl RequestBody for NewLogLevel {
    type Input = Option<String>;

    fn read(document: Map<String, Value>) -> Result<Option<String>, Problem> {
        let mut members = Members::new(document, &[]);
        let level = members.present("level", |value| Ok(value.as_str().map(str::to_owned)));
        match members.finish(&[]) {
            faults if faults.is_empty() => Ok(level.flatten()),
            faults => Err(Problem::invalid(&faults)),
        }
    }
}
