//! Response bodies that are copied to the connection in pieces.

use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll};

use actix_web::body::{BodySize, BoxBody, MessageBody};
use actix_web::web::Bytes;

use super::connection_state::Exchange;
use crate::resource_limits::{ByteBudget, HeldBytes, ResourceLimits};

/// The size of a small piece, and the maximum size of a body that is not split.
///
/// Together with as many unsent bytes (`h1_write_buffer_size`), such a piece fits into the initial buffer of a
/// connection (8 KiB).
pub(super) const SMALL_PIECE: usize = 4 * 1024;

/// The size of a piece while few bytes of all connections are unsent.
const LARGE_PIECE: usize = 16 * 1024;

/// The maximum size of a body that is counted here. A larger one is counted where it is serialised, or is shared.
const MAX_COUNTED_BODY: usize = 64 * 1024;

/// The percentage of the limit of unsent bytes from which pieces are small.
const CROWDED_PERCENT: usize = 25;

/// A body that copies a piece into the buffer of the connection each time the socket has accepted the previous one.
struct SplitBody {
    rest: Bytes,
    unsent: ByteBudget,
    _held: Option<HeldBytes>,
    /// The exchange, which ends when the body is sent or dropped.
    _exchange: Exchange,
}

/// Splits a body if it is large. The exchange ends when the body is sent.
pub(super) fn split_if_large(
    body: BoxBody,
    resource_limits: &ResourceLimits,
    exchange: Exchange,
) -> BoxBody {
    if !matches!(body.size(), BodySize::Sized(size) if size > SMALL_PIECE as u64) {
        return body;
    }
    match body.try_into_bytes() {
        Ok(rest) => {
            exchange.begin_sending();
            BoxBody::new(SplitBody {
                unsent: resource_limits.unsent.clone(),
                _held: (rest.len() <= MAX_COUNTED_BODY)
                    .then(|| resource_limits.unsent.hold(rest.len())),
                rest,
                _exchange: exchange,
            })
        }
        Err(body) => body,
    }
}

impl MessageBody for SplitBody {
    type Error = Infallible;

    fn size(&self) -> BodySize {
        BodySize::Sized(self.rest.len() as u64)
    }

    fn poll_next(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Bytes, Self::Error>>> {
        if self.rest.is_empty() {
            return Poll::Ready(None);
        }
        let piece = if self.unsent.is_filled_to(CROWDED_PERCENT) {
            SMALL_PIECE
        } else {
            LARGE_PIECE
        };
        let length = piece.min(self.rest.len());
        Poll::Ready(Some(Ok(self.rest.split_to(length))))
    }
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;

    use super::*;

    /// Returns the lengths of the pieces of a body.
    async fn lengths(resource_limits: &ResourceLimits, size: usize) -> Vec<usize> {
        let body = BoxBody::new(Bytes::from(vec![b'x'; size]));
        let mut body = split_if_large(body, resource_limits, Exchange::without_connection());
        let mut lengths = Vec::new();
        while let Some(piece) = poll_fn(|cx| body.as_pin_mut().poll_next(cx)).await {
            lengths.push(piece.unwrap().len());
        }
        lengths
    }

    #[actix_web::test]
    async fn a_large_body_is_split_into_smaller_pieces_while_many_bytes_are_unsent() {
        let resource_limits = ResourceLimits::new(1024);
        assert_eq!(lengths(&resource_limits, SMALL_PIECE).await, [SMALL_PIECE]);
        assert_eq!(
            lengths(&resource_limits, 2 * LARGE_PIECE + 1).await,
            [LARGE_PIECE, LARGE_PIECE, 1]
        );
        let unsent = resource_limits.unsent.hold(32 * 1024 * 1024);
        assert_eq!(
            lengths(&resource_limits, SMALL_PIECE + 1).await,
            [SMALL_PIECE, 1]
        );
        drop(unsent);
        assert_eq!(
            lengths(&resource_limits, SMALL_PIECE + 1).await,
            [SMALL_PIECE + 1]
        );
    }

    #[actix_web::test]
    async fn the_bytes_of_a_body_are_counted_until_it_is_dropped() {
        let resource_limits = ResourceLimits::new(1024);
        let limit = 64 * 1024 * 1024;
        let body = BoxBody::new(Bytes::from(vec![b'x'; MAX_COUNTED_BODY]));
        let body = split_if_large(body, &resource_limits, Exchange::without_connection());
        assert!(
            resource_limits
                .unsent
                .try_hold(limit - MAX_COUNTED_BODY + 1)
                .is_none()
        );
        drop(body);
        assert!(resource_limits.unsent.try_hold(limit).is_some());
    }
}
