//! Erasures and their confirmations.

use serde::{Deserialize, Serialize};
use user_domain::values::{Timestamp, UserId};

use crate::call::{Read, Write, nothing};
use crate::client::Client;
use crate::error::Error;
use crate::operation;
use crate::page::{Items, Page};
use crate::transport::Answer;
use crate::users::PAGE_SIZE;

/// A service that must confirm erasures.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct ErasureConsumer {
    /// The name of the service.
    pub name: String,
    /// When it was registered.
    pub created_at: Timestamp,
    /// The actor that registered it.
    pub created_by: String,
}

/// An erasure that a consumer has not confirmed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Erasure {
    /// The erased user.
    pub user_id: UserId,
    /// When it was erased.
    pub erased_at: Timestamp,
    /// The sequence of its event.
    pub sequence: String,
}

/// The state of an erasure.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum ErasureState {
    /// A consumer has not confirmed it.
    Pending,
    /// All consumers have confirmed it.
    Complete,
    /// A state of a later release of the service.
    #[serde(other)]
    Unknown,
}

/// Which consumers have confirmed an erasure.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct ErasureReport {
    /// The erased user.
    pub user_id: UserId,
    /// When it was erased.
    pub erased_at: Timestamp,
    /// Whether all consumers have confirmed it.
    pub state: ErasureState,
    /// The consumers.
    pub consumers: Vec<Confirmation>,
}

/// The confirmation of one consumer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Confirmation {
    /// The name of the consumer.
    pub name: String,
    /// When it confirmed; `None` if it has not.
    pub acked_at: Option<Timestamp>,
    /// The actor that confirmed.
    pub acked_by: Option<String>,
}

#[derive(Deserialize)]
struct ErasureConsumerList {
    consumers: Vec<ErasureConsumer>,
}

#[derive(Deserialize)]
struct ErasurePage {
    erasures: Vec<Erasure>,
    next_cursor: Option<String>,
}

fn page_of_erasures(answer: &Answer) -> Result<Page<Erasure>, Error> {
    let page: ErasurePage = answer.json()?;
    Ok(Page::new(page.erasures, page.next_cursor))
}

fn consumers(answer: &Answer) -> Result<Vec<ErasureConsumer>, Error> {
    Ok(answer.json::<ErasureConsumerList>()?.consumers)
}

impl Client {
    /// Reads the consumers of erasures, at most 64. Requires the scope `events:admin`.
    ///
    /// # Errors
    /// 403 without the scope.
    pub fn list_erasure_consumers(&self) -> Read<Vec<ErasureConsumer>> {
        self.read(operation::LIST_ERASURE_CONSUMERS, &[], consumers)
    }

    /// Registers a service that must confirm each later erasure. Requires the scope `events:admin`.
    ///
    /// Register it a minute before it reads its first user.
    ///
    /// # Errors
    /// 422 for an invalid name, or more than 64 consumers.
    pub fn put_erasure_consumer(&self, name: &str) -> Write<ErasureConsumer> {
        self.write(operation::PUT_ERASURE_CONSUMER, &[name], Answer::json)
    }

    /// Removes a consumer of erasures. Requires the scope `events:admin`.
    ///
    /// # Errors
    /// Not found (404).
    pub fn delete_erasure_consumer(&self, name: &str) -> Write<()> {
        self.write(operation::DELETE_ERASURE_CONSUMER, &[name], nothing)
    }

    /// Reads a page of the erasures that a consumer has not confirmed, oldest first. Requires `events:read`.
    ///
    /// # Errors
    /// Not found (404) if the consumer is not registered.
    pub fn list_erasures(&self, pending_for: &str) -> Read<Page<Erasure>> {
        self.read(operation::LIST_ERASURES, &[], page_of_erasures)
            .change(|request| {
                request.query("pending_for", pending_for);
                Ok(())
            })
    }

    /// Reads all erasures that a consumer has not confirmed, oldest first. Read them at each start, and once a day.
    pub fn erasures(&self, pending_for: impl Into<String>) -> Items<Erasure> {
        let (client, pending_for) = (self.clone(), pending_for.into());
        Items::new(move |cursor| {
            client
                .list_erasures(&pending_for)
                .at(cursor)
                .limit(PAGE_SIZE)
        })
    }

    /// Reads which consumers have confirmed the erasure of a user. Requires `events:read`.
    ///
    /// # Errors
    /// Not found (404) if the user was not erased, or the report has expired.
    pub fn get_erasure(&self, id: UserId) -> Read<ErasureReport> {
        self.read(operation::GET_ERASURE, &[&id.to_string()], Answer::json)
    }

    /// Confirms that a consumer has removed its copy of an erased user. Requires `events:read`.
    ///
    /// # Errors
    /// Not found (404) if the consumer is not registered, or the user was not erased.
    pub fn acknowledge_erasure(&self, id: UserId, consumer: &str) -> Write<()> {
        self.write(
            operation::ACKNOWLEDGE_ERASURE,
            &[&id.to_string(), consumer],
            nothing,
        )
    }
}
