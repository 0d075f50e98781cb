//! The last response and the close of a connection.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use actix_web::HttpResponse;
use actix_web::body::MessageBody as _;
use actix_web::http::header::{CONNECTION, CONTENT_LENGTH};
use actix_web::web::{Buf as _, Bytes};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Sleep, sleep};

/// The maximum time for the client to receive the last response of a connection.
const LINGER_TIMEOUT: Duration = Duration::from_secs(2);

/// The close of a connection: a response, and time for the client to receive it.
pub(super) struct Closing {
    response: Bytes,
    is_shut_down: bool,
    /// Whether to read until the client closes. Closing a connection with unread received bytes resets it, and the
    /// client may lose the response.
    drains_input: bool,
    deadline: Pin<Box<Sleep>>,
}

impl Closing {
    /// Closes a connection after a response. `drains_input` is whether the client may still be sending.
    pub(super) fn new(response: Bytes, drains_input: bool) -> Self {
        Self {
            response,
            is_shut_down: false,
            drains_input,
            deadline: Box::pin(sleep(LINGER_TIMEOUT)),
        }
    }

    /// Sends the response, shuts down the sending side, and waits until the client has closed or the timeout has
    /// passed.
    pub(super) fn poll_finish(
        &mut self,
        stream: &mut (impl AsyncRead + AsyncWrite + Unpin),
        cx: &mut Context<'_>,
    ) -> Poll<()> {
        // The deadline is polled first: reading may exhaust the task's cooperative budget, which the timer needs as
        // well.
        if self.deadline.as_mut().poll(cx).is_ready() {
            return Poll::Ready(());
        }
        self.poll_close(stream, cx).map(drop)
    }

    fn poll_close(
        &mut self,
        stream: &mut (impl AsyncRead + AsyncWrite + Unpin),
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<()>> {
        while !self.response.is_empty() {
            let written = ready!(Pin::new(&mut *stream).poll_write(cx, &self.response))?;
            if written == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            self.response.advance(written);
        }
        if !self.is_shut_down {
            ready!(Pin::new(&mut *stream).poll_shutdown(cx))?;
            self.is_shut_down = true;
        }
        while self.drains_input {
            let mut space = [0; 4096];
            let mut buffer = ReadBuf::new(&mut space);
            ready!(Pin::new(&mut *stream).poll_read(cx, &mut buffer))?;
            self.drains_input = !buffer.filled().is_empty();
        }
        Poll::Ready(Ok(()))
    }
}

/// Serialises the last response of a connection.
pub(super) fn serialise(response: HttpResponse, date: Option<&str>) -> Bytes {
    let status = response.status();
    let mut bytes = format!(
        "HTTP/1.1 {} {}\r\n",
        status.as_str(),
        status.canonical_reason().unwrap_or_default()
    )
    .into_bytes();
    let mut add = |name: &str, value: &[u8]| {
        for part in [name.as_bytes(), b": ", value, b"\r\n"] {
            bytes.extend_from_slice(part);
        }
    };
    for (name, value) in response.headers() {
        add(name.as_str(), value.as_bytes());
    }
    add(CONNECTION.as_str(), b"close");
    if let Some(date) = date {
        add("date", date.as_bytes());
    }
    let body = response.into_body().try_into_bytes().unwrap_or_default();
    add(CONTENT_LENGTH.as_str(), body.len().to_string().as_bytes());
    bytes.extend_from_slice(b"\r\n");
    bytes.extend_from_slice(&body);
    bytes.into()
}
