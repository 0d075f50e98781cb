//! A TCP proxy that misbehaves, to stand between the service and its database or Redis.

mod connection;

use std::net::SocketAddr;
use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinHandle;

use connection::Connection;

/// A proxy to one address.
///
/// What the client sends is a request and what the server sends is a reply, whatever the protocol calls it. Faults may be
/// combined. [`Proxy::mend`] ends each but a delay, which lasts until it is set to nothing, and a freeze, which lasts as
/// long as its connections.
pub struct Proxy {
    address: SocketAddr,
    faults: watch::Sender<Faults>,
    /// The number of the next connection.
    next: Arc<AtomicU64>,
    accepting: JoinHandle<()>,
}

/// What the proxy does at present.
struct Faults {
    target: String,
    /// Connections of an era that has passed are closed.
    era: u64,
    refusing: bool,
    hanging: bool,
    delay_of_requests: Duration,
    delay_of_replies: Duration,
    /// The number of the first connection that is not frozen.
    frozen_below: u64,
    /// How many times a fault has been armed that acts once on each connection: tells one arming from the next.
    armings: u64,
    loss: Option<Loss>,
    break_off: Option<BreakOff>,
}

/// The loss of replies, to requests that contain the trigger if it is not empty.
struct Loss {
    arming: u64,
    trigger: Vec<u8>,
}

/// The end of the connections below a number after so many more bytes of the server.
#[derive(Clone, Copy)]
struct BreakOff {
    arming: u64,
    below: u64,
    after: usize,
}

impl Proxy {
    /// Starts a proxy to `target`, without faults.
    pub async fn start(target: String) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let faults = watch::Sender::new(Faults {
            target,
            era: 0,
            refusing: false,
            hanging: false,
            delay_of_requests: Duration::ZERO,
            delay_of_replies: Duration::ZERO,
            frozen_below: 0,
            armings: 0,
            loss: None,
            break_off: None,
        });
        let next = Arc::new(AtomicU64::new(0));
        let accepting = tokio::spawn(accept(listener, faults.subscribe(), next.clone()));
        Self {
            address,
            faults,
            next,
            accepting,
        }
    }

    /// Starts a proxy before the server that a URL of PostgreSQL or Redis names, and gives the URL through it.
    pub async fn before(url: &str) -> (Self, String) {
        let (place, target) = host_of(url);
        let proxy = Self::start(target).await;
        let mut through = url.to_owned();
        through.replace_range(place, &proxy.address().to_string());
        (proxy, through)
    }

    /// Where the proxy listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Delays what each side sends by so much, from now on. It is latency alone: each piece is passed on that long after it
    /// came, in order, however many are under way.
    pub fn delay(&self, delay: Duration) {
        self.faults.send_modify(|faults| {
            faults.delay_of_requests = delay;
            faults.delay_of_replies = delay;
        });
    }

    /// Delays what the server sends by so much, from now on; the delay of what clients send stays as it is.
    pub fn delay_replies(&self, delay: Duration) {
        self.faults
            .send_modify(|faults| faults.delay_of_replies = delay);
    }

    /// Lets nothing through any more on the connections there are, without closing them, as a network does that has lost
    /// its way; connections made from now on work.
    pub fn freeze(&self) {
        let next = self.next.load(Ordering::Relaxed);
        self.faults.send_modify(|faults| faults.frozen_below = next);
    }

    /// Lets nothing through in either direction, not even the end of a connection, on those there are and on new ones, and
    /// closes none. [`Proxy::mend`] passes on what was held, in order: also what a client sent that has left since, as a
    /// network does that comes back. A new connection is accepted, and reaches a server only then.
    pub fn hang(&self) {
        self.faults.send_modify(|faults| faults.hanging = true);
    }

    /// Loses what the server answers, until [`Proxy::mend`]: the request reaches the server, and at the first byte of its
    /// answer the connection is closed for the client, as when a server dies between its commit and its answer.
    pub fn lose_replies(&self) {
        self.lose_replies_to("");
    }

    /// Loses replies as [`Proxy::lose_replies`] does, but only to requests that contain `trigger` and pass from now on: with
    /// `COMMIT`, a transaction gets as far as its end. It is looked for in each piece as it comes from the network.
    pub fn lose_replies_to(&self, trigger: &str) {
        self.faults.send_modify(|faults| {
            faults.armings += 1;
            faults.loss = Some(Loss {
                arming: faults.armings,
                trigger: trigger.as_bytes().to_owned(),
            });
        });
    }

    /// Closes each connection there is, once, for both sides, as soon as `after_bytes` more bytes of the server have been
    /// passed to its client (with 0, as soon as one wants to); connections made from now on work. [`Proxy::mend`] spares
    /// the connections that have not got that far.
    pub fn cut_mid_reply(&self, after_bytes: usize) {
        let below = self.next.load(Ordering::Relaxed);
        self.faults.send_modify(|faults| {
            faults.armings += 1;
            faults.break_off = Some(BreakOff {
                arming: faults.armings,
                below,
                after: after_bytes,
            });
        });
    }

    /// Cuts every connection and refuses new ones until [`Proxy::mend`].
    pub fn cut(&self) {
        self.faults.send_modify(|faults| {
            faults.era += 1;
            faults.refusing = true;
        });
    }

    /// Cuts every connection and leads new ones to another server, as a fail-over does.
    pub fn retarget(&self, target: impl Into<String>) {
        let target = target.into();
        self.faults.send_modify(|faults| {
            faults.era += 1;
            faults.target = target;
        });
    }

    /// Lets connections, requests and replies through again.
    pub fn mend(&self) {
        self.faults.send_modify(|faults| {
            faults.refusing = false;
            faults.hanging = false;
            faults.loss = None;
            faults.break_off = None;
        });
    }
}

impl Drop for Proxy {
    /// Ends the proxy: connections end with `faults`, which tells them that nobody holds it any more.
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

async fn accept(listener: TcpListener, faults: watch::Receiver<Faults>, next: Arc<AtomicU64>) {
    while let Ok((client, _)) = listener.accept().await {
        let (refusing, era) = {
            let faults = faults.borrow();
            (faults.refusing, faults.era)
        };
        if refusing {
            continue;
        }
        let connection = Connection {
            number: next.fetch_add(1, Ordering::Relaxed),
            faults: faults.clone(),
        };
        tokio::spawn(connection.carry(client, era));
    }
}

/// Where the host of a URL stands in it, and its address with a port, which is the scheme's own if the URL has none.
fn host_of(url: &str) -> (Range<usize>, String) {
    let scheme = url.find("://").unwrap();
    let authority = scheme + "://".len();
    let end = url[authority..]
        .find(['/', '?', '#'])
        .map_or(url.len(), |length| authority + length);
    let start = url[authority..end]
        .rfind('@')
        .map_or(authority, |at| authority + at + 1);
    let host = &url[start..end];
    let name_ends = host.rfind(']').unwrap_or(0);
    if host[name_ends..].contains(':') {
        return (start..end, host.to_owned());
    }
    let port = if url.starts_with("redis") { 6379 } else { 5432 };
    (start..end, format!("{host}:{port}"))
}
