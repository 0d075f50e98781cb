//! Whether the service runs, and whether it is ready.

use reqwest::StatusCode;
use serde::Deserialize;

use crate::call::Read;
use crate::client::Client;
use crate::operation;

/// Whether a replica accepts requests.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Readiness {
    /// Whether it does.
    pub is_ready: bool,
    /// The state of the database, such as `ok`.
    pub database: String,
    /// The state of the schema, such as `ok`.
    pub schema: String,
}

#[derive(Deserialize)]
struct ReadinessState {
    checks: Checks,
}

#[derive(Deserialize)]
struct Checks {
    database: String,
    schema: String,
}

impl Client {
    /// Returns once a replica responds.
    ///
    /// # Errors
    /// No response.
    pub fn get_liveness(&self) -> Read<()> {
        self.read(operation::GET_LIVENESS, &[], crate::call::nothing)
    }

    /// Returns whether a replica accepts requests. A replica that does not is a result, and no error.
    ///
    /// # Errors
    /// No response.
    pub fn get_readiness(&self) -> Read<Readiness> {
        self.read(operation::GET_READINESS, &[], |answer| {
            let checks = answer.json::<ReadinessState>()?.checks;
            Ok(Readiness {
                is_ready: answer.status == StatusCode::OK,
                database: checks.database,
                schema: checks.schema,
            })
        })
        .change(|request| {
            request.also_accepts = Some(StatusCode::SERVICE_UNAVAILABLE);
            Ok(())
        })
    }
}
