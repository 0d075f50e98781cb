//! The middleware of every request.

mod direct_read;
mod parser_rejections;
mod problem_responses;
mod request_limits;
mod request_telemetry;

pub(crate) use direct_read::direct_read;
pub(crate) use parser_rejections::ParserRejections;
pub(crate) use request_limits::RequestLimits;
pub(crate) use request_telemetry::RequestTelemetry;
