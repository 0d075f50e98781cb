//! Serialises large JSON documents without blocking the other requests of an event loop.

use actix_web::web::Bytes;
use serde::Serialize;
use tokio::task::yield_now;

use crate::problem::Problem;
use crate::resource_limits::{ByteBudget, HeldBytes};

/// The number of bytes after which serialisation yields to other requests. A single array item may exceed it.
const CHUNK_BYTES: usize = 64 * 1024;

/// A JSON object that is written member by member. Arrays are written in chunks. The budget counts each chunk until the
/// object is sent.
pub(crate) struct LargeObject {
    bytes: Vec<u8>,
    budget: ByteBudget,
    held: Option<HeldBytes>,
    /// The length at the last yield.
    yielded_at: usize,
}

impl LargeObject {
    /// Creates an object with a capacity of `bytes`. It may exceed one chunk only within the budget.
    pub(crate) fn with_capacity(bytes: usize, budget: &ByteBudget) -> Self {
        let mut object = Self {
            bytes: Vec::with_capacity(bytes),
            budget: budget.clone(),
            held: None,
            yielded_at: 0,
        };
        object.bytes.push(b'{');
        object
    }

    /// Writes a member.
    pub(crate) fn member(&mut self, name: &str, value: &impl Serialize) -> Result<(), Problem> {
        self.name(name)?;
        write(&mut self.bytes, value)
    }

    /// Writes an array member.
    pub(crate) async fn array<T: Serialize>(
        &mut self,
        name: &str,
        items: impl IntoIterator<Item = T>,
    ) -> Result<(), Problem> {
        self.array_with(name, items, |bytes, item| write(bytes, &item))
            .await
    }

    /// Writes an array member, each item with `write_item`.
    pub(crate) async fn array_with<T>(
        &mut self,
        name: &str,
        items: impl IntoIterator<Item = T>,
        write_item: impl Fn(&mut Vec<u8>, T) -> Result<(), Problem>,
    ) -> Result<(), Problem> {
        self.name(name)?;
        self.bytes.push(b'[');
        for (index, item) in items.into_iter().enumerate() {
            if index > 0 {
                self.bytes.push(b',');
            }
            write_item(&mut self.bytes, item)?;
            let length = self.bytes.len() - self.yielded_at;
            if length >= CHUNK_BYTES {
                self.count(length)?;
                self.yielded_at = self.bytes.len();
                yield_now().await;
            }
        }
        self.bytes.push(b']');
        Ok(())
    }

    /// Opens an object member; [`LargeObject::close`] closes it.
    pub(crate) fn open(&mut self, name: &str) -> Result<(), Problem> {
        self.name(name)?;
        self.bytes.push(b'{');
        Ok(())
    }

    /// Closes the object that was opened last.
    pub(crate) fn close(&mut self) {
        self.bytes.push(b'}');
    }

    /// Closes the whole object and returns its text. The budget counts the text until its last slice is dropped.
    pub(crate) fn finish(mut self) -> Bytes {
        self.close();
        match self.held {
            None => self.bytes.into(),
            Some(held) => {
                // Growth by doubling leaves unused capacity, and the budget counts only the length. A slow client would
                // keep that capacity allocated.
                self.bytes.shrink_to_fit();
                tracked_bytes(self.bytes, held)
            }
        }
    }

    /// Adds written bytes to the budget.
    ///
    /// # Errors
    ///
    /// `overloaded` if all requests together exceed the budget.
    fn count(&mut self, bytes: usize) -> Result<(), Problem> {
        let is_counted = if let Some(held) = &mut self.held {
            self.budget.try_extend(held, bytes)
        } else {
            self.held = self.budget.try_hold(bytes);
            self.held.is_some()
        };
        if is_counted {
            Ok(())
        } else {
            Err(Problem::overloaded())
        }
    }

    fn name(&mut self, name: &str) -> Result<(), Problem> {
        if self.bytes.last() != Some(&b'{') {
            self.bytes.push(b',');
        }
        write(&mut self.bytes, &name)?;
        self.bytes.push(b':');
        Ok(())
    }
}

/// Creates a text that the budget counts until its last slice is dropped.
pub(crate) fn tracked_bytes(bytes: Vec<u8>, held: HeldBytes) -> Bytes {
    Bytes::from_owner(TrackedBytes { bytes, _held: held })
}

/// A text that the budget counts until it is dropped.
struct TrackedBytes {
    bytes: Vec<u8>,
    _held: HeldBytes,
}

impl AsRef<[u8]> for TrackedBytes {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

fn write(bytes: &mut Vec<u8>, value: &impl Serialize) -> Result<(), Problem> {
    serde_json::to_writer(bytes, value)
        .map_err(|error| Problem::internal(format!("JSON serialisation failed: {error}")))
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;
    use std::rc::Rc;

    use serde_json::{Value, json};

    use super::*;

    /// Creates an empty object with an unlimited budget.
    fn object() -> LargeObject {
        LargeObject::with_capacity(0, &ByteBudget::new(usize::MAX))
    }

    #[actix_web::test]
    async fn members_arrays_and_nested_objects_form_valid_json() {
        let mut large = object();
        large.array("none", [0; 0]).await.unwrap();
        large.open("inner").unwrap();
        large.member("text", &"{").unwrap();
        large.array("some", ["a", "\"", "["]).await.unwrap();
        large.open("empty").unwrap();
        large.close();
        large.close();
        large.member("null", &Value::Null).unwrap();
        let written: Value = serde_json::from_slice(&large.finish()).unwrap();
        assert_eq!(
            written,
            json!({"none": [], "inner": {"text": "{", "some": ["a", "\"", "["], "empty": {}}, "null": null})
        );
        assert_eq!(object().finish(), "{}");
    }

    #[actix_web::test]
    async fn a_large_document_yields_between_chunks() {
        let runs = Rc::new(Cell::new(0));
        let other = actix_web::rt::spawn({
            let runs = runs.clone();
            async move {
                loop {
                    runs.set(runs.get() + 1);
                    yield_now().await;
                }
            }
        });
        let mut large = object();
        large.array("small", ["a"; 100]).await.unwrap();
        assert_eq!(runs.get(), 0, "a small document is written without a yield");
        let item = "x".repeat(1000);
        large.array("large", vec![item; 1000]).await.unwrap();
        other.abort();
        assert!(runs.get() >= 10, "{}", runs.get());
    }

    #[actix_web::test]
    async fn the_budget_counts_large_objects_until_they_are_sent() {
        let budget = ByteBudget::new(4 * CHUNK_BYTES);
        let item = "x".repeat(CHUNK_BYTES);
        let write = async |count| {
            let mut object = LargeObject::with_capacity(0, &budget);
            let items = std::iter::repeat_n(&item, count);
            object.array("items", items).await?;
            Ok::<_, Problem>(object.finish())
        };
        let sent = write(3).await.unwrap();
        assert!(write(3).await.is_err());
        assert!(write(0).await.is_ok(), "a small object is always written");
        let last_piece = sent.slice(sent.len() - 1..);
        drop(sent);
        assert!(
            write(3).await.is_err(),
            "a slice keeps the whole text counted"
        );
        drop(last_piece);
        assert!(write(3).await.is_ok());
    }
}
