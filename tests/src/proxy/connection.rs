//! One connection through the proxy.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore, watch};
use tokio::time::Instant;

use super::Faults;

/// The maximum size of a read.
const READ_BYTES: usize = 64 * 1024;

/// The maximum number of delayed bytes per direction. The sender then has to wait, as on a congested network.
const MAX_DELAYED_BYTES: usize = 16 * 1024 * 1024;

/// How long a server may take to close its connection after that of the client was closed.
const SERVER_CLOSE_TIMEOUT: Duration = Duration::from_secs(5);

/// An accepted connection.
#[derive(Clone)]
pub(super) struct Connection {
    pub(super) number: u64,
    pub(super) faults: watch::Receiver<Faults>,
}

/// Bytes of one read that are being forwarded. An empty piece is the end of the stream.
struct Piece {
    bytes: Vec<u8>,
    due: Instant,
    _permit: OwnedSemaphorePermit,
}

/// The signals between the two directions of a connection.
#[derive(Default)]
struct Signals {
    /// The arming of the loss that a request has triggered.
    triggered: AtomicU64,
    /// The connection to the client was closed: nothing more is read from it.
    client_closed: Notify,
    /// Both sides must be closed at once.
    broken: Notify,
}

/// The number of bytes of the server that were forwarded since a break was armed.
#[derive(Default)]
struct Forwarded {
    arming: u64,
    bytes: usize,
}

impl Connection {
    /// Forwards both directions until both sides have ended, the era has ended, or the proxy is dropped.
    pub(super) async fn forward(self, client: TcpStream, era: u64) {
        let mut faults = self.faults.clone();
        tokio::select! {
            () = self.relay(client) => {}
            _ = faults.wait_for(|faults| faults.era != era) => {}
        }
    }

    async fn relay(mut self, client: TcpStream) {
        self.wait_until_passable().await;
        let target = self.faults.borrow().target.clone();
        let Ok(server) = TcpStream::connect(target).await else {
            return;
        };
        let (Ok(()), Ok(())) = (client.set_nodelay(true), server.set_nodelay(true)) else {
            return;
        };
        let ((from_client, to_client), (from_server, to_server)) =
            (client.into_split(), server.into_split());
        let (requests, queued_requests) = unbounded_channel();
        let (replies, queued_replies) = unbounded_channel();
        let signals = Signals::default();
        let from_client = async {
            tokio::select! {
                () = self.read_side(from_client, requests, |faults| faults.delay_of_requests) => {}
                () = signals.client_closed.notified() => {}
            }
        };
        let both_directions = async {
            tokio::join!(
                from_client,
                self.read_side(from_server, replies, |faults| faults.delay_of_replies),
                self.clone()
                    .forward_requests(queued_requests, to_server, &signals),
                self.clone()
                    .forward_replies(queued_replies, to_client, &signals),
            )
        };
        tokio::select! {
            _ = both_directions => {}
            () = signals.broken.notified() => {}
        }
    }

    /// Reads what one side sends without waiting for delayed pieces, so that a delay does not limit the throughput.
    async fn read_side(
        &self,
        mut from: OwnedReadHalf,
        queue: UnboundedSender<Piece>,
        delay: impl Fn(&Faults) -> Duration,
    ) {
        let capacity = Arc::new(Semaphore::new(MAX_DELAYED_BYTES));
        let mut buffer = vec![0; READ_BYTES];
        loop {
            let count = from.read(&mut buffer).await.unwrap_or(0);
            let due = Instant::now() + delay(&self.faults.borrow());
            let permits = u32::try_from(count).unwrap();
            let piece = Piece {
                bytes: buffer[..count].to_vec(),
                due,
                _permit: capacity.clone().acquire_many_owned(permits).await.unwrap(),
            };
            if queue.send(piece).is_err() || count == 0 {
                return;
            }
        }
    }

    async fn forward_requests(
        mut self,
        mut queue: UnboundedReceiver<Piece>,
        mut to: OwnedWriteHalf,
        signals: &Signals,
    ) {
        while let Some(bytes) = self.next_bytes(&mut queue).await {
            if let Some(loss) = &self.faults.borrow().loss
                && contains(&bytes, &loss.trigger)
            {
                signals.triggered.store(loss.arming, Ordering::Relaxed);
            }
            if to.write_all(&bytes).await.is_err() {
                return;
            }
        }
        let _ = to.shutdown().await;
    }

    async fn forward_replies(
        mut self,
        mut queue: UnboundedReceiver<Piece>,
        mut to: OwnedWriteHalf,
        signals: &Signals,
    ) {
        let mut forwarded = Forwarded::default();
        while let Some(bytes) = self.next_bytes(&mut queue).await {
            if self.loses(signals) {
                drop(to);
                signals.client_closed.notify_one();
                let ending = async { while self.next_bytes(&mut queue).await.is_some() {} };
                let _ = tokio::time::timeout(SERVER_CLOSE_TIMEOUT, ending).await;
                signals.broken.notify_one();
                return;
            }
            let remaining = self.remaining_before_break(&mut forwarded);
            let permitted = &bytes[..bytes.len().min(remaining)];
            if to.write_all(permitted).await.is_err() {
                return;
            }
            if bytes.len() >= remaining {
                signals.broken.notify_one();
                return;
            }
            forwarded.bytes += bytes.len();
        }
        let _ = to.shutdown().await;
    }

    /// Waits until the next bytes are due and may pass. Returns `None` at the end of the stream.
    async fn next_bytes(&mut self, queue: &mut UnboundedReceiver<Piece>) -> Option<Vec<u8>> {
        let piece = queue.recv().await?;
        if piece.due > Instant::now() {
            tokio::time::sleep_until(piece.due).await;
        }
        self.wait_until_passable().await;
        Some(piece.bytes).filter(|bytes| !bytes.is_empty())
    }

    /// Waits until bytes may pass on this connection: forever if it is frozen or the proxy is dropped.
    async fn wait_until_passable(&mut self) {
        let number = self.number;
        let passable = |faults: &Faults| !faults.hanging && number >= faults.frozen_below;
        let is_dropped = self.faults.wait_for(passable).await.is_err();
        if is_dropped {
            std::future::pending::<()>().await;
        }
    }

    /// Whether the next reply is lost. It is asked once for each reply.
    fn loses(&self, signals: &Signals) -> bool {
        let triggered = signals.triggered.load(Ordering::Relaxed);
        let faults = self.faults.borrow();
        let is_sampled = faults.sample.as_ref().is_some_and(|sample| {
            let number = sample.replies.fetch_add(1, Ordering::Relaxed) + 1;
            number % sample.one_in == 0
        });
        is_sampled
            || faults
                .loss
                .as_ref()
                .is_some_and(|loss| loss.trigger.is_empty() || loss.arming == triggered)
    }

    /// The number of bytes that may still be forwarded to the client. Restarts the count if a break has been armed
    /// since.
    fn remaining_before_break(&self, forwarded: &mut Forwarded) -> usize {
        let Some(break_off) = self.faults.borrow().break_off else {
            return usize::MAX;
        };
        if self.number >= break_off.below {
            return usize::MAX;
        }
        if forwarded.arming != break_off.arming {
            *forwarded = Forwarded {
                arming: break_off.arming,
                bytes: 0,
            };
        }
        break_off.after - forwarded.bytes
    }
}

fn contains(bytes: &[u8], pattern: &[u8]) -> bool {
    !pattern.is_empty() && bytes.windows(pattern.len()).any(|window| window == pattern)
}
