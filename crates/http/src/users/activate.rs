//! `POST /v1/users/{id}/activate`.

use actix_web::HttpResponse;
use user_domain::use_cases::StatusChange;

use super::shown::change_status;
use crate::extract::{Call, Ignored, Target, Write};
use crate::problem::Problem;

/// Lets the user in again.
pub(crate) async fn activate(
    call: Call<(Target, Write<Ignored>)>,
) -> Result<HttpResponse, Problem> {
    change_status(call, StatusChange::Activate).await
}
