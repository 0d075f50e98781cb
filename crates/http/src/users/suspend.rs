//! `POST /v1/users/{id}/suspend`.

use actix_web::HttpResponse;
use user_domain::use_cases::StatusChange;

use super::shown::change_status;
use crate::extract::{Call, Ignored, Target, Write};
use crate::problem::Problem;

/// Locks the user out.
pub(crate) async fn suspend(call: Call<(Target, Write<Ignored>)>) -> Result<HttpResponse, Problem> {
    change_status(call, StatusChange::Suspend).await
}
