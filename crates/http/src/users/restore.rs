//! `POST /v1/users/{id}/restore`.

use actix_web::HttpResponse;
use user_domain::use_cases::StatusChange;

use super::shown::change_status;
use crate::extract::{Call, Ignored, Target, Write};
use crate::problem::Problem;

/// Brings the deleted user back, with the standing it had.
pub(crate) async fn restore(call: Call<(Target, Write<Ignored>)>) -> Result<HttpResponse, Problem> {
    change_status(call, StatusChange::Restore).await
}
