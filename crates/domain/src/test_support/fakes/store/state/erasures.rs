use std::collections::BTreeMap;

use uuid::Uuid;

use super::State;
use crate::erasure::{Confirmation, Erasure, ErasureConsumer, ErasureReport, PendingSummary};
use crate::ports::{ConsumerRegistration, ErasureError, ErasurePage, ErasureWrite, EventPosition};
use crate::user::Actor;
use crate::values::{ConsumerName, Timestamp, UserId};
use crate::write::{WriteContext, WriteError};

/// The erasures and their consumers.
#[derive(Debug, Default)]
pub(super) struct ErasureRecords {
    /// With the id of each registration.
    consumers: BTreeMap<ConsumerName, (Uuid, ErasureConsumer)>,
    erasures: BTreeMap<UserId, RecordedErasure>,
}

#[derive(Debug)]
struct RecordedErasure {
    erasure: Erasure,
    /// When each consumer has confirmed the erasure, and who said so.
    confirmed: BTreeMap<ConsumerName, Option<(Timestamp, Actor)>>,
    completed_at: Option<Timestamp>,
}

impl RecordedErasure {
    fn complete_if_confirmed(&mut self, at: Timestamp) {
        if self.completed_at.is_none() && self.confirmed.values().all(Option::is_some) {
            self.completed_at = Some(at);
        }
    }
}

impl ErasureRecords {
    pub(super) fn record(&mut self, erasure: Erasure) {
        let names = self.consumers.keys().cloned();
        let mut recorded = RecordedErasure {
            erasure,
            confirmed: names.map(|name| (name, None)).collect(),
            completed_at: None,
        };
        recorded.complete_if_confirmed(erasure.erased_at);
        self.erasures.insert(erasure.user, recorded);
    }

    pub(super) fn purge(&mut self, mut is_due: impl FnMut(Timestamp) -> bool) {
        self.erasures
            .retain(|_, recorded| !recorded.completed_at.is_some_and(&mut is_due));
    }

    fn consumer(&self, name: &ConsumerName) -> Result<&(Uuid, ErasureConsumer), ErasureError> {
        self.consumers
            .get(name)
            .ok_or(ErasureError::UnknownConsumer)
    }

    /// Returns the pending erasures of a consumer, oldest first.
    fn pending(&self, name: &ConsumerName) -> Vec<Erasure> {
        let is_pending = |recorded: &&RecordedErasure| recorded.confirmed.get(name) == Some(&None);
        let pending = self.erasures.values().filter(is_pending);
        let mut pending: Vec<Erasure> = pending.map(|recorded| recorded.erasure).collect();
        pending.sort_by_key(|erasure| erasure.position);
        pending
    }
}

impl State {
    pub(in super::super) fn register_consumer(
        &mut self,
        name: &ConsumerName,
        context: &WriteContext,
    ) -> Result<ConsumerRegistration, ErasureError> {
        if let Some(subject) = self.replay_of_erasure(context)? {
            let (id, consumer) = self.erasures.consumer(name)?;
            return Ok(ConsumerRegistration {
                consumer: consumer.clone(),
                is_new: *id == subject,
                replayed: true,
            });
        }
        let is_new = self.erasures.consumer(name).is_err();
        if is_new && self.erasures.consumers.len() >= ErasureConsumer::MAX_REGISTERED {
            return Err(ErasureError::TooManyConsumers);
        }
        let consumers = &mut self.erasures.consumers;
        let (_, consumer) = consumers.entry(name.clone()).or_insert_with(|| {
            let consumer = ErasureConsumer {
                name: name.clone(),
                created_at: context.at,
                created_by: context.actor.clone(),
            };
            (context.event_id, consumer)
        });
        let consumer = consumer.clone();
        self.record(context.event_id, context);
        Ok(ConsumerRegistration {
            consumer,
            is_new,
            replayed: false,
        })
    }

