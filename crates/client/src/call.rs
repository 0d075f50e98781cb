//! Calls before they are sent.

use std::future::IntoFuture;
use std::time::Duration;

use futures_util::future::{BoxFuture, FutureExt};
use reqwest::header::{CACHE_CONTROL, IF_MATCH};

use crate::client::Client;
use crate::error::Error;
use crate::etag::ETag;
use crate::operation::Operation;
use crate::transport::{
    Answer, CONSISTENCY_TOKEN, Decode, IDEMPOTENCY_KEY, IDEMPOTENCY_REPLAYED, REQUEST_ID, Request,
    send,
};

/// The position of a write. A read that is given it sees that write, from any replica.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConsistencyToken(Box<str>);

impl ConsistencyToken {
    /// Restores a token from its text, for example from a session.
    pub fn from_header(text: impl Into<Box<str>>) -> Self {
        Self(text.into())
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// The result of a call with the details of its response.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Answered<T> {
    /// The result.
    pub value: T,
    /// The id of the request in the log of the service.
    pub request_id: Option<String>,
    /// Whether the response repeats that of an earlier request with the same idempotency key.
    pub was_replayed: bool,
    /// The position of the write, for later reads.
    pub consistency: Option<ConsistencyToken>,
}

/// What reads and writes have in common.
pub(crate) struct Call<T> {
    client: Client,
    request: Result<Request, Error>,
    decode: Decode<T>,
}

/// A read that is sent when it is awaited.
#[must_use = "a read is sent when it is awaited"]
pub struct Read<T>(Call<T>);

/// A write that is sent when it is awaited.
///
/// Its idempotency key is made when it is sent, unless one is set.
#[must_use = "a write is sent when it is awaited"]
pub struct Write<T>(Call<T>);

impl<T: Send + 'static> Call<T> {
    fn change(mut self, change: impl FnOnce(&mut Request) -> Result<(), Error>) -> Self {
        self.request = self.request.and_then(|mut request| {
            change(&mut request)?;
            Ok(request)
        });
        self
    }

    fn decoded<U>(self, decode: Decode<U>) -> Call<U> {
        Call {
            client: self.client,
            request: self.request,
            decode,
        }
    }

    async fn send(self) -> Result<Answered<T>, Error> {
        let (value, answer) = send(&self.client, self.request?, self.decode).await?;
        Ok(Answered {
            value,
            request_id: answer.header(&REQUEST_ID).map(str::to_owned),
            was_replayed: answer.header(&IDEMPOTENCY_REPLAYED) == Some("true"),
            consistency: answer
                .header(&CONSISTENCY_TOKEN)
                .map(ConsistencyToken::from_header),
        })
    }
}

impl<T: Send + 'static> Read<T> {
    /// Limits the time for all attempts of this call together.
    pub fn deadline(self, deadline: Duration) -> Self {
        self.change(|request| {
            request.deadline = Some(deadline);
            Ok(())
        })
    }

    /// Reads the database instead of a cache. Without it, a user can be one second old.
    pub fn no_cache(self) -> Self {
        self.change(|request| request.header(CACHE_CONTROL, "no-cache"))
    }

    /// Reads a state that includes this write, from any replica.
    pub fn after(self, write: &ConsistencyToken) -> Self {
        self.change(|request| request.header(CONSISTENCY_TOKEN, write.as_str()))
    }

    /// Sends the read, and returns the details of the response too.
    ///
    /// # Errors
    /// Those of the operation; see [`Error`].
    pub async fn send(self) -> Result<Answered<T>, Error> {
        self.0.send().await
    }

    pub(crate) fn change(self, change: impl FnOnce(&mut Request) -> Result<(), Error>) -> Self {
        Self(self.0.change(change))
    }

    pub(crate) fn decoded<U>(self, decode: Decode<U>) -> Read<U> {
        Read(self.0.decoded(decode))
    }
}

impl<T: Send + 'static> Write<T> {
    /// Limits the time for all attempts of this call together.
    pub fn deadline(self, deadline: Duration) -> Self {
        self.change(|request| {
            request.deadline = Some(deadline);
            Ok(())
        })
    }

    /// Sets the idempotency key, 1 to 255 visible ASCII characters, of an operation that takes one.
    ///
    /// A write with the same key and the same content is done once within 24 hours, also if the process of the caller
    /// ends in between. Derive the key from the caller's own record of the write, and do not use it for another one.
    pub fn idempotency_key(self, key: &str) -> Self {
        self.change(|request| request.header(IDEMPOTENCY_KEY, key))
    }

    /// Does the write only if the user has not changed since this tag was read.
    /// Otherwise the error is [`is_changed_since`](Error::is_changed_since). Writes of relationships ignore it.
    pub fn if_match(self, tag: &ETag) -> Self {
        self.change(|request| request.header(IF_MATCH, tag.as_str()))
    }

    /// Sends the write, and returns the details of the response too.
    ///
    /// # Errors
    /// Those of the operation; see [`Error`].
    pub async fn send(self) -> Result<Answered<T>, Error> {
        self.0.send().await
    }

    pub(crate) fn change(self, change: impl FnOnce(&mut Request) -> Result<(), Error>) -> Self {
        Self(self.0.change(change))
    }
}

impl Client {
    /// Prepares a read. The arguments are those of the path.
    pub(crate) fn read<T>(
        &self,
        operation: Operation,
        arguments: &[&str],
        decode: Decode<T>,
    ) -> Read<T> {
        Read(self.call(operation, arguments, decode))
    }

    /// Prepares a write. The arguments are those of the path.
    pub(crate) fn write<T>(
        &self,
        operation: Operation,
        arguments: &[&str],
        decode: Decode<T>,
    ) -> Write<T> {
        Write(self.call(operation, arguments, decode))
    }

    fn call<T>(&self, operation: Operation, arguments: &[&str], decode: Decode<T>) -> Call<T> {
        Call {
            client: self.clone(),
            request: Request::new(operation, arguments),
            decode,
        }
    }
}

/// The result of an operation without a body in its response.
pub(crate) fn nothing(answer: &Answer) -> Result<(), Error> {
    if answer.status.is_success() {
        Ok(())
    } else {
        Err(Error::invalid_response(answer.status))
    }
}

impl<T: Send + 'static> IntoFuture for Read<T> {
    type Output = Result<T, Error>;
    type IntoFuture = BoxFuture<'static, Self::Output>;

    fn into_future(self) -> Self::IntoFuture {
        async { Ok(self.send().await?.value) }.boxed()
    }
}

impl<T: Send + 'static> IntoFuture for Write<T> {
    type Output = Result<T, Error>;
    type IntoFuture = BoxFuture<'static, Self::Output>;

    fn into_future(self) -> Self::IntoFuture {
        async { Ok(self.send().await?.value) }.boxed()
    }
}
