use std::sync::{Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;

use crate::ports::{EventMessage, EventPublisher, PublishError};

/// A broker in memory that keeps every message.
#[derive(Debug, Default)]
pub struct FakePublisher {
    broker: Mutex<Broker>,
}

#[derive(Debug, Default)]
struct Broker {
    messages: Vec<EventMessage>,
    failure: Option<PublishError>,
    closed: usize,
}

impl FakePublisher {
    /// Returns all messages, oldest first.
    pub fn messages(&self) -> Vec<EventMessage> {
        self.broker().messages.clone()
    }

    /// Returns how often the connection was closed.
    pub fn closed(&self) -> usize {
        self.broker().closed
    }

    /// Fails all calls with this error until it is none. The messages are stored nevertheless, as when only the
    /// confirmation is lost.
    pub fn fail_with(&self, failure: Option<PublishError>) {
        self.broker().failure = failure;
    }

    fn broker(&self) -> MutexGuard<'_, Broker> {
        self.broker.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[async_trait]
impl EventPublisher for FakePublisher {
    async fn publish(&self, messages: &[EventMessage]) -> Result<(), PublishError> {
        let mut broker = self.broker();
        broker.messages.extend_from_slice(messages);
        broker.failure.clone().map_or(Ok(()), Err)
    }

    async fn close(&self) {
        self.broker().closed += 1;
    }
}