    pub(in super::super) fn remove_consumer(
        &mut self,
        name: &ConsumerName,
        context: &WriteContext,
    ) -> Result<ErasureWrite, ErasureError> {
        if self.replay_of_erasure(context)?.is_some() {
            return Ok(ErasureWrite::Replayed);
        }
        self.erasures
            .consumers
            .remove(name)
            .ok_or(ErasureError::UnknownConsumer)?;
        for recorded in self.erasures.erasures.values_mut() {
            if recorded.confirmed.get(name) == Some(&None) {
                recorded.confirmed.remove(name);
                recorded.complete_if_confirmed(context.at);
            }
        }
        self.record(context.event_id, context);
        Ok(ErasureWrite::Done)
    }

    pub(in super::super) fn consumers(&self) -> Vec<ErasureConsumer> {
        let consumers = self.erasures.consumers.values();
        consumers.map(|(_, consumer)| consumer.clone()).collect()
    }

    pub(in super::super) fn pending_erasures(
        &self,
        consumer: &ConsumerName,
        after: Option<EventPosition>,
        limit: u16,
    ) -> Result<ErasurePage, ErasureError> {
        self.erasures.consumer(consumer)?;
        let mut pending = self.erasures.pending(consumer);
        pending.retain(|erasure| after.is_none_or(|after| erasure.position > after));
        pending.truncate(usize::from(limit) + 1);
        Ok(ErasurePage::from_one_more(pending, limit))
    }

    pub(in super::super) fn acknowledge_erasure(
        &mut self,
        user: UserId,
        consumer: &ConsumerName,
        context: &WriteContext,
    ) -> Result<ErasureWrite, ErasureError> {
        if self.replay_of_erasure(context)?.is_some() {
            return Ok(ErasureWrite::Replayed);
        }
        self.erasures.consumer(consumer)?;
        let recorded = self
            .erasures
            .erasures
            .get_mut(&user)
            .ok_or(ErasureError::UnknownErasure)?;
        let confirmed = recorded.confirmed.entry(consumer.clone()).or_default();
        if confirmed.is_none() {
            *confirmed = Some((context.at, context.actor.clone()));
        }
        recorded.complete_if_confirmed(context.at);
        self.record(user.as_uuid(), context);
        Ok(ErasureWrite::Done)
    }

    pub(in super::super) fn erasure_report(
        &self,
        user: UserId,
    ) -> Result<ErasureReport, ErasureError> {
        let recorded = self.erasures.erasures.get(&user);
        let recorded = recorded.ok_or(ErasureError::UnknownErasure)?;
        let confirmations = recorded.confirmed.iter();
        Ok(ErasureReport {
            erasure: recorded.erasure,
            confirmations: confirmations
                .map(|(name, confirmed)| Confirmation {
                    consumer: name.clone(),
                    acked_at: confirmed.as_ref().map(|(at, _)| *at),
                    acked_by: confirmed.as_ref().map(|(_, by)| by.clone()),
                })
                .collect(),
        })
    }

    pub(in super::super) fn pending_summaries(&self) -> Vec<PendingSummary> {
        let names = self.erasures.consumers.keys();
        names
            .map(|name| {
                let pending = self.erasures.pending(name);
                let count = u64::try_from(pending.len()).unwrap_or(u64::MAX);
                PendingSummary {
                    consumer: name.clone(),
                    pending: count.min(PendingSummary::MAX_COUNTED),
                    oldest: pending.first().map(|erasure| erasure.erased_at),
                }
            })
            .collect()
    }

    /// Returns the subject of the same write if it was done before.
    fn replay_of_erasure(&self, context: &WriteContext) -> Result<Option<Uuid>, ErasureError> {
        match self.replay(context) {
            Ok(write) => Ok(write.map(|write| write.subject)),
            Err(WriteError::Store(error)) => Err(error.into()),
            Err(_) => Err(ErasureError::KeyReused),
        }
    }
}
