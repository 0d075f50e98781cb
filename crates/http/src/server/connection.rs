//! The adapter between the socket of a connection and actix-http.

use std::io;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};

use actix_web::http::StatusCode;
use actix_web::http::header::HttpDate;
use actix_web::rt::net::TcpStream;
use actix_web::web::Bytes;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::bare_response;
use super::closing::{Closing, serialise};
use super::connection_state::{CloseReason, ConnectionState};
use super::open_connections::OpenConnection;
use super::request_tracker::RequestTracker;
use crate::extract::MalformedBody;
use crate::middleware::ParserRejections;
use crate::resource_limits::{HeldBytes, ResourceLimits};

/// A connection that passes one request at a time to the parser.
///
/// It changes bytes in two places only. [`RequestTracker`] percent-encodes request targets. [`bare_response`] finds the
/// responses of the parser, which are replaced by problems. A request that arrives before the previous response is sent
/// waits here, because the parser would otherwise hold all pipelined requests at once.
pub(super) struct Connection {
    stream: TcpStream,
    requests: RequestTracker,
    /// Received bytes that wait until the next request may start.
    waiting: Bytes,
    /// Rewritten bytes that the parser has not read yet.
    rewritten: Bytes,
    /// Whether a request waits, so that the task must be woken for it.
    is_waiting_for_turn: bool,
    has_received: bool,
    rejections: Rc<ParserRejections>,
    resource_limits: Rc<ResourceLimits>,
    unsent: Option<HeldBytes>,
    malformed_body: MalformedBody,
    open: OpenConnection,
    /// The status of the response with which the connection is closed.
    rejected: Option<StatusCode>,
    closing: Option<Box<Closing>>,
}

impl Connection {
    pub(super) fn new(
        stream: TcpStream,
        rejections: Rc<ParserRejections>,
        open: OpenConnection,
        resource_limits: Rc<ResourceLimits>,
    ) -> Self {
        Self {
            stream,
            requests: RequestTracker::default(),
            waiting: Bytes::new(),
            rewritten: Bytes::new(),
            is_waiting_for_turn: false,
            has_received: false,
            rejections,
            resource_limits,
            unsent: None,
            malformed_body: MalformedBody::default(),
            open,
            rejected: None,
            closing: None,
        }
    }

    pub(super) fn stream(&self) -> &TcpStream {
        &self.stream
    }

    pub(super) fn malformed_body(&self) -> &MalformedBody {
        &self.malformed_body
    }

    pub(super) fn state(&self) -> &Rc<ConnectionState> {
        &self.open.state
    }

    /// Returns the close of the connection with a problem, which replaces the bare response of the parser.
    fn reject(&self, status: StatusCode, date: Option<&str>) -> Closing {
        // No response is sent to a client that sent nothing, or if a handler has answered the malformed body.
        let has_response = self.has_received && !self.malformed_body.is_set();
        let response = if has_response {
            serialise(self.rejections.response(status), date)
        } else {
            Bytes::new()
        };
        // A client that is too slow has no unread input.
        Closing::new(response, status != StatusCode::REQUEST_TIMEOUT)
    }

    /// Whether a new request must wait for the previous one.
    fn must_wait(&self) -> bool {
        self.requests.is_between_requests() && !self.open.state.takes_requests()
    }

    fn wait_for_turn(&mut self, cx: &Context<'_>) -> Poll<io::Result<()>> {
        self.is_waiting_for_turn = true;
        self.open.state.keep_waker(cx);
        Poll::Pending
    }

    /// Tracks received bytes up to the end of the current request. Returns the number of bytes that may be read, and
    /// their replacement if they were rewritten.
    fn track(&mut self, received: &[u8]) -> (usize, Option<Vec<u8>>) {
        let progress = self.requests.receive(received);
        if progress.is_head_complete {
            self.open.state.begin_working();
        } else if progress.is_too_large {
            self.rejected = Some(StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE);
        } else if self.requests.is_in_head() {
            self.open.state.begin_receiving();
        }
        (progress.taken, progress.rewritten)
    }

    /// Fills the buffer from the rewritten bytes.
    fn fill_from_rewritten(&mut self, buffer: &mut ReadBuf<'_>) {
        let length = self.rewritten.len().min(buffer.remaining());
        buffer.put_slice(&self.rewritten.split_to(length));
    }

    /// Fills the buffer from the waiting bytes.
    fn fill_from_waiting(&mut self, buffer: &mut ReadBuf<'_>) {
        let length = self.waiting.len().min(buffer.remaining());
        let received = self.waiting.slice(..length);
        let (taken, rewritten) = self.track(&received);
        // Unlike `advance`, this releases the memory once all bytes were read.
        self.waiting = self.waiting.slice(taken..);
        match rewritten {
            None => buffer.put_slice(&received.slice(..taken)),
            Some(rewritten) => {
                self.rewritten = rewritten.into();
                self.fill_from_rewritten(buffer);
            }
        }
    }

