//! The JSON of erasures and their consumers.

use serde::Serialize;
use user_domain::erasure::{Erasure, ErasureConsumer, ErasureReport};
use user_domain::user::Actor;
use user_domain::values::{Timestamp, UserId};

/// A page of erasures.
#[derive(Serialize)]
pub(crate) struct ErasurePageBody<'a> {
    erasures: Vec<ErasureBody>,
    next_cursor: Option<&'a str>,
}

/// An erasure.
#[derive(Serialize)]
struct ErasureBody {
    user_id: UserId,
    erased_at: Timestamp,
    sequence: String,
}

/// An erasure with its confirmations.
#[derive(Serialize)]
pub(crate) struct ErasureReportBody<'a> {
    user_id: UserId,
    erased_at: Timestamp,
    state: &'static str,
    consumers: Vec<ConfirmationBody<'a>>,
}

/// The part of one consumer in an erasure.
#[derive(Serialize)]
struct ConfirmationBody<'a> {
    name: &'a str,
    acked_at: Option<Timestamp>,
    acked_by: Option<&'a str>,
}

/// A consumer of erasures.
#[derive(Serialize)]
pub(crate) struct ErasureConsumerBody<'a> {
    name: &'a str,
    created_at: Timestamp,
    created_by: &'a str,
}

/// A list of consumers.
#[derive(Serialize)]
pub(crate) struct ErasureConsumersBody<'a> {
    consumers: Vec<ErasureConsumerBody<'a>>,
}

impl<'a> ErasurePageBody<'a> {
    pub(crate) fn new(erasures: &[Erasure], next_cursor: Option<&'a str>) -> Self {
        let body = |erasure: &Erasure| ErasureBody {
            user_id: erasure.user,
            erased_at: erasure.erased_at,
            sequence: format!("{:020}", erasure.position.get()),
        };
        Self {
            erasures: erasures.iter().map(body).collect(),
            next_cursor,
        }
    }
}

impl<'a> From<&'a ErasureReport> for ErasureReportBody<'a> {
    fn from(report: &'a ErasureReport) -> Self {
        let confirmations = report.confirmations.iter();
        Self {
            user_id: report.erasure.user,
            erased_at: report.erasure.erased_at,
            state: if report.is_complete() {
                "complete"
            } else {
                "pending"
            },
            consumers: confirmations
                .map(|confirmation| ConfirmationBody {
                    name: confirmation.consumer.as_str(),
                    acked_at: confirmation.acked_at,
                    acked_by: confirmation.acked_by.as_ref().map(Actor::as_str),
                })
                .collect(),
        }
    }
}

impl<'a> From<&'a ErasureConsumer> for ErasureConsumerBody<'a> {
    fn from(consumer: &'a ErasureConsumer) -> Self {
        Self {
            name: consumer.name.as_str(),
            created_at: consumer.created_at,
            created_by: consumer.created_by.as_str(),
        }
    }
}

impl<'a> From<&'a [ErasureConsumer]> for ErasureConsumersBody<'a> {
    fn from(consumers: &'a [ErasureConsumer]) -> Self {
        Self {
            consumers: consumers.iter().map(ErasureConsumerBody::from).collect(),
        }
    }
}
