//! Pages of lists, and streams over them.

use std::collections::VecDeque;
use std::pin::Pin;
use std::task::{Context, Poll};

use futures_util::stream::{BoxStream, Stream, StreamExt, try_unfold};

use crate::call::Read;
use crate::error::Error;

/// A page of a list.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Page<T> {
    /// The entries, in the order of the list. A page can have fewer entries than its limit.
    pub items: Vec<T>,
    /// The cursor of the next page; none on the last one. It is valid for the same filter and order only.
    pub next_cursor: Option<String>,
}

impl<T> Page<T> {
    pub(crate) fn new(items: Vec<T>, next_cursor: Option<String>) -> Self {
        Self { items, next_cursor }
    }
}

/// The entries of a list, read page by page when they are asked for.
///
/// It is a [`Stream`]; [`Items::next`] reads it without further imports. It ends after the first error. Each page is
/// read with the deadline and the retries of the client.
pub struct Items<T>(BoxStream<'static, Result<T, Error>>);

impl<T: Send + 'static> Items<T> {
    /// Creates a stream from the function that reads the page after a cursor.
    pub(crate) fn new(page: impl Fn(Option<String>) -> Read<Page<T>> + Send + 'static) -> Self {
        let start = (VecDeque::new(), Position::First, page);
        let pages = try_unfold(start, async |(mut items, mut position, page)| {
            loop {
                if let Some(item) = items.pop_front() {
                    return Ok(Some((item, (items, position, page))));
                }
                let cursor = match position {
                    Position::First => None,
                    Position::After(cursor) => Some(cursor),
                    Position::End => return Ok(None),
                };
                let read = page(cursor).await?;
                items = read.items.into();
                position = read.next_cursor.map_or(Position::End, Position::After);
            }
        });
        Self(pages.boxed())
    }

    /// Returns the next entry; none at the end of the list.
    pub async fn next(&mut self) -> Option<Result<T, Error>> {
        self.0.next().await
    }

    /// Reads all entries, at most `limit`, so that a list without a bound does not fill the memory.
    ///
    /// # Errors
    /// That of the first page that cannot be read.
    pub async fn collect_up_to(mut self, limit: usize) -> Result<Vec<T>, Error> {
        let mut found = Vec::new();
        while found.len() < limit
            && let Some(item) = self.next().await
        {
            found.push(item?);
        }
        Ok(found)
    }
}

enum Position {
    First,
    After(String),
    End,
}

impl<T> Stream for Items<T> {
    type Item = Result<T, Error>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.0.poll_next_unpin(context)
    }
}