    /// Tracks the bytes that were just received into the buffer, and removes those of the next request.
    fn fill_from_received(&mut self, buffer: &mut ReadBuf<'_>, before: usize) {
        let received = buffer.filled().get(before..).unwrap_or_default();
        let length = received.len();
        let (taken, rewritten) = self.track(received);
        if taken < length {
            let rest = received.get(taken..).unwrap_or_default();
            self.waiting = Bytes::copy_from_slice(rest);
            buffer.set_filled(before + taken);
        }
        if let Some(rewritten) = rewritten {
            buffer.set_filled(before);
            self.rewritten = rewritten.into();
            self.fill_from_rewritten(buffer);
        }
    }

    /// The result of reading a connection that this service closes: end of input, or an error if the client does not
    /// read.
    fn read_closed(&mut self, reason: CloseReason) -> io::Result<()> {
        match reason {
            CloseReason::Headers => self.rejected = Some(StatusCode::REQUEST_TIMEOUT),
            _ if self.open.state.unsent() > 0 => return Err(self.abort()),
            _ => {}
        }
        Ok(())
    }

    /// Makes the close of the connection discard unsent bytes.
    fn abort(&self) -> io::Error {
        // If the option cannot be set, the system discards the bytes later.
        let _ = self.stream.set_zero_linger();
        io::ErrorKind::ConnectionAborted.into()
    }

    /// Sends bytes, and counts those that the socket does not accept.
    fn send(&mut self, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let sent = Pin::new(&mut self.stream).poll_write(cx, bytes);
        let unsent = match &sent {
            Poll::Pending => bytes.len(),
            Poll::Ready(Ok(count)) => bytes.len() - count,
            Poll::Ready(Err(_)) => return sent,
        };
        let state = &self.open.state;
        if sent.is_pending() {
            if state.close_reason().is_some() {
                return Poll::Ready(Err(self.abort()));
            }
            // Reads keep the waker as well, but there are no reads after the client has closed its sending side.
            state.keep_waker(cx);
        }
        if unsent != state.unsent() && (unsent == 0 || sent.is_pending()) {
            state.set_unsent(unsent);
            self.unsent = (unsent > 0).then(|| self.resource_limits.unsent.hold(unsent));
        }
        sent
    }
}

impl AsyncRead for Connection {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        if let Some(reason) = this.open.state.close_reason() {
            return Poll::Ready(this.read_closed(reason));
        }
        if this.rejected.is_some() {
            return Poll::Ready(Ok(()));
        }
        if !this.rewritten.is_empty() {
            this.fill_from_rewritten(buffer);
            return Poll::Ready(Ok(()));
        }
        let must_wait = this.must_wait();
        if !this.waiting.is_empty() {
            if must_wait {
                return this.wait_for_turn(cx);
            }
            this.fill_from_waiting(buffer);
            return Poll::Ready(Ok(()));
        }
        let before = buffer.filled().len();
        match Pin::new(&mut this.stream).poll_read(cx, buffer) {
            Poll::Pending => {
                this.open.state.keep_waker(cx);
                return Poll::Pending;
            }
            Poll::Ready(read) => read?,
        }
        let received = buffer.filled().get(before..).unwrap_or_default();
        if received.is_empty() {
            return Poll::Ready(Ok(()));
        }
        this.has_received = true;
        if must_wait {
            this.waiting = Bytes::copy_from_slice(received);
            buffer.set_filled(before);
            return this.wait_for_turn(cx);
        }
        this.fill_from_received(buffer, before);
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Connection {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        if this.closing.is_none() {
            match bare_response::find(bytes) {
                None => return this.send(cx, bytes),
                Some((0, status)) => {
                    this.closing = Some(Box::new(this.reject(status, bare_response::date(bytes))));
                }
                Some((start, _)) => {
                    let (earlier, _) = bytes.split_at(start.min(bytes.len()));
                    return this.send(cx, earlier);
                }
            }
        }
        // The error makes actix-http drop the connection, on which nothing remains to be sent.
        this.closing.as_mut().map_or(Poll::Pending, |closing| {
            let end = closing.poll_finish(&mut this.stream, cx);
            end.map(|()| Err(io::ErrorKind::ConnectionAborted.into()))
        })
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        if this.is_waiting_for_turn && this.open.state.takes_requests() {
            this.is_waiting_for_turn = false;
            cx.waker().wake_by_ref();
        }
        Pin::new(&mut this.stream).poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        if this.closing.is_none() {
            if let Some(status) = this.rejected.take() {
                let date = now();
                this.closing = Some(Box::new(this.reject(status, Some(&date))));
            } else if !this.waiting.is_empty() {
                this.closing = Some(Box::new(Closing::new(Bytes::new(), true)));
            }
        }
        match &mut this.closing {
            Some(closing) => closing.poll_finish(&mut this.stream, cx).map(Ok),
            None => Pin::new(&mut this.stream).poll_shutdown(cx),
        }
    }
}

/// Returns the value of `Date`.
#[expect(
    clippy::disallowed_methods,
    reason = "a header field for clients, as in actix-http; no decision depends on it"
)]
fn now() -> String {
    HttpDate::from(std::time::SystemTime::now()).to_string()
}
