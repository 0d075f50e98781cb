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

/// The most that is read at once.
const PIECE: usize = 64 * 1024;

/// How many bytes of one direction may be under way: the sender of more has to wait, as on a network that is full.
const ROOM: usize = 16 * 1024 * 1024;

/// How long a server may take to end after its client has been closed.
const PATIENCE: Duration = Duration::from_secs(5);

/// A connection that has been accepted.
#[derive(Clone)]
pub(super) struct Connection {
    pub(super) number: u64,
    pub(super) faults: watch::Receiver<Faults>,
}

/// What one side sent at once, on its way; without bytes it is the end of what that side sends.
struct Piece {
    bytes: Vec<u8>,
    due: Instant,
    _room: OwnedSemaphorePermit,
}

/// What the two directions of a connection tell each other.
#[derive(Default)]
struct Signals {
    /// The arming of the loss whose trigger has passed in a request.
    triggered: AtomicU64,
    /// The client has been closed: nothing more is read from it.
    client_closed: Notify,
    /// Both sides are to be closed at once.
    broken: Notify,
}

/// How many bytes of the server have been passed since a break was armed.
#[derive(Default)]
struct Passed {
    arming: u64,
    bytes: usize,
}

impl Connection {
    /// Carries what both sides send until they have ended, the connection's era has passed, or the proxy is gone.
    pub(super) async fn carry(self, client: TcpStream, era: u64) {
        let mut faults = self.faults.clone();
        tokio::select! {
            () = self.relay(client) => {}
            _ = faults.wait_for(|faults| faults.era != era) => {}
        }
    }

    async fn relay(mut self, client: TcpStream) {
        self.passable().await;
        let target = self.faults.borrow().target.clone();
        let Ok(server) = TcpStream::connect(target).await else {
            return;
        };
        let (Ok(()), Ok(())) = (client.set_nodelay(true), server.set_nodelay(true)) else {
            return;
        };
        let ((from_client, to_client), (from_server, to_server)) =
            (client.into_split(), server.into_split());
        let (requests, coming_requests) = unbounded_channel();
        let (replies, coming_replies) = unbounded_channel();
        let signals = Signals::default();
        let from_client = async {
            tokio::select! {
                () = self.take_in(from_client, requests, |faults| faults.delay_of_requests) => {}
                () = signals.client_closed.notified() => {}
            }
        };
        let both_ways = async {
            tokio::join!(
                from_client,
                self.take_in(from_server, replies, |faults| faults.delay_of_replies),
                self.clone()
                    .pass_requests(coming_requests, to_server, &signals),
                self.clone()
                    .pass_replies(coming_replies, to_client, &signals),
            )
        };
        tokio::select! {
            _ = both_ways => {}
            () = signals.broken.notified() => {}
        }
    }

    /// Takes in what one side sends, at once, so that the pieces of a delay are under way together.
    async fn take_in(
        &self,
        mut from: OwnedReadHalf,
        queue: UnboundedSender<Piece>,
        delay: impl Fn(&Faults) -> Duration,
    ) {
        let room = Arc::new(Semaphore::new(ROOM));
        let mut buffer = vec![0; PIECE];
        loop {
            let count = from.read(&mut buffer).await.unwrap_or(0);
            let due = Instant::now() + delay(&self.faults.borrow());
            let permits = u32::try_from(count).unwrap();
            let piece = Piece {
                bytes: buffer[..count].to_vec(),
                due,
                _room: room.clone().acquire_many_owned(permits).await.unwrap(),
            };
            if queue.send(piece).is_err() || count == 0 {
                return;
            }
        }
    }

    async fn pass_requests(
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

    async fn pass_replies(
        mut self,
        mut queue: UnboundedReceiver<Piece>,
        mut to: OwnedWriteHalf,
        signals: &Signals,
    ) {
        let mut passed = Passed::default();
        while let Some(bytes) = self.next_bytes(&mut queue).await {
            if self.loses(signals) {
                drop(to);
                signals.client_closed.notify_one();
                let ending = async { while self.next_bytes(&mut queue).await.is_some() {} };
                let _ = tokio::time::timeout(PATIENCE, ending).await;
                signals.broken.notify_one();
                return;
            }
            let left = self.left_before_the_break(&mut passed);
            let fitting = &bytes[..bytes.len().min(left)];
            if to.write_all(fitting).await.is_err() {
                return;
            }
            if bytes.len() >= left {
                signals.broken.notify_one();
                return;
            }
            passed.bytes += bytes.len();
        }
        let _ = to.shutdown().await;
    }

    /// Waits for the bytes that come next, until they are due and may pass. Gives none at the end.
    async fn next_bytes(&mut self, queue: &mut UnboundedReceiver<Piece>) -> Option<Vec<u8>> {
        let piece = queue.recv().await?;
        if piece.due > Instant::now() {
            tokio::time::sleep_until(piece.due).await;
        }
        self.passable().await;
        Some(piece.bytes).filter(|bytes| !bytes.is_empty())
    }

    /// Waits until something may pass on this connection: for ever, if it is frozen or the proxy is gone.
    async fn passable(&mut self) {
        let number = self.number;
        let passable = |faults: &Faults| !faults.hanging && number >= faults.frozen_below;
        let gone = self.faults.wait_for(passable).await.is_err();
        if gone {
            std::future::pending::<()>().await;
        }
    }

    fn loses(&self, signals: &Signals) -> bool {
        let triggered = signals.triggered.load(Ordering::Relaxed);
        self.faults
            .borrow()
            .loss
            .as_ref()
            .is_some_and(|loss| loss.trigger.is_empty() || loss.arming == triggered)
    }

    /// How many more bytes the client may get; counts anew if a break has been armed since.
    fn left_before_the_break(&self, passed: &mut Passed) -> usize {
        let Some(break_off) = self.faults.borrow().break_off else {
            return usize::MAX;
        };
        if self.number >= break_off.below {
            return usize::MAX;
        }
        if passed.arming != break_off.arming {
            *passed = Passed {
                arming: break_off.arming,
                bytes: 0,
            };
        }
        break_off.after - passed.bytes
    }
}

fn contains(bytes: &[u8], wanted: &[u8]) -> bool {
    !wanted.is_empty() && bytes.windows(wanted.len()).any(|window| window == wanted)
}
