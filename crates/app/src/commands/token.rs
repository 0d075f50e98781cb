//! The commands on the tokens of services. They work by the service's use cases, as the operator, on the store of the
//! settings.

pub(crate) mod create;
pub(crate) mod list;
pub(crate) mod revoke;

use user_domain::StoreError;
use user_domain::use_cases::UseCases;
use user_http::ServiceTokenRecord;

use super::on_current_store;
use crate::cli::Outcome;

/// Does a command's work on the tokens of the settings' store, which has to be up to date.
async fn on_tokens(work: impl AsyncFnOnce(UseCases) -> Outcome) -> Outcome {
    on_current_store(async |_, use_cases| work(use_cases).await).await
}

/// Writes a token as one line of JSON.
fn line(record: &ServiceTokenRecord<'_>) -> Result<String, StoreError> {
    serde_json::to_string(record)
        .map_err(|error| StoreError::Internal(format!("a token cannot be written: {error}")))
}
